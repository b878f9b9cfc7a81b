"""Samples per second of a pretraining step, from the textbook's way to ours, one change at a time.

    python examples/benchmarks/pretrain_speed.py [--size crossjepa-base] [--batch-size 32] [--repeats 3]
    python examples/benchmarks/pretrain_speed.py --pose

With `--pose`: what a predictor costs that is told where tokens are as the camera sees them, and so needs one
sequence per view, by the number of views.

All rows are measured in turn, round after round, in one process, and each shows the best of its rounds, so
that the ratios hold on a machine that others use too. The last column is the share of the machine's own
bfloat16 matmul peak.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

from crossjepa.models import transformer
from crossjepa.models.tokenizer import PatchEmbedding
from crossjepa.train.pretrain import PretrainConfig
from crossjepa.train.pretrain.dry_run import random_batch
from crossjepa.train.pretrain.model import PretrainModel
from crossjepa.train.pretrain.optimizers import make_optimizers

TARGET_WIDTH = 1280


def textbook_embedding(self: PatchEmbedding, groups_BGK3: Tensor) -> Tensor:
    """The 512-wide layer reads [maximum over the group, point] for every point, as published."""
    batch, groups, neighbors, _ = groups_BGK3.shape
    hidden_M = F.relu(self.norm_in(self.point_in(groups_BGK3.reshape(-1, 3))))
    hidden_BGKH = self.point_out(hidden_M).view(batch, groups, neighbors, -1)
    pooled = hidden_BGKH.amax(dim=2, keepdim=True).expand(-1, -1, neighbors, -1)
    both = torch.cat([pooled, hidden_BGKH], dim=-1).flatten(0, 2)
    weight = torch.cat([self.pooled.weight, self.local.weight], dim=1)
    hidden_M = F.relu(self.norm_out(F.linear(both, weight, self.local.bias)))
    return torch.amax(self.out(hidden_M).view(batch, groups, neighbors, -1), dim=2)


def fused_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """The fused kernel on every device."""
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


@dataclass(frozen=True)
class Way:
    """One row: a recipe and which parts are the textbook's."""

    name: str
    config: PretrainConfig
    embedding: bool = False
    attention: bool = False

    @contextmanager
    def patched(self) -> Iterator[None]:
        """Puts the textbook's parts in place."""
        with ExitStack() as stack:
            if self.embedding:
                stack.enter_context(mock.patch.object(PatchEmbedding, "forward", textbook_embedding))
            if self.attention:
                stack.enter_context(mock.patch.object(transformer, "attend", fused_attention))
            yield


def ways(size: str, batch_size: int, depth: int) -> list[Way]:
    """From the textbook's step to ours."""
    sizes = {"size": size, "batch_size": batch_size, "predictor_depth": depth}
    ours = PretrainConfig.of(**sizes, contrast_weight=0.0, held_out=0)
    full = ours.change(few_share=0.0, optimizer="adamw")
    apart = full.change(joint_attention=True)
    return [
        Way("textbook, one sequence per view", apart, embedding=True, attention=True),
        Way("+ our patch embedding", apart, attention=True),
        Way("+ plain attention for few tokens", apart),
        Way("+ all views share the tokens", full),
        Way("+ half the points, groups, neighbors", full.change(few_share=1.0)),
        Way("ours: + Muon", ours.change(few_share=1.0)),
    ]


def ways_with_pose(size: str, batch_size: int, depth: int) -> list[Way]:
    """Views that share the tokens, and views with tokens of their own."""
    shared = PretrainConfig.of(size=size, batch_size=batch_size, predictor_depth=depth, held_out=0)
    shared = shared.change(few_share=1.0)
    own = shared.change(joint_attention=True, camera_positions=True)
    return [
        Way(f"{name}, {views} views", config.change(views_per_step=views))
        for name, config in (("all views share the tokens", shared), ("camera positions", own))
        for views in (8, 4, 2)
    ]


def step_of(way: Way) -> Callable[[], None]:
    """Builds a model and returns its step."""
    torch.manual_seed(0)
    config, device = way.config, torch.device("cpu")
    model = PretrainModel(config, TARGET_WIDTH)
    model.encoder.config = config.encoder_at(0.0)
    optimizers = make_optimizers(model, config)
    batch = random_batch(config, TARGET_WIDTH, model.encoder.config.num_points, device)

    def step() -> None:
        with way.patched():
            model(batch, batch.embeddings_BVD).total.backward()
        optimizers.step(1e-4)

    return step


def matmul_peak(seconds: float = 1.0) -> float:
    """Best bfloat16 rate of a square matrix product on this machine, in operations per second."""
    left, right = (torch.randn(2048, 2048, dtype=torch.bfloat16) for _ in range(2))
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        left @ right
        best = max(best, 2 * 2048**3 / (time.perf_counter() - started))
    return best


def operations(step: Callable[[], None]) -> int:
    """Counts the operations of the matrix products of a step."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def main() -> None:
    """Prints a row for each way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="crossjepa-base")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--predictor-depth", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pose", action="store_true")
    options = parser.parse_args()
    chosen = ways_with_pose if options.pose else ways
    rows = chosen(options.size, options.batch_size, options.predictor_depth)
    steps = [step_of(way) for way in rows]
    counts = [operations(step) for step in steps]
    seconds = [float("inf")] * len(rows)
    for _ in range(options.repeats):
        for number, step in enumerate(steps):
            started = time.perf_counter()
            step()
            seconds[number] = min(seconds[number], time.perf_counter() - started)
    peak = matmul_peak()
    print(f"{torch.get_num_threads()} threads, bfloat16 matmul peak {peak / 1e9:.0f} GFLOP/s")
    print(f"{'step':<44} {'samples/s':>9} {'ratio':>6} {'GFLOP/sample':>12} {'of peak':>8}")
    for way, spent, count in zip(rows, seconds, counts, strict=True):
        rate = options.batch_size / spent
        print(
            f"{way.name:<44} {rate:>9.1f} {seconds[0] / spent:>6.2f} "
            f"{count / options.batch_size / 1e9:>12.2f} {count / spent / peak:>8.0%}"
        )


if __name__ == "__main__":
    main()
