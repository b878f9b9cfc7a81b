"""What a run would take: sizes, memory and hours, from measured steps.

S objects, B clouds, N points, P stored points, V views, H histogram bins, D teacher width
"""

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from crossjepa.config import NAMED_SIZES
from crossjepa.train.cache import HISTOGRAM_BINS, POSE_FIELDS, Cache, DenseConfig, FloatRows, to_bfloat16
from crossjepa.train.cache.concat import JoinedCaches, open_caches
from crossjepa.train.common.distributed import own_device
from crossjepa.train.pretrain.batches import Batch, Batches, divide
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.model import PretrainModel
from crossjepa.train.pretrain.optimizers import make_optimizers
from crossjepa.train.render.views import RenderConfig

MEASURED_STEPS = 3
# No further step is measured after this long: one step of 512 clouds takes minutes on a CPU.
ENOUGH_SECONDS = 20.0
PAPER_WIDTH = 768


@dataclass(frozen=True)
class DryRun:
    """What a run would take on this machine.

    Attributes:
        encoder_parameters: parameters of the encoder.
        predictor_parameters: trainable parameters of everything else.
        objects: objects to train on.
        steps: optimizer steps.
        clouds: clouds of all steps.
        seconds_first: measured seconds of a step at the start of the run, with its data.
        seconds_last: measured seconds of a step at its end.
        hours: expected duration of the run.
        data_share: share of the time for sampling and augmenting points and reading views.
        gigabytes: largest memory of this process so far, or of the GPU if there is one; None if the system
            does not tell.
        device: where it was measured.
    """

    encoder_parameters: int
    predictor_parameters: int
    objects: int
    steps: int
    clouds: int
    seconds_first: float
    seconds_last: float
    hours: float
    data_share: float
    gigabytes: float | None
    device: str

    def __str__(self) -> str:
        total = (self.encoder_parameters + self.predictor_parameters) / 1e6
        lines = [
            f"parameters   {self.encoder_parameters / 1e6:.2f}M encoder + "
            f"{self.predictor_parameters / 1e6:.2f}M predictor = {total:.1f}M",
            f"data         {self.objects:,} objects to train on, {self.steps:,} steps, "
            f"{self.clouds:,} clouds",
            f"step         {self.seconds_first:.2f} s at first, {self.seconds_last:.2f} s at the end, "
            f"on {self.device}",
        ]
        if self.gigabytes is not None:
            lines.append(f"memory       {self.gigabytes:.1f} GB")
        lines.append(f"time         {self.hours:.1f} hours, {self.data_share:.0%} of them for the data")
        return "\n".join(lines)


def dry_run(
    config: PretrainConfig,
    *,
    objects: int = 0,
    views: int = 0,
    target_width: int = PAPER_WIDTH,
    device: str | None = None,
) -> DryRun:
    """Measures a few steps on random clouds, and their data, and estimates what the run would take.

    Args:
        config: the recipe; if it names a cache, its data are measured.
        objects: number of objects without a cache; then the data are measured on random objects in memory.
        views: views per object without a cache; by default as many as a step takes.
        target_width: width of the teacher's embedding without a cache (D).
        device: torch device; by default a GPU if there is one.

    Raises:
        ValueError: neither a cache nor a number of objects is given, or the recipe does not fit them.
    """
    cache: Cache | JoinedCaches
    if config.data.cache:
        cache = open_caches(config.data.cache)
    elif objects < 1:
        raise ValueError("how many objects? give --cache FOLDER or --objects N")
    else:
        dense = config.loss.dense_points if config.loss.dense_weight else 0
        cache = random_cache(objects, views or config.data.views_per_step, target_width, dense)
    batches = Batches(cache, config)
    chosen = own_device(device)
    torch.manual_seed(config.run.seed)
    widths = [each.width for each in cache.teachers]
    model = PretrainModel(config, cache.width, widths, cache.dense_channels).to(chosen)
    if model.contrast and config.loss.contrast_with == "cache":
        model.contrast.compare_with(torch.randn(len(batches.train_rows), cache.width, device=chosen))
    phases = phases_of(config, batches.steps)
    measured = [_measure(model, cache, config, phase, chosen) for phase in phases]
    seconds, data_seconds = (
        sum(phase.steps * part for phase, part in zip(phases, parts, strict=True))
        for parts in zip(*measured, strict=True)
    )
    encoder = sum(value.numel() for value in model.encoder.parameters())
    return DryRun(
        encoder_parameters=encoder,
        predictor_parameters=sum(value.numel() for value in model.parameters()) - encoder,
        objects=len(batches.train_rows),
        steps=batches.steps,
        clouds=batches.steps * config.data.batch_size,
        seconds_first=measured[0].seconds,
        seconds_last=measured[-1].seconds,
        hours=seconds / 3600,
        data_share=data_seconds / seconds,
        gigabytes=_peak_gigabytes(chosen),
        device=torch.cuda.get_device_name(chosen)
        if chosen.type == "cuda"
        else f"CPU, {torch.get_num_threads()} threads",
    )


def cache_gigabytes(objects: int, views: int, width: int = PAPER_WIDTH) -> float:
    """Returns the size of a cache of the default teacher's embeddings."""
    view = 2 * width + 4 * len(POSE_FIELDS) + 2 * HISTOGRAM_BINS
    return objects * (views * view + 3 * 2 * RenderConfig().stored_points) / 1e9


class Phase(NamedTuple):
    """A part of the run in which all steps cost the same."""

    steps: int
    few_points: bool
    frozen: bool


def phases_of(config: PretrainConfig, steps: int) -> list[Phase]:
    """Divides a run at the steps where its clouds become larger and where its encoder begins to learn."""
    few = round(config.data.few_share * steps) if config.encoder_at(0) != config.encoder_at(1) else 0
    frozen = min(config.run.frozen_steps, steps)
    edges = sorted({0, few, frozen, steps})
    return [Phase(end - start, start < few, start < frozen) for start, end in pairwise(edges)]


class StepTime(NamedTuple):
    """Seconds of a step in all, and of its data."""

    seconds: float
    data_seconds: float


def _measure(
    model: PretrainModel,
    cache: Cache | JoinedCaches,
    config: PretrainConfig,
    phase: Phase,
    device: torch.device,
) -> StepTime:
    """Measures the model's and the data's part of a step; those of the data by how often points are even."""
    model.freeze_encoder(phase.frozen)
    config = config.change(few_share=float(phase.few_points))
    share, data_seconds = config.data.even_probability, 0.0
    for even, weight in ((0.0, 1 - share), (1.0, share)):
        if weight:
            data_seconds += weight * _seconds_of_data(cache, config.change(even_probability=even), device)
    return StepTime(_seconds_of_model(model, config, cache, device) + data_seconds, data_seconds)


def _seconds_of_data(cache: Cache | JoinedCaches, config: PretrainConfig, device: torch.device) -> float:
    batches = Batches(cache, config, device=device)
    # Anywhere in the run, so that their objects have hardly been read by another measurement.
    steps = np.random.default_rng().integers(batches.steps, size=MEASURED_STEPS + 1).tolist()
    seconds = _timed((partial(batches, step) for step in steps), device)
    later = seconds[1:] or seconds  # the first one warms up
    return sum(later) / len(later)


def _seconds_of_model(
    model: PretrainModel, config: PretrainConfig, cache: Cache | JoinedCaches, device: torch.device
) -> float:
    optimizers = make_optimizers(model, config)
    model.encoder.config = config.encoder_at(0)
    batch = random_batch(config, cache.width, model.encoder.config.num_points, device, cache.dense_channels)

    def step() -> None:
        for part in divide(batch, config.optim.accumulation_steps):
            model(part, part.embeddings_BVD).total.backward()
        optimizers.step(0.0)

    seconds = _timed([step] * (MEASURED_STEPS + 1), device)
    model.encoder.config = NAMED_SIZES[config.model.size]
    return min(seconds)


def random_batch(
    config: PretrainConfig, target_width: int, points: int, device: torch.device, dense_channels: int = 0
) -> Batch:
    """Returns a batch of the recipe's shapes, filled with noise."""
    batch, views = config.data.batch_size, config.data.views_per_step
    points_BN3 = torch.randn(batch, points, 3)
    parts = (
        torch.rand(batch, views, 3),
        torch.rand(batch, views, HISTOGRAM_BINS),
        torch.randn(batch, views, target_width),
    )
    queries = config.loss.dense_points if config.loss.dense_weight else 0
    dense = torch.randn(batch, queries, 3), torch.randn(batch, queries, dense_channels)
    seen_BQ = torch.ones(batch, queries, dtype=torch.bool)
    return Batch(points_BN3, points_BN3, *parts, *dense, seen_BQ).to(device)


def random_cache(objects: int, views: int, target_width: int, dense: int = 0) -> Cache:
    """Returns a cache of noise whose objects are all the same, so that it takes no memory."""
    random = np.random.default_rng(0).random

    def same(values: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(values, (objects, *values.shape))

    return Cache(
        embeddings_SVD=FloatRows(same(to_bfloat16(random((views, target_width))))),
        poses_SV5=same(random((views, len(POSE_FIELDS)), np.float32)),
        histograms_SVH=same(random((views, HISTOGRAM_BINS)).astype(np.float16)),
        points_SP3=same(random((RenderConfig().stored_points, 3)).astype(np.float16)),
        done_S=same(np.array(True)),
        checksums_S=None,
        sources_S=None,
        manifest={},
        dense_SKC=same(np.zeros((dense, DenseConfig().channels), np.int8)) if dense else None,
        dense_seen_SK=same(np.ones(dense, np.uint8)) if dense else None,
    )


def _timed(calls: Iterable[Callable[[], object]], device: torch.device) -> list[float]:
    """Returns the seconds of each call, until they add up to enough."""
    seconds: list[float] = []
    for call in calls:
        if sum(seconds) >= ENOUGH_SECONDS:
            break
        started = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started)
    return seconds


def _peak_gigabytes(device: torch.device) -> float | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e9 / 1024)
