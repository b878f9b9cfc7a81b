"""`crossjepa pretrain`, alone or under torchrun, `crossjepa export` and `crossjepa center`."""

from __future__ import annotations

import json as plain
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from crossjepa.cli import options
from crossjepa.cli.parsing import parse
from crossjepa.config import Axis
from crossjepa.defaults import CENTER_OBJECTS
from crossjepa.train.pretrain.config import PretrainConfig, RunOptions
from crossjepa.train.pretrain.recipes import load_config

DEFAULT_RUN = RunOptions(device="auto")


@dataclass(frozen=True)
class _First:
    """What is read before all other options, because it gives their defaults."""

    config: str = "bundled"


def recipe_defaults(words: Sequence[str]) -> dict[str, Any]:
    """Reads the recipe that the command line names; other options change its values."""
    found, _ = parse(_First, words, "crossjepa pretrain", return_unknown_args=True, add_help=False)
    return {"config": found.config, "recipe": load_config(found.config)}


def pretrain(
    recipe: Annotated[PretrainConfig, arg(name="")],
    config: Annotated[str, arg(metavar="NAME-or-FILE")] = _First.config,
    output: Annotated[Path | None, arg(aliases=["-o"], metavar="FOLDER"), options.unset("none")] = None,
    dry_run: options.Flag = False,
    objects: int = 0,
    probe: Annotated[Path | None, arg(metavar="NPZ"), options.unset("none")] = None,
    probe_up_axis: Axis = "y",
    probe_clouds: int = 2500,
    run: Annotated[RunOptions, arg(name="process")] = DEFAULT_RUN,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Pretrain an encoder from a cache of teacher embeddings.

    Every key of the recipe is an option, whose default is that of the recipe. The same command continues an
    interrupted run. For several processes: torchrun --nproc-per-node 4 -m crossjepa pretrain ...

    Args:
        config: recipe of the package, or YAML file.
        output: folder of the run.
        dry_run: train nothing and print sizes, memory and hours of the run, from a few measured steps.
        objects: objects of a dry run without a cache.
        probe: labeled training clouds to score features with during the run.
        probe_up_axis: axis that points up in them.
        probe_clouds: most clouds to take of them.
        json: print a dry run as JSON.
    """
    from crossjepa.device import resolve_device
    from crossjepa.train.common.distributed import leave_group
    from crossjepa.train.pretrain import dry_run as measured
    from crossjepa.train.pretrain import trainer
    from crossjepa.train.pretrain.online_probe import read_probe_data

    options.log_to_stderr(quiet, "%(asctime)s %(message)s")
    shown = run.progress and sys.stderr.isatty() and not quiet
    run = replace(run, device=str(resolve_device(run.device)), progress=shown)
    data = read_probe_data(probe, probe_up_axis, probe_clouds) if probe else None
    if dry_run:
        found = measured.dry_run(recipe, objects=objects, device=run.device)
        print(plain.dumps(asdict(found), indent=2) if json else found)
        return 0
    if not recipe.data.cache:
        raise ValueError("no cache: give --cache FOLDER, made by `crossjepa cache`")
    if not output:
        raise ValueError("no folder for the run: give --output FOLDER")
    trainer.pretrain(recipe, output, run, data)
    leave_group()
    return 0


def export(
    run_folder: Annotated[Path, Positional, arg(metavar="RUN")],
    output: options.Folder,
    provenance: Annotated[Path | None, arg(metavar="JSON"), options.unset("what the run recorded")] = None,
    average_with: Annotated[tuple[str, ...], arg(metavar="WEIGHTS ..."), options.unset("none")] = (),
    predictor_only: options.Flag = False,
    raw: options.Flag = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Turn the last checkpoint of a run into a release folder.

    Args:
        run_folder: folder of a pretraining run.
        output: folder for config.json and the weights.
        provenance: file with facts about data, teacher and license.
        average_with: write the mean of the run and these weights: names, org/repo, or folders.
        predictor_only: add only the predictor of the run to the weights that are in the folder.
        raw: of a run with --ema-decay, take the weights of the last step instead of the moving average.
    """
    from crossjepa.train.pretrain import export as exporting

    if predictor_only:
        if provenance or average_with:
            raise ValueError("--predictor-only goes neither with --provenance nor with --average-with")
        exporting.export_predictor(run_folder, output, raw=raw)
    else:
        facts = plain.loads(provenance.read_text(encoding="utf-8")) if provenance else None
        exporting.export(run_folder, output, facts, average_with=average_with, raw=raw)
    if json:
        options.print_json({"output": str(output), "files": sorted(path.name for path in output.iterdir())})
    elif not quiet:
        print(f"{output}: {'predictor' if predictor_only else 'weights'} of {run_folder}")
    return 0


def center(
    data: Annotated[
        tuple[str, ...], Positional, options.several("CACHE-or-DATA"), options.required("CACHE-or-DATA")
    ],
    model: Annotated[Path, arg(aliases=["-m"], metavar="FOLDER")],
    objects: int = CENTER_OBJECTS,
    split: Annotated[str | None, options.unset("must be given if an archive has several")] = None,
    up_axis: Axis = "y",
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> int:
    """Store mean and deviation of features with weights, for similarity and search.

    Args:
        data: the cache that the weights were pretrained from; or files, folders or an archive of clouds.
        model: folder of the weights, whose config.json gets them.
        objects: objects to encode at most, taken evenly from all.
        split: which split of archives of clouds, or all.
        up_axis: axis that points up in data that are no cache.
    """
    from crossjepa.datasets import open_dataset
    from crossjepa.device import resolve_device
    from crossjepa.encoder import CrossJEPAEncoder
    from crossjepa.train.cache import open_cache
    from crossjepa.train.cache.manifest import MANIFEST
    from crossjepa.train.pretrain.center import encode_objects, save_center, statistics

    encoder = CrossJEPAEncoder.from_pretrained(model, device=resolve_device(device))
    is_cache = len(data) == 1 and (Path(data[0]) / MANIFEST).is_file()
    source = open_cache(data[0]) if is_cache else open_dataset(data, split=split, up_axis=up_axis)
    features_nE = encode_objects(encoder, source, objects, progress=False if quiet or no_progress else None)
    found = statistics(features_nE)
    save_center(model, found)
    if json:
        options.print_json({"model": str(model), "objects": found.objects, "width": len(found.mean)})
    elif not quiet:
        print(f"{model}: mean and deviation of the features of {found.objects} objects")
    return 0
