"""What a run would take, before it is started: sizes, memory and hours from measured steps.

B clouds, N points, V views, H histogram bins, D teacher width
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass

import torch

from crossjepa.config import NAMED_SIZES
from crossjepa.train.cache import HISTOGRAM_BINS, POSE_FIELDS
from crossjepa.train.config import PretrainConfig
from crossjepa.train.data import Batch
from crossjepa.train.joined import open_caches
from crossjepa.train.objective import PretrainModel
from crossjepa.train.optim import make_optimizers
from crossjepa.train.views import RenderConfig

MEASURED_STEPS = 3
# No further step is measured after this long: one step of 512 clouds takes minutes on a CPU.
ENOUGH_SECONDS = 20.0
PAPER_WIDTH = 768


@dataclass(frozen=True)
class Plan:
    """What a run would take on this machine.

    Attributes:
        encoder_parameters: trainable numbers of the encoder.
        predictor_parameters: trainable numbers of all else.
        objects: objects to train on.
        steps: optimizer steps.
        clouds: clouds to be seen.
        seconds_few: measured seconds of a step in the first part of the run.
        seconds_full: measured seconds of a step in the last part.
        hours: expected duration of the run.
        gigabytes: largest memory of this process during the measured steps, or of the GPU if there is one.
        device: where it was measured.
    """

    encoder_parameters: int
    predictor_parameters: int
    objects: int
    steps: int
    clouds: int
    seconds_few: float
    seconds_full: float
    hours: float
    gigabytes: float
    device: str

    def __str__(self) -> str:
        total = (self.encoder_parameters + self.predictor_parameters) / 1e6
        return "\n".join(
            (
                f"parameters   {self.encoder_parameters / 1e6:.2f}M encoder + "
                f"{self.predictor_parameters / 1e6:.2f}M predictor = {total:.1f}M",
                f"data         {self.objects:,} objects, {self.steps:,} steps, {self.clouds:,} clouds",
                f"step         {self.seconds_few:.2f} s at first, {self.seconds_full:.2f} s at full size, "
                f"on {self.device}",
                f"memory       {self.gigabytes:.1f} GB",
                f"time         {self.hours:.1f} hours",
            )
        )


def plan_run(
    config: PretrainConfig, *, objects: int = 0, target_width: int = PAPER_WIDTH, device: str | None = None
) -> Plan:
    """Measures a few real steps on random clouds and works out what the whole run would take.

    Args:
        config: the recipe; where it names a cache, its size and width are used.
        objects: objects to train on where there is no cache.
        target_width: width of the teacher's embedding where there is no cache (D).
        device: torch device; by default a GPU where there is one.

    Returns:
        The plan.

    Raises:
        ValueError: neither a cache nor a number of objects is known.
    """
    if config.cache:
        cache = open_caches(config.cache)
        objects, target_width = len(cache), cache.width
    if not objects:
        raise ValueError("how many objects? give --cache FOLDER or the renderings")
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    torch.manual_seed(config.seed)
    model = PretrainModel(config, target_width).to(chosen)
    if model.contrast and config.contrast_with == "cache":
        model.contrast.compare_with(torch.randn(objects, target_width, device=chosen))
    grows = config.encoder_at(0) != config.encoder_at(1)
    full = _seconds_a_step(model, config, 1.0, target_width, chosen)
    few = _seconds_a_step(model, config, 0.0, target_width, chosen) if grows else full
    steps = config.steps or config.epochs * ((objects - config.held_out) // config.batch_size)
    first = round(config.few_share * steps) if grows else 0
    encoder = sum(value.numel() for value in model.encoder.parameters())
    return Plan(
        encoder_parameters=encoder,
        predictor_parameters=sum(value.numel() for value in model.parameters()) - encoder,
        objects=objects,
        steps=steps,
        clouds=steps * config.batch_size,
        seconds_few=few,
        seconds_full=full,
        hours=(first * few + (steps - first) * full) / 3600,
        gigabytes=_peak_bytes(chosen) / 1e9,
        device=torch.cuda.get_device_name(chosen)
        if chosen.type == "cuda"
        else f"CPU, {torch.get_num_threads()} threads",
    )


def cache_gigabytes(objects: int, views: int, width: int = PAPER_WIDTH) -> float:
    """Returns how large a cache of the default teacher's embeddings will be."""
    view = 2 * width + 4 * len(POSE_FIELDS) + 2 * HISTOGRAM_BINS
    return objects * (views * view + 3 * 2 * RenderConfig().stored_points) / 1e9


def random_batch(config: PretrainConfig, target_width: int, points: int, device: torch.device) -> Batch:
    """Returns a batch of the recipe's shapes, filled with noise."""
    batch, views = config.batch_size, config.views_per_step
    points_BN3 = torch.randn(batch, points, 3)
    parts = (
        torch.rand(batch, views, 3),
        torch.rand(batch, views, 48),
        torch.randn(batch, views, target_width),
    )
    return Batch(points_BN3, points_BN3, *parts).to(device)


def _seconds_a_step(
    model: PretrainModel, config: PretrainConfig, share: float, target_width: int, device: torch.device
) -> float:
    optimizers = make_optimizers(model, config)
    model.encoder.config = config.encoder_at(share)
    batch = random_batch(config, target_width, model.encoder.config.num_points, device)
    seconds: list[float] = []
    while len(seconds) <= MEASURED_STEPS and sum(seconds) < ENOUGH_SECONDS:
        started = time.perf_counter()
        model(batch, batch.embeddings_BVD).total.backward()
        optimizers.step(0.0)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started)
    model.encoder.config = NAMED_SIZES[config.size]
    return min(seconds)


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
