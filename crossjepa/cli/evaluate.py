"""`crossjepa eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from crossjepa import datasets
from crossjepa import evaluate as evaluation
from crossjepa.cli import options
from crossjepa.device import resolve_device
from crossjepa.evaluate.protocols import find_protocol
from crossjepa.files import write_json


def evaluate(
    protocol: Annotated[str, Positional, arg(metavar="PROTOCOL")],
    path: Annotated[Path | None, Positional, arg(metavar="[DATA]", help_behavior_hint="")] = None,
    data_set: options.DataSet = None,
    model: Annotated[str, arg(aliases=["-m"])] = options.DEFAULT_MODEL,
    output: Annotated[Path | None, arg(aliases=["-o"]), options.unset("no file")] = None,
    seed: int = 0,
    up_axis: options.UpAxis = None,
    holdout: options.Flag = False,
    per_class: Annotated[int | None, arg(metavar="K"), options.unset("all")] = None,
    folds: Annotated[int | None, arg(metavar="N"), options.unset("that of the protocol")] = None,
    settings: Annotated[
        tuple[str, ...], arg(metavar="WAYxSHOT ..."), options.unset("those of the protocol")
    ] = (),
    cache: Annotated[
        Path | None, options.unset("$CROSSJEPA_CACHE/features or ~/.cache/crossjepa/features")
    ] = None,
    no_cache: options.Flag = False,
    batch_size: options.BatchSize = 32,
    jobs: int = 1,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    no_progress: options.NoProgress = False,
) -> int:
    """Evaluate a model by a named protocol.

    Args:
        protocol: name of the protocol; `list` lists them.
        path: folder or file of the data set.
        model: name (see `crossjepa list`), org/repo on the Hub, or folder of weights; or untrained, d2,
            shape-distributions.
        output: also write the result as JSON to this file.
        seed: seed of everything random.
        holdout: test on a fifth of the training split and leave the test split unread.
        per_class: keep at most K clouds of every class and split.
        folds: folds of every setting of a few-shot protocol.
        settings: ways and shots of a few-shot protocol, such as 5x10 10x20.
        cache: folder that keeps features.
        no_cache: keep no features.
        jobs: fits at the same time.
    """
    if protocol == "list":
        listed = {each.name: each.description for each in evaluation.PROTOCOLS.values()}
        if json:
            options.print_json(listed)
        else:
            print("\n".join(f"{name}\t{text}" for name, text in listed.items()))
        return 0
    if path is None:
        raise ValueError("say which data set: crossjepa eval PROTOCOL DATA")
    if output:
        options.check_output(output)
    find_protocol(protocol)  # a mistake is found before hours of work
    name, place, pairs = data_set or datasets.detect(path), str(resolve_device(device)), _pairs(settings)
    features = None if no_cache else evaluation.FeatureCache(cache or evaluation.default_cache())
    shown = False if quiet or no_progress else None
    common: dict[str, Any] = {
        "seed": seed, "cache": features, "batch_size": batch_size, "progress": shown,
    }  # fmt: skip
    if name == "modelnet40-fewshot" and protocol in ("fewshot", "fewshot-finetuned"):
        if folds or pairs:
            raise ValueError("split files leave no folds and settings to choose: name one of their folders")
        first = datasets.load_fold(next(iter(datasets.find_folds(path).values()))[0])
        extractor = evaluation.find_extractor(model, first, seed=seed, device=place)
        result = evaluation.evaluate_folds(path, extractor, tuned=protocol != "fewshot", **common)
    else:
        dataset = datasets.load(name, path, up_axis=up_axis)
        extractor = evaluation.find_extractor(model, dataset, seed=seed, device=place, holdout=holdout)
        result = evaluation.evaluate(
            protocol, dataset, extractor, holdout=holdout, per_class=per_class, jobs=jobs, folds=folds,
            settings=pairs or None, **common,
        )  # fmt: skip
    if output:
        write_json(output, result.to_dict())
    print(result.to_json() if json else result.to_text())
    return 0


def _pairs(settings: tuple[str, ...]) -> list[tuple[int, int]]:
    """Reads settings such as 5x10."""
    pairs = []
    for text in settings:
        way, _, shot = text.partition("x")
        if not (way.isdigit() and shot.isdigit()):
            raise ValueError(f"--settings {text!r} is not of the form 5x10")
        pairs.append((int(way), int(shot)))
    return pairs
