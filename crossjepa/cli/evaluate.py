"""`crossjepa eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from crossjepa.cli import options
from crossjepa.files import atomic_write, write_json


def evaluate(
    protocol: Annotated[str, Positional, arg(metavar="PROTOCOL")],
    path: Annotated[Path | None, Positional, arg(metavar="[DATA]", help_behavior_hint="")] = None,
    data_set: options.DataSet = None,
    model: Annotated[str, arg(aliases=["-m"])] = options.DEFAULT_MODEL,
    output: Annotated[Path | None, arg(aliases=["-o"]), options.unset("no file")] = None,
    report: Annotated[Path | None, arg(metavar="PAGE.html"), options.unset("no report")] = None,
    seed: int = 0,
    up_axis: options.UpAxis = None,
    holdout: options.Flag = False,
    per_class: Annotated[int | None, arg(metavar="K"), options.unset("all")] = None,
    folds: Annotated[int | None, arg(metavar="N"), options.unset("that of the protocol")] = None,
    settings: Annotated[
        tuple[str, ...], arg(metavar="WAYxSHOT ..."), options.unset("those of the protocol")
    ] = (),
    corrupted: Annotated[Path | None, arg(metavar="FOLDER"), options.unset("re-created")] = None,
    test_clouds: Annotated[int | None, arg(metavar="N"), options.unset("all")] = None,
    cad: Annotated[Path | None, arg(metavar="DATA"), options.unset("no transfer")] = None,
    cad_data_set: Annotated[str | None, arg(metavar="NAME"), options.unset("what its files say")] = None,
    class_map: Annotated[
        tuple[str, ...], arg(metavar="SCAN=CAD ..."), options.unset("equal names only")
    ] = (),
    outliers: options.Outliers = None,
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
        output: also write the result to this file: as JSON, or only the table as CSV if it ends in .csv.
        report: also write a page with confidence intervals, confusions and mistakes; needs the extra `view`.
        seed: seed of everything random.
        holdout: test on a fifth of the training split and leave the test split unread.
        per_class: keep at most K clouds of every class and split.
        folds: folds of every setting of a few-shot protocol.
        settings: ways and shots of a few-shot protocol, such as 5x10 10x20.
        corrupted: folder of the official files of modelnet-c or modelnet40-c.
        test_clouds: with these protocols, evaluate only N test clouds, for a quick look.
        cad: with realscan, data set of CAD models that a classifier for the scans is fitted on.
        cad_data_set: which data set these are, see `crossjepa data list`.
        class_map: classes of the scans and those of the CAD models that they stand for, such as can=bottle.
        cache: folder that keeps features.
        no_cache: keep no features.
        jobs: fits at the same time.
    """
    from crossjepa import datasets
    from crossjepa import evaluate as evaluation
    from crossjepa.device import resolve_device
    from crossjepa.evaluate.protocols import find_protocol

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
    if report:
        options.check_output(report, (".html",))
    find_protocol(protocol)  # a mistake is found before hours of work
    name, place, pairs = data_set or datasets.detect(path), str(resolve_device(device)), _pairs(settings)
    features = None if no_cache else evaluation.FeatureCache(cache or evaluation.default_cache())
    removed = None if outliers is None else outliers == "remove"
    shown = False if quiet or no_progress else None
    common: dict[str, Any] = {
        "seed": seed, "cache": features, "batch_size": batch_size, "progress": shown,
    }  # fmt: skip
    if name == "modelnet40-fewshot" and protocol in ("fewshot", "fewshot-finetuned"):
        if folds or pairs:
            raise ValueError("split files leave no folds and settings to choose: name one of their folders")
        first = datasets.load_fold(next(iter(datasets.find_folds(path).values()))[0])
        extractor = evaluation.find_extractor(model, first, remove_outliers=removed, seed=seed, device=place)
        tested = None
        result = evaluation.evaluate_folds(path, extractor, tuned=protocol != "fewshot", **common)
    else:
        tested = dataset = datasets.load(name, path, up_axis=up_axis)
        models = datasets.load(cad_data_set or datasets.detect(cad), cad) if cad else None
        extractor = evaluation.find_extractor(
            model, dataset, remove_outliers=removed, seed=seed, device=place, holdout=holdout
        )
        result = evaluation.evaluate(
            protocol, dataset, extractor, holdout=holdout, per_class=per_class, jobs=jobs, folds=folds,
            settings=pairs or None, corrupted=corrupted, test_clouds=test_clouds,
            cad=models, class_map=_named(class_map), **common,
        )  # fmt: skip
    if output and output.suffix == ".csv":
        atomic_write(output, lambda file: file.write(result.to_csv().encode()))
    elif output:
        write_json(output, result.to_dict())
    if report:
        from crossjepa.view.report import write_report

        write_report(report, result, dataset=tested)
    print(result.to_json() if json else result.to_text())
    return 0


def _named(class_map: tuple[str, ...]) -> dict[str, str] | None:
    """Reads pairs of classes such as can=bottle."""
    pairs = [text.partition("=") for text in class_map]
    for ours, sign, theirs in pairs:
        if not (ours and sign and theirs):
            raise ValueError(f"--class-map {ours + sign + theirs!r} is not of the form SCAN=CAD")
    return {ours: theirs for ours, _, theirs in pairs} or None


def _pairs(settings: tuple[str, ...]) -> list[tuple[int, int]]:
    """Reads settings such as 5x10."""
    pairs = []
    for text in settings:
        way, _, shot = text.partition("x")
        if not (way.isdigit() and shot.isdigit()):
            raise ValueError(f"--settings {text!r} is not of the form 5x10")
        pairs.append((int(way), int(shot)))
    return pairs
