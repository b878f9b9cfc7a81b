"""`python -m crossjepa.train --config NAME-or-PATH [--key value ...]`, alone or under torchrun."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from crossjepa.train.config import load_config
from crossjepa.train.pretrain import RunOptions, pretrain
from crossjepa.train.probe import read_probe_data


def main(words: list[str] | None = None) -> int:
    """Parses the command line and trains; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m crossjepa.train",
        description="Pretrain an encoder from a cache of teacher embeddings. Any key of the recipe can be "
        "changed by --key value.",
    )
    parser.add_argument("--config", default="bundled", help="recipe of the package or path of a YAML file")
    parser.add_argument("-o", "--output", help="folder of the run; a run that was cut goes on")
    parser.add_argument("--dry-run", action="store_true", help="check, print sizes and hours, train nothing")
    parser.add_argument(
        "--probe", help="npz with labelled training clouds to score features by while training"
    )
    parser.add_argument("--probe-up-axis", default="y", choices=("x", "y", "z"))
    parser.add_argument("--probe-clouds", type=int, default=2500, help="most clouds of the probe")
    defaults = RunOptions()
    for name in ("log_every", "save_every", "probe_every", "keep", "stop_after"):
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=getattr(defaults, name))
    parser.add_argument("--device", help="torch device")
    parser.add_argument("--no-progress", action="store_true")
    parser.add_argument("--tensorboard", action="store_true")
    parser.add_argument("--wandb", default="", metavar="PROJECT")
    options, overrides = parser.parse_known_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        config = load_config(options.config, overrides)
        if not config.cache and not options.dry_run:
            raise ValueError("no cache: give --cache FOLDER, made by `crossjepa cache`")
        if options.dry_run:
            from crossjepa.train.plan import plan_run

            sys.stdout.write(f"{plan_run(config, objects=options.objects, device=options.device)}\n")
            return 0
        if not options.output:
            raise ValueError("where to? give -o FOLDER")
        data = (
            read_probe_data(options.probe, options.probe_up_axis, options.probe_clouds)
            if options.probe
            else None
        )
        run_options = RunOptions(
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
        pretrain(config, options.output, run_options, data)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        sys.stderr.write(f"error: {error}{os.linesep}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
