"""From labeled files to a model that knows their classes or parts, in one call."""

import hashlib
import json
import logging
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from crossjepa import model_files
from crossjepa.config import ModelConfig
from crossjepa.datasets import Dataset
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.file_sets import file_of_set
from crossjepa.files import write_json
from crossjepa.locks import in_use
from crossjepa.model_files import weights_digest
from crossjepa.result import Outcome, Result, versions
from crossjepa.train.common.checkpoint import checkpoints
from crossjepa.train.common.distributed import own_device
from crossjepa.train.finetune.config import FinetuneConfig, FinetuneOptions
from crossjepa.train.finetune.data import open_data, read_clouds
from crossjepa.train.finetune.report import write_predictions
from crossjepa.train.finetune.splits import split_dataset
from crossjepa.train.finetune.tasks import Score, make_task
from crossjepa.train.finetune.trainer import CACHE_NAME, Finetuner

logger = logging.getLogger(__name__)

RECIPE_NAME, RESULT_NAME, PREDICTIONS_NAME = "recipe.json", "result.json", "predictions.csv"


def finetune(
    data: Dataset | str | os.PathLike[str],
    output: str | os.PathLike[str],
    config: FinetuneConfig | None = None,
    *,
    data_set: str | None = None,
    options: FinetuneOptions | None = None,
) -> Result:
    """Fine-tunes a pretrained encoder on labeled clouds or meshes, or resumes a run that was interrupted.

    Args:
        data: a folder of class/file, a CSV table of path and label, any data set that
            `crossjepa.datasets.load` reads, or what it returned.
        output: folder of the result, which `CrossJEPAEncoder.from_pretrained` loads: config.json and
            model.safetensors; beside them result.json, recipe.json, log.jsonl, curves.png, predictions.csv,
            and, for classification, confusion.csv and confusion.png. `crossjepa.view.report` makes a page of
            all this.
        config: the recipe.
        data_set: which data set it is, if its files do not tell.
        options: device, progress, checkpoints.

    Returns:
        The metrics of the one test, and all that is needed to repeat it.

    Raises:
        ValueError: the data do not fit the task, or the folder holds another run or model.
        FolderInUseError: another run on this machine uses the folder.
        PointCloudError: a file cannot be used; the message names it and the reason.
        WeightsError: the weights to start from cannot be found.
        FloatingPointError: the loss is not finite.

    Example:
        >>> result = finetune("shapes", "new_model", FinetuneConfig.of(frozen_epochs=5, epochs=1))
        >>> crossjepa.CrossJEPAEncoder.from_pretrained("new_model").predict("horse.obj").label
        'horse'
    """
    with in_use(output):
        run = FinetuneRun(data, output, config, data_set=data_set, options=options)
        run.train()
        return run.finish()


class FinetuneRun:
    """A fine-tuning run in its folder: `finetune` is `train` and then `finish`.

    Takes the arguments of `finetune` and raises what it raises. The same arguments open the run again: one
    that was interrupted is resumed after its last checkpoint, and one that has ended only has its result.
    """

    def __init__(
        self,
        data: Dataset | str | os.PathLike[str],
        output: str | os.PathLike[str],
        config: FinetuneConfig | None = None,
        *,
        data_set: str | None = None,
        options: FinetuneOptions | None = None,
    ) -> None:
        self.started = time.perf_counter()
        self.folder, self.options = Path(output), options or FinetuneOptions()
        self.config = config = config or FinetuneConfig()
        self.task = make_task(config)
        self.encoder = start_encoder(config)
        self.dataset = open_data(data, self.task, self.encoder.processor, data_set)
        recipe = {**config.flat(), **_data_facts(self.dataset), "weights": weights_digest(self.encoder)}
        self.result = _open_folder(self.folder, recipe)
        if self.result is not None:
            logger.info("%s: this run has ended; delete the folder to repeat it", self.folder)
            return
        self.progress = None if self.options.progress else False
        self.split = split_dataset(
            self.dataset, config.data.validation_share, config.data.test_share, config.seed
        )
        self.clouds = read_clouds(
            self.dataset,
            self.encoder.processor,
            with_parts=self.task.with_parts,
            progress=self.progress,
            cache=self.folder / CACHE_NAME / "clouds.safetensors",
        )
        head = self.task.head_config(self.dataset, self.clouds)
        torch.manual_seed(config.seed)
        self.encoder.reset_classifier(head)
        self.encoder.to(own_device(self.options.device))
        # Not before the data could be read: whoever repairs a file may continue in the same folder.
        write_json(self.folder / RECIPE_NAME, recipe)
        train, validation = (
            self.clouds.select(places) for places in (self.split.train_n, self.split.validation_n)
        )
        self.trainer = Finetuner(self.encoder, self.task, train, validation, self.folder, self.options)

    def train(self, most_epochs: int | None = None) -> bool:
        """Trains to the end of the run.

        Args:
            most_epochs: stop after this many epochs with a checkpoint, to be resumed later.

        Returns:
            Whether the run has ended.
        """
        with in_use(self.folder):
            return self.result is not None or self.trainer.train(most_epochs)

    def finish(self) -> Result:
        """Tests the best epoch, writes model and result, and removes what an interrupted run would need.

        Raises:
            RuntimeError: the run has not ended.
        """
        with in_use(self.folder):
            return self.result or self._finish()

    def _finish(self) -> Result:
        if not self.trainer.ended:
            raise RuntimeError(f"{self.folder}: the run has not ended: train it to its end first")
        self.encoder.eval().requires_grad_(True)
        sure = self.task.calibrate(self.encoder, self.clouds.select(self.split.validation_n))
        outcome = Outcome({})
        if len(self.split.test_n):
            tested = self.clouds.select(self.split.test_n)
            outcome = self.task.test(self.encoder, tested, self.folder, self.progress)
            if outcome.predictions:
                places_n = self.split.test_n
                found = replace(outcome.predictions, rows_n=self.dataset.indices_n[places_n])
                names = [self.dataset.names[place] for place in places_n]
                write_predictions(self.folder / PREDICTIONS_NAME, found, names)
                outcome = replace(outcome, predictions=found)
        self.result = result = self._make_result(outcome, sure)
        facts = {
            "task": result.protocol,
            "start": result.model["name"],
            "data": result.data,
            **result.metrics,
            **sure,
        }
        self.encoder.similarity_config = None  # of features that training has changed
        self.encoder.cpu().with_provenance(finetuned=facts).save_pretrained(self.folder)
        write_json(self.folder / RESULT_NAME, result.to_dict())
        for path in checkpoints(self.folder):
            path.unlink()
        shutil.rmtree(self.folder / CACHE_NAME, ignore_errors=True)
        for path in self.folder.glob(".*partial*"):  # what a killed process was writing
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return result

    def _make_result(self, outcome: Outcome, sure: dict[str, float]) -> Result:
        config, best, dataset, split = self.config, self.trainer.best, self.dataset, self.split
        assert best is not None
        metrics = dict(outcome.metrics)
        if len(split.validation_n):
            name, value = next(iter(self.task.log_values(Score(*best["score"])).items()))
            metrics[name] = value
        start = "random weights" if config.from_scratch else config.model
        return Result(
            protocol=f"finetune-{config.task}",
            description=f"{start}, fine-tuned; the epoch chosen on validation clouds, tested once",
            metrics=metrics,
            table=outcome.table,
            settings={
                **config.flat(),
                **outcome.settings,
                **sure,
                "best epoch": best["epoch"],
                "best epoch trained": best["phase"],
                "epochs run": self.trainer.epoch,
            },
            model={
                "name": start,
                "pool": "max+mean",
                "weights": weights_digest(self.encoder),
                "parameters": sum(value.numel() for value in self.encoder.parameters()),
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
            seconds={"all": time.perf_counter() - self.started},
            seed=config.seed,
            predictions=outcome.predictions,
        )


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
    # A subset has the checksum of the whole data set, so which samples there are is hashed as well.
    selection = [dataset.classes, dataset.labels_n.tolist(), dataset.splits, dataset.indices_n.tolist()]
    return {
        "data": dataset.name,
        "data_checksum": dataset.checksum(),
        "samples": len(dataset),
        "selection": hashlib.sha256(json.dumps(selection).encode()).hexdigest(),
        "data_up_axis": dataset.up_axis,
    }


def _open_folder(folder: Path, recipe: dict[str, Any]) -> Result | None:
    """Makes the folder, or returns the result that it holds; refuses folders of other runs and models."""
    path = folder / RECIPE_NAME
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        changed = sorted(key for key in {*recipe, *found} if recipe.get(key) != found.get(key))
        if changed:
            raise ValueError(
                f"{folder} was started with other values of {', '.join(changed)}: resume it with the "
                "same, or choose another folder"
            )
        ended = folder / RESULT_NAME
        return Result(**json.loads(ended.read_text(encoding="utf-8"))) if ended.is_file() else None
    if file_of_set(folder, model_files.CONFIG_NAME).exists() or checkpoints(folder):
        raise ValueError(f"{folder} holds another model or run: choose another folder")
    shutil.rmtree(folder / CACHE_NAME, ignore_errors=True)  # perhaps of other data
    folder.mkdir(parents=True, exist_ok=True)
    return None
