"""Short, equal pretraining runs that differ in one thing each, scored on a holdout of a training split.

    python examples/benchmarks/ablations.py CACHE RUNS --probe CLOUDS.npz --probe-up-axis z [--steps 400]

RUNS/NAME holds each run; finished ones are not repeated, and an interrupted one is resumed. CLOUDS.npz holds
`points`, `labels` and `split`; only rows of its training split are read, a fifth of them to score. One run of
400 steps says what helps early, not what wins in the end.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

from crossjepa.train.common.loggers import read_log
from crossjepa.train.pretrain import PretrainConfig, RunOptions, load_config, pretrain
from crossjepa.train.pretrain.online_probe import ProbeData, read_probe_data

VARIANTS: dict[str, dict[str, object]] = {
    "both": {},
    "pose": {"conditioning": "pose"},
    "histogram": {"conditioning": "histogram"},
    "none": {"conditioning": "none"},
    "one-view": {"views_per_step": 1},
    "point-to-point": {"points_weight": 1.0},
    "learnable-teacher": {"learnable_teacher": True},
    "joint-attention": {"joint_attention": True},
    "adamw": {"optimizer": "adamw", "learning_rate": 5e-4},
    "with-object": {"object_weight": 1.0},
    "with-object-and-contrast": {"object_weight": 1.0, "contrast_weight": 0.3},
}
COLUMNS = ("view_loss", "held_out_loss", "ridge", "nearest", "rank", "deviation")


def base_recipe(cache: str, steps: int) -> PretrainConfig:
    """The paper's loss alone, at half size, on the bundled recipe's schedule."""
    changes = {"few_share": 1.0, "object_weight": 0.0, "contrast_weight": 0.0}
    return load_config("bundled").change(cache=cache, steps=steps, **changes)


def run_variant(recipe: PretrainConfig, run: Path, data: ProbeData) -> dict[str, float]:
    """Trains one variant, or resumes it, and returns its last figures."""
    options = RunOptions(log_every=50, save_every=100, probe_every=recipe.run.steps, keep=1)
    pretrain(recipe, run, options, data)
    last: dict[str, float] = {}
    for line in read_log(run):
        last.update(line)
    return last


def main() -> None:
    """Prints one row for each variant."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cache", help="folder of a finished cache")
    parser.add_argument("runs", type=Path, help="folder for the runs")
    parser.add_argument("--probe", required=True, help="npz with labeled clouds of a training split")
    parser.add_argument("--probe-up-axis", default="y", choices=("x", "y", "z"))
    parser.add_argument("--probe-clouds", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--only", nargs="*", choices=sorted(VARIANTS), help="variants to run")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    data = read_probe_data(options.probe, options.probe_up_axis, options.probe_clouds)
    print(f"{'variant':<26}" + "".join(f"{name:>15}" for name in COLUMNS), flush=True)
    table = {}
    for name in options.only or VARIANTS:
        recipe = base_recipe(options.cache, options.steps).change(**VARIANTS[name])
        table[name] = run_variant(recipe, options.runs / name, data)
        cells = (table[name].get(column, table[name]["loss"]) for column in COLUMNS)
        print(f"{name:<26}" + "".join(f"{cell:>15.4g}" for cell in cells), flush=True)
    (options.runs / "ablations.json").write_text(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
