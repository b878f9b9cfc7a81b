"""From labeled files to a model that knows their classes or parts, in one call."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from crossjepa import model_files
from crossjepa.config import ModelConfig
from crossjepa.datasets import Dataset
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.files import write_json
from crossjepa.hashing import weights_digest
from crossjepa.result import Outcome, Result, versions
from crossjepa.train.common.checkpoint import checkpoints
from crossjepa.train.common.distributed import own_device
from crossjepa.train.finetune.clouds import LabeledClouds, Split, read_clouds, split_dataset
from crossjepa.train.finetune.config import FinetuneConfig
from crossjepa.train.finetune.data import head_config, open_data
from crossjepa.train.finetune.report import measure
from crossjepa.train.finetune.trainer import CACHE_NAME, FinetuneOptions, Finetuner

logger = logging.getLogger(__name__)

RECIPE_NAME, RESULT_NAME = "recipe.json", "result.json"


def finetune(
    data: Dataset | str | os.PathLike[str],
    output: str | os.PathLike[str],
    config: FinetuneConfig | None = None,
    *,
    data_set: str | None = None,
    options: FinetuneOptions | None = None,
) -> Result | None:
    """Fine-tunes a pretrained encoder on labeled clouds or meshes, or goes on with a run that was cut.

    Args:
        data: a folder of class/file, a CSV table of path and label, any data set that
            `crossjepa.datasets.load` reads, or what it returned.
        output: folder of the result, which `CrossJEPAEncoder.from_pretrained` loads: config.json and
            model.safetensors; beside them result.json, recipe.json, log.csv, curves.png, and of a
            classification confusion.csv and confusion.png.
        config: the recipe.
        data_set: which data set it is, where its files do not tell.
        options: device, progress, checkpoints.

    Returns:
        The figures of the one test, and all that is needed to repeat it; None when `stop_after` ended the
        process before the run's end.

    Raises:
        ValueError: the data do not fit the task, or the folder holds another run or model.
        PointCloudError: a file cannot be used; the message names it and the reason.
        WeightsError: the weights to start from cannot be found.
        FloatingPointError: the loss is not finite.

    Example:
        >>> result = finetune("my_files", "my_model")
        >>> crossjepa.CrossJEPAEncoder.from_pretrained("my_model").predict("new.obj")
        Prediction(label='chair', probability=0.93)
    """
    config, options, folder = config or FinetuneConfig(), options or FinetuneOptions(), Path(output)
    started = time.perf_counter()
    encoder = start_encoder(config)
    dataset = open_data(data, config, encoder, data_set)
    recipe = {**asdict(config), **_data_facts(dataset), "weights": weights_digest(encoder)}
    done = _open_folder(folder, recipe)
    if done is not None:
        logger.info("%s: this run has ended; delete the folder to repeat it", folder)
        return done
    split = split_dataset(dataset, config.validation_share, config.test_share, config.seed)
    clouds = read_clouds(
        dataset,
        encoder.processor,
        with_parts=config.task == "partseg",
        progress=None if options.progress else False,
        cache=folder / CACHE_NAME / "clouds.safetensors",
    )
    head = head_config(dataset, clouds, config)
    torch.manual_seed(config.seed)
    encoder.reset_classifier(head)
    encoder.to(own_device(options.device))
    # Not before the data could be read: whoever mends a file may go on in the same folder.
    write_json(folder / RECIPE_NAME, recipe)
    trainer = Finetuner(
        encoder, clouds.select(split.train_n), clouds.select(split.validation_n), config, folder, options
    )
    if not trainer.train():
        return None
    outcome = _test(encoder, clouds, split, config, folder, options)
    result = _result(encoder, dataset, split, config, trainer, outcome, time.perf_counter() - started)
    _finish(encoder.cpu(), folder, result)
    return result


def start_encoder(config: FinetuneConfig) -> CrossJEPAEncoder:
    """Loads the weights to start from, without any head; random ones of the same shape for `from_scratch`."""
    encoder = CrossJEPAEncoder.from_pretrained(config.model)
    if not config.from_scratch:
        encoder.reset_classifier(None)
        return encoder
    torch.manual_seed(config.seed)
    known = encoder.model_config
    return CrossJEPAEncoder(ModelConfig(known.encoder, known.processor)).eval()


def _data_facts(dataset: Dataset) -> dict[str, Any]:
    return {
        "data": dataset.name,
        "data_checksum": dataset.checksum(),
        "samples": len(dataset),
        "selection": _selection(dataset),
        "data_up_axis": dataset.up_axis,
    }


def _selection(dataset: Dataset) -> str:
    """Hashes which samples there are, with classes and splits: a subset has the checksum of the whole."""
    content = [dataset.classes, dataset.labels_n.tolist(), dataset.splits, dataset.indices_n.tolist()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _open_folder(folder: Path, recipe: dict[str, Any]) -> Result | None:
    """Makes the folder, or returns the result that it holds; refuses folders of other runs and models."""
    path = folder / RECIPE_NAME
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        changed = sorted(key for key in {*recipe, *found} if recipe.get(key) != found.get(key))
        if changed:
            raise ValueError(
                f"{folder} was started with another {', '.join(changed)}: go on with the same, or choose "
                "another folder"
            )
        ended = folder / RESULT_NAME
        return Result(**json.loads(ended.read_text(encoding="utf-8"))) if ended.is_file() else None
    if (folder / model_files.CONFIG_NAME).exists() or checkpoints(folder):
        raise ValueError(f"{folder} holds another model or run: choose another folder")
    shutil.rmtree(folder / CACHE_NAME, ignore_errors=True)  # perhaps of other data
    folder.mkdir(parents=True, exist_ok=True)
    return None


def _test(
    encoder: CrossJEPAEncoder,
    clouds: LabeledClouds,
    split: Split,
    config: FinetuneConfig,
    folder: Path,
    options: FinetuneOptions,
) -> Outcome:
    encoder.eval().requires_grad_(True)
    if not len(split.test_n):
        return Outcome({})
    shown = None if options.progress else False
    return measure(encoder, clouds.select(split.test_n), config.votes, folder, shown)


def _result(
    encoder: CrossJEPAEncoder,
    dataset: Dataset,
    split: Split,
    config: FinetuneConfig,
    trainer: Finetuner,
    outcome: Outcome,
    seconds: float,
) -> Result:
    assert trainer.best is not None
    measured = dict(outcome.metrics)
    if len(split.validation_n):
        name = "validation_miou" if config.task == "partseg" else "validation_accuracy"
        measured[name] = trainer.best["score"][0]
    start = "random weights" if config.from_scratch else config.model
    return Result(
        protocol=f"finetune-{config.task}",
        description=f"{start}, fine-tuned; the epoch chosen on validation clouds, tested once",
        metrics=measured,
        table=outcome.table,
        settings={
            **asdict(config),
            **outcome.settings,
            "best epoch": trainer.best["epoch"],
            "best epoch trained": trainer.best["phase"],
            "epochs run": trainer.epoch,
        },
        model={
            "name": start,
            "pool": "max+mean",
            "weights": weights_digest(encoder),
            "parameters": sum(value.numel() for value in encoder.parameters()),
        },
        data={
            **_data_facts(dataset),
            "layout": dataset.layout,
            "classes": len(dataset.classes),
            "division": split.rule,
            "train": len(split.train_n),
            "validation": len(split.validation_n),
            "test": len(split.test_n),
        },
        versions=versions(),
        seconds={"all": seconds},
        seed=config.seed,
    )


def _finish(encoder: CrossJEPAEncoder, folder: Path, result: Result) -> None:
    """Writes the model, then its figures, and only then removes what a killed run would need."""
    facts = {"task": result.protocol, "start": result.model["name"], "data": result.data, **result.metrics}
    encoder.with_provenance(finetuned=facts).save_pretrained(folder)
    write_json(folder / RESULT_NAME, result.to_dict())
    for path in checkpoints(folder):
        path.unlink()
    shutil.rmtree(folder / CACHE_NAME, ignore_errors=True)
    for path in folder.glob(".*partial*"):  # what a killed process was writing
        shutil.rmtree(path) if path.is_dir() else path.unlink()
