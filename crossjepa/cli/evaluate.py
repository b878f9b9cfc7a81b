"""The subcommands `data` and `eval`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossjepa.datasets import Check
    from crossjepa.evaluate import FeatureCache, Result


def add_data(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `crossjepa data`."""
    data = commands.add_parser("data", help="list the known data sets, or verify one")
    verbs = data.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="list the known data sets, or say all about one")
    listing.add_argument("name", nargs="?", metavar="NAME", help="where to get it, layout, checksums")
    listing.set_defaults(run=_data_list)
    check = verbs.add_parser("check", help="read a data set once and compare it with what is known")
    check.add_argument("name", metavar="NAME", help="see `crossjepa data list`")
    check.add_argument("path", metavar="PATH", type=Path)
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(run=_data_check)


def add_eval(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `crossjepa eval`."""
    parser = commands.add_parser(
        "eval",
        help="evaluate a model by a named protocol",
        description="Evaluates a model. PROTOCOL `list` lists the protocols.",
    )
    parser.add_argument("protocol", metavar="PROTOCOL", help="see `crossjepa eval list`")
    parser.add_argument("path", metavar="DATA", type=Path, nargs="?", help="folder or file of the data set")
    parser.add_argument(
        "--data-set", metavar="NAME", help="which data set it is, where its files do not tell"
    )
    parser.add_argument(
        "-m",
        "--model",
        default="crossjepa-base",
        help="registered name, org/repo or folder; or untrained, d2, shape-distributions",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("-o", "--output", type=Path, help="also write JSON to this file")
    parser.add_argument("--seed", type=int, default=0, help="seed of every draw (default 0)")
    parser.add_argument("--up-axis", choices=("x", "y", "z"), help="axis that points up in the data")
    parser.add_argument(
        "--holdout", action="store_true", help="test on a fifth of train; the test split stays unread"
    )
    parser.add_argument("--per-class", type=int, metavar="K", help="keep K clouds of a class and split")
    parser.add_argument("--folds", type=int, metavar="N", help="of fewshot: draws a setting")
    parser.add_argument(
        "--settings", type=_way_shot, nargs="+", metavar="WAYxSHOT", help="of fewshot, such as 5x10 10x20"
    )
    parser.add_argument("--cache", type=Path, help="folder of features (default ~/.cache/crossjepa/features)")
    parser.add_argument("--no-cache", action="store_true", help="keep no features")
    parser.add_argument("--batch-size", type=int, default=32, help="clouds a pass (default 32)")
    parser.add_argument("--jobs", type=int, default=1, help="fits at a time (default 1)")
    parser.add_argument("--device", default="cpu", help="torch device (default cpu)")
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    parser.set_defaults(run=_eval)


def _data_list(options: argparse.Namespace) -> int:
    from crossjepa.datasets.catalog import SOURCES, find_source

    if options.name:
        print(find_source(options.name).instructions())
        return 0
    for source in SOURCES.values():
        print(f"{source.name}\t{source.description}")
    return 0


def _data_check(options: argparse.Namespace) -> int:
    from crossjepa.datasets import check

    found = check(options.name, options.path)
    if options.json:
        print(json.dumps([each.to_dict() for each in found], indent=2))
    else:
        for each in found:
            print(_describe(each))
    for each in found:
        for problem in each.problems:
            print(f"crossjepa: {problem}", file=sys.stderr)
    return 0 if all(each.is_whole for each in found) else 1


def _describe(found: Check) -> str:
    splits = ", ".join(f"{split} {count:,}" for split, count in found.counts.items())
    parts = f", {found.parts} parts" if found.parts else ""
    points = "-".join(f"{count:,}" for count in sorted(set(found.points)))
    verified = f"{found.verified} files with the published MD5\n" if found.verified else ""
    state = "whole" if found.is_whole else "NOT AS EXPECTED"
    return (
        f"{found.name} ({found.layout}): {state}\n{splits}; {found.classes} classes{parts}; {points} points\n"
        f"{verified}sha256 {found.checksum}"
    )


def _eval(options: argparse.Namespace) -> int:
    from crossjepa.evaluate import PROTOCOLS

    if options.protocol == "list":
        for protocol in PROTOCOLS.values():
            print(f"{protocol.name}\t{protocol.description}")
        return 0
    if options.path is None:
        raise ValueError("say which data set: crossjepa eval PROTOCOL DATA")
    if options.output and not options.output.absolute().parent.is_dir():
        raise ValueError(f"{options.output}: the folder does not exist")
    result = _evaluate(options)
    if options.output:
        from crossjepa.files import write_json

        write_json(options.output, result.to_dict())
    print(result.to_json() if options.json else result.to_text())
    return 0


def _evaluate(options: argparse.Namespace) -> Result:
    from crossjepa.datasets import detect, find_folds, load, load_fold
    from crossjepa.evaluate import evaluate, evaluate_folds, find_extractor
    from crossjepa.evaluate.protocols import find_protocol

    find_protocol(options.protocol)  # a mistake is found before hours of work
    name = options.data_set or detect(options.path)
    cache, progress = _cache(options), False if options.no_progress else None
    if name == "modelnet40-fewshot" and options.protocol in ("fewshot", "fewshot-finetuned"):
        if options.folds or options.settings:
            raise ValueError("split files leave no folds and settings to choose: name one of their folders")
        first = load_fold(next(iter(find_folds(options.path).values()))[0])
        extractor = find_extractor(options.model, first, seed=options.seed, device=options.device)
        return evaluate_folds(
            options.path, extractor, tuned=options.protocol != "fewshot", seed=options.seed, cache=cache,
            batch_size=options.batch_size, progress=progress,
        )  # fmt: skip
    dataset = load(name, options.path, up_axis=options.up_axis)
    extractor = find_extractor(
        options.model, dataset, seed=options.seed, device=options.device, holdout=options.holdout
    )
    return evaluate(
        options.protocol, dataset, extractor, seed=options.seed, holdout=options.holdout,
        per_class=options.per_class, cache=cache, batch_size=options.batch_size, jobs=options.jobs,
        progress=progress, folds=options.folds, settings=options.settings,
    )  # fmt: skip


def _way_shot(text: str) -> tuple[int, int]:
    way, _, shot = text.partition("x")
    if not (way.isdigit() and shot.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 5x10")
    return int(way), int(shot)


def _cache(options: argparse.Namespace) -> FeatureCache | None:
    from crossjepa.evaluate import FeatureCache, default_cache

    return None if options.no_cache else FeatureCache(options.cache or default_cache())
