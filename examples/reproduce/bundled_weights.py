"""The recipe of the bundled weights, from the data to `crossjepa-base` and `crossjepa-base-modelnet40`.

    python examples/reproduce/bundled_weights.py --data FOLDER --teacher FILE -o OUT [--only STEP] [--steps N]

FOLDER holds meshes_objects.npz and meshes_games.npz (packs of meshes, see meshpack.py) and
modelnet40_clouds_1024.npz; FILE is tf_efficientnet_lite2.safetensors. Steps run in the order of the model
card; those that are finished are not repeated, and one that was interrupted resumes. All of them take days on
two cores of a CPU. `--steps N` tries them out: N optimizer steps for every run, on a few objects.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from meshpack import open_pack

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import Dataset, concat, open_dataset
from crossjepa.train.cache import CacheConfig, default_workers, make_cache
from crossjepa.train.cache.teacher import Embedding
from crossjepa.train.common.checkpoint import checkpoints
from crossjepa.train.pretrain import RunOptions, load_config, pretrain
from crossjepa.train.pretrain.center import encode_objects, save_center, statistics
from crossjepa.train.pretrain.export import export, export_predictor
from crossjepa.train.pretrain.online_probe import read_probe_data
from crossjepa.train.render.views import RenderConfig

OBJECTS, GAMES, MODELNET = "meshes_objects.npz", "meshes_games.npz", "modelnet40_clouds_1024.npz"
BASE, BASE_MODELNET = "crossjepa-base", "crossjepa-base-modelnet40"
# When tried out: objects of each file, and what fits a recipe to them.
FEW_OBJECTS = 12
FEW = {"batch_size": 4, "held_out": 4, "warmup_steps": 1}


@dataclass(frozen=True)
class CacheStep:
    """Eight views of each object of some files, embedded by the teacher."""

    files: tuple[str, ...]
    embedding: Embedding


@dataclass(frozen=True)
class Run:
    """A run of pretraining.

    Attributes:
        recipe: a recipe of the package.
        caches: steps that made its caches.
        options: what differs from the recipe.
        start: the run or exported weights from which it starts; "" for random weights.
        probe_every: steps between probes, which change nothing.
    """

    recipe: str
    caches: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""
    probe_every: int = 500


@dataclass(frozen=True)
class Weights:
    """Exported weights: of a run, or the mean of a run and other weights.

    `predictor` is False if the weights had none when later runs started from them.
    """

    run: str
    average_with: tuple[str, ...] = ()
    predictor: bool = True


@dataclass(frozen=True)
class Statistics:
    """Mean and deviation of features of openly licensed meshes, added to weights for `similarity`."""

    weights: str


@dataclass(frozen=True)
class Predictor:
    """The predictor of a run, added to weights with the same encoder."""

    run: str
    weights: str


POSE, JOINED, LAYERS = "bundled-pose", "bundled-modelnet40", ("cache-layers",)
# Folders in OUT have the names of the steps.
STEPS: dict[str, CacheStep | Run | Weights | Predictor | Statistics] = {
    # What objects are.
    "cache": CacheStep((OBJECTS, GAMES), "cls"),
    "run1": Run("bundled", ("cache",)),
    "weights1": Weights("run1"),
    # How they stand.
    "cache-layers": CacheStep((OBJECTS, GAMES), "layers"),
    "run8": Run(POSE, LAYERS, {"steps": 1000, "few_share": 0.85, "seed": 4}, "weights1", probe_every=250),
    "run9": Run(
        POSE, LAYERS, {"steps": 1000, "learning_rate": 1.2e-3, "warmup_steps": 30, "seed": 8}, "run8"
    ),
    "run10": Run(POSE, LAYERS, {"seed": 9}, "run9"),
    "run11": Run(POSE, LAYERS, {}, "run10"),
    BASE: Weights("run11", predictor=False),
    # A predictor beside an encoder that stays as it is.
    "run17": Run(
        POSE,
        LAYERS,
        {"steps": 1500, "frozen_steps": 1500, "few_share": 0.6, "views_per_step": 4, "joint_attention": True,
         "camera_positions": True, "object_weight": 0, "contrast_weight": 0, "contrast_with": "batch",
         "occupancy_weight": 0, "seed": 16},
        BASE,
    ),
    "predictor": Predictor("run17", BASE),
    "statistics": Statistics(BASE),
    # The same from run 9 on, with ModelNet40's training clouds among the objects.
    "cache40-layers": CacheStep((MODELNET,), "layers"),
    "run12": Run(
        JOINED, (*LAYERS, "cache40-layers"), {"steps": 3000, "frozen_steps": 0, "seed": 10}, "run9"
    ),
    "run13": Run(
        JOINED, (*LAYERS, "cache40-layers"), {"steps": 3000, "frozen_steps": 0, "seed": 12}, "run12"
    ),
    "weights13": Weights("run13", predictor=False),
    "cache-objects": CacheStep((OBJECTS,), "layers"),
    "cache-games": CacheStep((GAMES,), "layers"),
    "run14": Run(JOINED, ("cache-objects", "cache-games", "cache40-layers"), {}, "weights13"),
    BASE_MODELNET: Weights("run14", (BASE, "weights13")),
    "statistics40": Statistics(BASE_MODELNET),
}  # fmt: skip


@dataclass(frozen=True)
class Work:
    """Where everything lies, and how much of it is made: `steps` is 0 for all."""

    data: Path
    teacher: str
    output: Path
    steps: int = 0
    device: str = "cpu"

    def do(self, name: str) -> None:
        """Does one step."""
        step, target = STEPS[name], self.output / name
        if isinstance(step, CacheStep):
            self.make_cache(step, target)
        elif isinstance(step, Run):
            self.pretrain(step, target)
        elif isinstance(step, Weights):
            export(
                self.output / step.run,
                target,
                average_with=[self.output / other for other in step.average_with],
            )
            if not step.predictor:
                CrossJEPAEncoder.from_pretrained(target).save_pretrained(target, dtype=torch.float16)
        elif isinstance(step, Statistics):
            weights = self.output / step.weights
            meshes = concat([self.objects(file) for file in (OBJECTS, GAMES)])
            features_nE = encode_objects(CrossJEPAEncoder.from_pretrained(weights), meshes)
            save_center(weights, statistics(features_nE))
        else:
            export_predictor(self.output / step.run, self.output / step.weights)

    def make_cache(self, step: CacheStep, target: Path) -> None:
        """Renders and embeds the objects."""
        dataset = concat([self.objects(file) for file in step.files])
        config = CacheConfig(self.teacher, step.embedding, RenderConfig(rig="orbit8"))
        workers = 1 if self.steps else default_workers(self.device)
        make_cache(dataset, target, config, workers=workers, device=self.device)

    def objects(self, file: str) -> Dataset:
        """Opens openly licensed meshes, or the training split of ModelNet40 without its labels."""
        path = self.data / file
        dataset = open_dataset([path], split="train", up_axis="z") if file == MODELNET else open_pack(path)
        if not self.steps:
            return dataset
        count = min(FEW_OBJECTS, len(dataset))
        return dataset.select(np.linspace(0, len(dataset) - 1, count).astype(int))

    def pretrain(self, step: Run, target: Path) -> None:
        """Trains, and scores features on a holdout of ModelNet40's training split."""
        caches = ",".join(str(self.output / cache) for cache in step.caches)
        config = load_config(step.recipe).change(cache=caches, **step.options)
        if step.start:
            start = self.output / step.start
            config = config.change(init_from=str([start, *checkpoints(start)][-1]))
        if self.steps:
            config = config.change(steps=self.steps, **FEW)
        probe = read_probe_data(self.data / MODELNET, "z", 50 if self.steps else 2500)
        options = RunOptions(device=self.device, probe_every=step.probe_every)
        pretrain(config, target, options, probe)


def main() -> None:
    """Does all steps, or some."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--teacher", required=True, metavar="FILE")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT")
    names = list(STEPS)
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="STEP", help=", ".join(names)
    )
    parser.add_argument("--steps", type=int, default=0, metavar="N", help="try it out with N optimizer steps")
    parser.add_argument("--device", default="cpu", help="torch device (default cpu, as it was done)")
    options = parser.parse_args()
    work = Work(options.data, options.teacher, options.output, options.steps, options.device)
    for name in names:
        if name in options.only:
            print(f"== {name}", flush=True)
            work.do(name)


if __name__ == "__main__":
    main()
