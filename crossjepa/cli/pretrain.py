"""`python -m crossjepa pretrain --config NAME-or-PATH [--key value ...]`, alone or under torchrun."""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from collections.abc import Sequence
from typing import Any, get_type_hints

from crossjepa.datasets.check_renderings import TreeReport, check_renderings
from crossjepa.datasets.renderings import open_renderings
from crossjepa.train.common.distributed import leave_group, own_device
from crossjepa.train.pretrain import dry_run as measured
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.online_probe import ProbeData, read_probe_data
from crossjepa.train.pretrain.recipes import OPTIONS, SECTIONS, load_config, with_options
from crossjepa.train.pretrain.run_options import RunOptions
from crossjepa.train.pretrain.trainer import pretrain


def main(words: list[str] | None = None) -> int:
    """Parses the command line and trains; returns the exit status."""
    options, overrides = make_parser().parse_known_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        config = changed(load_config(options.config), overrides, options.config)
        own_device(options.device)
        run_options = make_run_options(options)
        data = read_probe(options)
        if options.dry_run:
            return 0 if dry_run(config, options) else 1
        run(config, options.output, run_options, data)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    leave_group()
    return 0


def dry_run(config: PretrainConfig, options: argparse.Namespace) -> bool:
    """Checks the data and prints what the run would take; returns whether all objects can be used."""
    objects, views, usable = options.objects, 0, True
    if options.renderings:
        report = check_tree(options)
        objects, views, usable = report.objects - len(report.problems), report.views, not report.problems
        gigabytes = measured.cache_gigabytes(objects, views)
        sys.stdout.write(f"{report}\ncache        {gigabytes:.1f} GB, {objects * views:,} views to embed\n")
    plan = measured.dry_run(config, objects=objects, views=views, device=options.device)
    sys.stdout.write(f"{plan}\n")
    return usable


def check_tree(options: argparse.Namespace) -> TreeReport:
    """Opens the renderings and looks at every object.

    Raises:
        ValueError: they are in no layout that is known.
    """
    tree = open_renderings(options.renderings, options.shapes)
    if tree is None:
        raise ValueError(
            f"{options.renderings}: no renderings in the layout of 3D-R2N2, DISN or `crossjepa render`"
        )
    return check_renderings(tree, progress=not options.no_progress and sys.stderr.isatty())


def make_run_options(options: argparse.Namespace) -> RunOptions:
    """Takes from the command line what changes nothing in the result."""
    return RunOptions(
        log_every=options.log_every,
        save_every=options.save_every,
        probe_every=options.probe_every,
        keep=options.keep,
        stop_after=options.stop_after,
        device=options.device,
        progress=not options.no_progress and sys.stderr.isatty(),
        tensorboard=options.tensorboard,
        wandb=options.wandb,
    )


def read_probe(options: argparse.Namespace) -> ProbeData | None:
    """Reads the clouds to probe with, if there are any."""
    if not options.probe:
        return None
    return read_probe_data(options.probe, options.probe_up_axis, options.probe_clouds)


def run(config: PretrainConfig, output: str, options: RunOptions, data: ProbeData | None) -> None:
    """Trains as the command line says."""
    if not config.data.cache:
        raise ValueError("no cache: give --cache FOLDER, made by `crossjepa cache`")
    if not output:
        raise ValueError("where to? give -o FOLDER")
    pretrain(config, output, options, data)


def changed(config: PretrainConfig, words: Sequence[str], recipe: str) -> PretrainConfig:
    """Changes what "--key value" pairs change.

    Raises:
        ValueError: an option is unknown, or its text is no value of its type; the message names it.
    """
    pairs: dict[str, Any] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        key, equals, text = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not (equals or left):
            raise ValueError(f"command line: cannot read {word!r}, overrides look like --key value")
        name = key.replace("-", "_")
        if name not in OPTIONS:
            raise ValueError(f"command line: unknown field --{key}; keys of a recipe are {sorted(OPTIONS)}")
        kind = get_type_hints(SECTIONS[OPTIONS[name]])[name]
        text = text if equals else left.pop(0)
        try:
            if kind is bool:
                pairs[name] = {"true": True, "false": False}[text.lower()]
            else:
                pairs[name] = kind(text) if kind in (int, float) else text
        except (KeyError, ValueError) as error:
            raise ValueError(f"command line: {name} must be of type {kind.__name__}, not {text!r}") from error
    try:
        return with_options(config, **pairs)
    except ValueError as error:
        raise ValueError(f"{recipe} with {shlex.join(words)}: {error}") from error


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of all that is not a key of the recipe."""
    parser = argparse.ArgumentParser(
        prog="python -m crossjepa pretrain",
        description="Pretrain an encoder from a cache of teacher embeddings. Any key of the recipe can be "
        "changed by --key value.",
        allow_abbrev=False,  # else `--object 5`, a slip or a key, would be taken for --objects
    )
    defaults = RunOptions()
    add = parser.add_argument
    add("--config", default="bundled", help="recipe of the package or path of a YAML file")
    add("-o", "--output", help="folder of the run; a run that was cut goes on")
    add("--dry-run", action="store_true", help="check, print sizes and hours, train nothing")
    add("--objects", type=int, default=0, help="objects of a dry run without a cache")
    add("--renderings", help="renderings to check in a dry run, such as ShapeNetRendering")
    add("--shapes", help="clouds or meshes of the rendered objects")
    add("--probe", help="npz with labeled training clouds to score features by")
    add("--probe-up-axis", default="y", choices=("x", "y", "z"))
    add("--probe-clouds", type=int, default=2500, help="most clouds of the probe")
    add("--log-every", type=int, default=defaults.log_every, help="steps between lines of the log")
    add("--save-every", type=int, default=defaults.save_every, help="steps between checkpoints")
    add("--probe-every", type=int, default=defaults.probe_every, help="steps between probes")
    add("--keep", type=int, default=defaults.keep, help="checkpoints to keep")
    add("--stop-after", type=int, default=defaults.stop_after, help="steps of this process; 0 for all")
    add("--device", help="torch device")
    add("--no-progress", action="store_true", help="no bar")
    add("--tensorboard", action="store_true", help="also log to TensorBoard")
    add("--wandb", default="", metavar="PROJECT", help="also log to Weights & Biases")
    return parser


if __name__ == "__main__":
    sys.exit(main())
