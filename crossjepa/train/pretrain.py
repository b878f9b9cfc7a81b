"""Pretraining from a cache: the encoder and a conditioned predictor learn the teacher's embedding of views.

Run as `python -m crossjepa.train.pretrain CACHE -o RUN`.

B clouds, N points, G tokens, V views, C encoder width, D teacher width
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossjepa.config import NAMED_SIZES, EncoderConfig, PredictorConfig
from crossjepa.files import atomic_write, write_json
from crossjepa.models.point_transformer import PointTransformer
from crossjepa.models.predictor import ViewPredictor
from crossjepa.train.augment import augment, draw_points
from crossjepa.train.cache import Cache, open_cache

logger = logging.getLogger(__name__)

CHECKPOINT_NAME = "checkpoint.pt"


@dataclass(frozen=True)
class PretrainConfig:
    """Recipe of a run.

    Attributes:
        size: named size of the encoder.
        steps: optimizer steps.
        batch_size: clouds a step (B).
        views_per_step: views of each cloud a step (V).
        learning_rate: peak of the schedule.
        warmup_steps: steps of linear warm-up.
        schedule: "cosine" or "linear" decay after it.
        weight_decay: AdamW's, on matrices only.
        gradient_clip: largest norm of the gradient.
        predictor_depth: blocks of the predictor.
        object_weight: weight of a second loss, which is not the paper's: a linear readout of the pooled
            tokens predicts the mean embedding of the object's views. 0 leaves it out.
        few_points: points of a cloud in the first, cheaper part of the run; groups and neighbours shrink
            by the same factor, which keeps the size of a group on the object.
        few_share: share of the steps in that part.
        scale_range: augmentation, see `augment`.
        jitter: augmentation, see `augment`.
        even_probability: augmentation, see `draw_points`.
        seed: seed of everything.
    """

    size: str = "crossjepa-base"
    steps: int = 5000
    batch_size: int = 64
    views_per_step: int = 4
    learning_rate: float = 5e-4
    warmup_steps: int = 300
    schedule: str = "cosine"
    weight_decay: float = 0.05
    gradient_clip: float = 1.0
    predictor_depth: int = 4
    object_weight: float = 1.0
    few_points: int = 512
    few_share: float = 0.7
    scale_range: float = 0.15
    jitter: float = 0.005
    even_probability: float = 0.25
    seed: int = 0


class Targets(nn.Module):
    """Teacher embeddings, centred and scaled a channel at a time by the statistics of the cache."""

    def __init__(self, cache: Cache) -> None:
        super().__init__()
        embeddings = torch.from_numpy(np.asarray(cache.embeddings_SVD, np.float32)).flatten(0, 1)
        self.register_buffer("mean_D", embeddings.mean(dim=0))
        self.register_buffer("std_D", embeddings.std(dim=0).clamp_min(1e-4))

    def forward(self, embeddings_BVD: Tensor) -> Tensor:
        return (embeddings_BVD - self.mean_D) / self.std_D  # type: ignore[operator]


class PretrainModel(nn.Module):
    """Encoder and predictor, with the loss between predicted and cached embeddings."""

    def __init__(self, config: PretrainConfig, target_width: int) -> None:
        super().__init__()
        self.encoder = PointTransformer(NAMED_SIZES[config.size])
        predictor = PredictorConfig(
            depth=config.predictor_depth, target_width=target_width, joint_attention=False
        )
        self.predictor = ViewPredictor(predictor, self.encoder.num_features)
        self.object_weight = config.object_weight
        self.object_head = nn.Linear(2 * self.encoder.num_features, target_width)

    def forward(
        self, points_BN3: Tensor, pose_BV3: Tensor, histogram_BVH: Tensor, target_BVD: Tensor
    ) -> Tensor:
        """Returns the smooth-L1 loss, a float32 scalar."""
        with torch.autocast(points_BN3.device.type, torch.bfloat16):
            encoded = self.encoder(points_BN3, pool="max+mean")
            predicted_BVD = self.predictor(encoded.tokens, pose_BV3, histogram_BVH)
            predicted_BD = self.object_head(encoded.pooled)
        view_loss = F.smooth_l1_loss(predicted_BVD.float(), target_BVD)
        object_loss = F.smooth_l1_loss(predicted_BD.float(), target_BVD.mean(dim=1))
        return view_loss + self.object_weight * object_loss


class Batches:
    """The batch of every step as a pure function of (seed, step)."""

    def __init__(self, cache: Cache, config: PretrainConfig) -> None:
        self.cache, self.config = cache, config
        self.steps_per_epoch = len(cache) // config.batch_size

    def __call__(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns points (B, N, 3), poses (B, V, 3), histograms (B, V, 48) and embeddings (B, V, D)."""
        config, cache = self.config, self.cache
        epoch, number = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([config.seed, epoch]).permutation(len(cache))
        row_B = np.sort(order[number * config.batch_size : (number + 1) * config.batch_size])
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        views = cache.embeddings_SVD.shape[1]
        view_BV = torch.rand(len(row_B), views, generator=generator).argsort(dim=1)[
            :, : config.views_per_step
        ]
        index = (row_B[:, None], view_BV.numpy())
        pose_BV5 = torch.from_numpy(cache.poses_SV5[index])
        stored_BP3 = torch.from_numpy(cache.points_SP3[row_B].astype(np.float32))
        num_points = encoder_config_at(config, step).num_points
        points_BN3 = draw_points(stored_BP3, num_points, generator, config.even_probability)
        points_BN3, azimuth_BV = augment(
            points_BN3, torch.deg2rad(pose_BV5[..., 0]), generator, config.scale_range, config.jitter
        )
        pose_BV3 = torch.stack([azimuth_BV, torch.deg2rad(pose_BV5[..., 1]), pose_BV5[..., 3]], dim=-1)
        histogram_BVH = torch.from_numpy(cache.histograms_SVH[index].astype(np.float32))
        return (
            points_BN3,
            pose_BV3,
            histogram_BVH,
            torch.from_numpy(cache.embeddings_SVD[index].astype(np.float32)),
        )


def learning_rate(config: PretrainConfig, step: int) -> float:
    """Linear warm-up, then down to a thousandth of the peak, along a cosine or a line."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    left = 1 - (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    share = left if config.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left))
    return config.learning_rate * (0.001 + 0.999 * share)


def make_optimizer(model: nn.Module, config: PretrainConfig) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def encoder_config_at(config: PretrainConfig, step: int) -> EncoderConfig:
    """The encoder's shape at a step: fewer points, groups and neighbours in the first part of the run."""
    full = NAMED_SIZES[config.size]
    if step >= config.few_share * config.steps or config.few_points >= full.num_points:
        return full
    share = config.few_points / full.num_points
    return replace(
        full,
        num_points=config.few_points,
        num_groups=round(full.num_groups * share),
        group_size=round(full.group_size * share),
    )


def pretrain(
    cache_folder: str, run_folder: str, config: PretrainConfig, *, log_every: int = 50, save_every: int = 250
) -> None:
    """Trains from a cache, or goes on from the last checkpoint of the run.

    Args:
        cache_folder: a finished cache.
        run_folder: where checkpoint.pt, config.json and log.jsonl go.
        config: the recipe.
        log_every: steps between lines of the log.
        save_every: steps between checkpoints.
    """
    run = Path(run_folder)
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    cache = open_cache(cache_folder)
    targets = Targets(cache)
    model = PretrainModel(config, cache.embeddings_SVD.shape[-1])
    optimizer = make_optimizer(model, config)
    batches = Batches(cache, config)
    step = load_checkpoint(run, model, optimizer)
    write_json(
        run / "config.json", {**asdict(config), "cache": cache.manifest["recipe_hash"], "objects": len(cache)}
    )
    model.train()
    losses: list[float] = []
    started = time.monotonic()
    while step < config.steps:
        model.encoder.config = encoder_config_at(config, step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        points_BN3, pose_BV3, histogram_BVH, embeddings_BVD = batches(step)
        loss = model(points_BN3, pose_BV3, histogram_BVH, targets(embeddings_BVD))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip)
        optimizer.step()
        losses.append(loss.item())
        step += 1
        if step % log_every == 0 or step == config.steps:
            rate = len(losses) * config.batch_size / (time.monotonic() - started)
            log(run, {"step": step, "loss": sum(losses) / len(losses), "samples_per_second": rate})
            losses, started = [], time.monotonic()
        if step % save_every == 0 or step == config.steps:
            save_checkpoint(run, model, optimizer, step)


def log(run: Path, values: dict[str, Any]) -> None:
    """Adds a line to the run's log."""
    logger.info(" ".join(f"{name} {value:.5g}" for name, value in values.items()))
    with (run / "log.jsonl").open("a") as file:
        file.write(json.dumps(values) + "\n")


def save_checkpoint(run: Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Replaces the run's checkpoint by a whole new one."""
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    atomic_write(run / CHECKPOINT_NAME, lambda file: torch.save(state, file))


def load_checkpoint(run: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Restores the run's checkpoint where there is one and returns the steps done."""
    if not (run / CHECKPOINT_NAME).is_file():
        return 0
    state = torch.load(run / CHECKPOINT_NAME, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def main() -> None:
    """Parses the command line and trains."""
    parser = argparse.ArgumentParser(description="Pretrain an encoder from a cache of teacher embeddings.")
    parser.add_argument("cache", help="folder made by crossjepa.train.prepare")
    parser.add_argument("-o", "--output", required=True, help="folder of the run; an unfinished run goes on")
    parser.add_argument("--save-every", type=int, default=200, help="steps between checkpoints")
    for name, value in asdict(PretrainConfig()).items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
    arguments = vars(parser.parse_args())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cache, output = arguments.pop("cache"), arguments.pop("output")
    save_every = arguments.pop("save_every")
    pretrain(cache, output, PretrainConfig(**arguments), save_every=save_every)


if __name__ == "__main__":
    main()
