"""Parts of `gpu.py`: a step of pretraining, teachers, rendering, and what the paper's recipe takes.

B clouds, V views, D teacher width
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_network import FILES
from gpu_timing import Bench
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from crossjepa.datasets.sample import Sample
from crossjepa.io import Mesh, PointCloud, read
from crossjepa.processor import sample_mesh
from crossjepa.train.cache.teacher import Teacher
from crossjepa.train.pretrain import PretrainConfig, load_config
from crossjepa.train.pretrain.batches import Batches
from crossjepa.train.pretrain.dry_run import random_batch, random_cache
from crossjepa.train.pretrain.model import PretrainModel
from crossjepa.train.pretrain.optimizers import make_optimizers
from crossjepa.train.pretrain.targets import Targets
from crossjepa.train.render.views import RenderConfig, make_views

PAPER_OBJECTS, PAPER_VIEWS, PAPER_WIDTH, PAPER_EPOCHS = 43_783, 24, 768, 180
PAPER_TEACHER = "vit_base_patch14_dinov2"
CACHE_OBJECTS = 10_000
SIZES = (256, 512, 1024, 2048)


@dataclass
class Step:
    """A model with what its step needs, on the device."""

    bench: Bench
    config: PretrainConfig
    width: int

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        device = self.bench.device
        self.model = PretrainModel(self.config, self.width).to(device).train()
        rows = np.random.default_rng(0).normal(size=(2000, self.width)).astype(np.float32)
        self.targets = Targets(rows, "standardize").to(device)
        if self.model.contrast and self.config.loss.contrast_with == "cache":
            objects = CACHE_OBJECTS if self.bench.on_gpu else 100
            self.model.contrast.compare_with(torch.randn(objects, self.width, device=device))

    def work(self, batch_size: int, half: bool) -> Callable[[], object]:
        """Returns forward and backward pass on a random batch, at half or full size."""
        config = self.config.change(batch_size=batch_size, few_share=float(half))
        self.model.encoder.config = config.encoder_at(0)
        batch = random_batch(config, self.width, self.model.encoder.config.num_points, self.bench.device)

        def forward_and_backward() -> None:
            for value in self.model.parameters():
                value.grad = None
            self.model(batch, self.targets(batch.embeddings_BVD)).total.backward()

        return forward_and_backward

    def flops(self, half: bool) -> float:
        """Counts the matrix products of a step, per sample."""
        work = self.work(4, half)
        try:
            with FlopCounterMode(display=False) as counter:
                work()
        except (RuntimeError, NotImplementedError) as error:
            print(f"operations are not counted: {error}", flush=True)
            return float("nan")
        return float(counter.get_total_flops()) / 4

    def optimizer(self, name: str) -> float:
        """Returns the seconds of clipping and a step of an optimizer."""
        self.work(4, True)()
        parameters = list(self.model.parameters())
        gradients = [value.grad for value in parameters]
        optimizers = make_optimizers(self.model, self.config.change(optimizer=name))

        def step() -> None:
            for value, gradient in zip(parameters, gradients, strict=True):
                value.grad = gradient
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizers.step(1e-6)

        return self.bench.seconds(step)


def step_of(bench: Bench, width: int, positions: bool) -> Step:
    """The default recipe against the cache, with or without camera positions."""
    config = PretrainConfig.of(contrast_with="cache", joint_attention=positions, camera_positions=positions)
    return Step(bench, config, width)


def pretraining(bench: Bench, width: int, sizes: tuple[int, ...] = SIZES[:3]) -> None:
    """Measures steps of pretraining on random batches that are on the device already."""
    what = f"{width} channels of the teacher, contrast with {CACHE_OBJECTS:,} objects"
    bench.table(
        "pretraining" if sizes == SIZES[:3] else "pretraining, largest",
        f"pretraining step, bfloat16, 8 views, {what}",
        "points, camera positions, batch", "fwd+bwd ms", "muon ms", "adamw ms", "muon/s", "adamw/s",
        "of peak", "GB",
    )  # fmt: skip
    for positions in (False, True):
        step = step_of(bench, width, positions)
        optimizers = {name: step.optimizer(name) for name in ("muon", "adamw")}
        for half in (True, False):
            flops = step.flops(half)
            for batch in sizes if bench.on_gpu else (2,):
                label = f"{512 if half else 1024}, {'yes' if positions else 'no'}, {batch}"
                spent, memory = measured(bench, step, batch, half)
                milliseconds = [1e3 * value for value in optimizers.values()]
                if spent is None:
                    bench.row(label, "no memory", *milliseconds, *[None] * 4)
                    continue
                rates = [batch / (spent + value) for value in optimizers.values()]
                share = batch * flops / spent / bench.peaks.get("bfloat16", float("inf"))
                bench.row(label, 1e3 * spent, *milliseconds, *rates, share, memory)
        del step
        bench.clean()


def measured(bench: Bench, step: Step, batch: int, half: bool) -> tuple[float | None, float | None]:
    """Returns the seconds of forward and backward pass, None if memory is too small, and the peak in GB."""
    try:
        work = step.work(batch, half)
        if bench.on_gpu:
            torch.cuda.reset_peak_memory_stats(bench.device)
        spent = bench.seconds(work, 0.004)
        return spent, torch.cuda.max_memory_allocated(bench.device) / 1e9 if bench.on_gpu else None
    except torch.cuda.OutOfMemoryError:
        return None, None
    finally:
        for value in step.model.parameters():
            value.grad = None
        bench.clean()


def teachers(bench: Bench, files: list[Path]) -> None:
    """Measures teachers: as a cache uses them, and their networks alone."""
    import timm

    columns = ("teacher, batch", "embed/s", "float32/s", "bf16/s")
    bench.table("teachers", "views of 224 x 224 pixels per second", *columns)
    rates = bench.results.setdefault("teacher views/s", {})
    paper = timm.create_model(PAPER_TEACHER, pretrained=False, img_size=224, num_classes=0)
    paper = paper.eval().to(bench.device)
    for batch in (8, 128) if bench.on_gpu else (1,):
        float32, bfloat16 = network_rates(bench, paper, batch)
        bench.row(f"{PAPER_TEACHER}, {batch}", None, float32, bfloat16)
        rates[PAPER_TEACHER] = max(rates.get(PAPER_TEACHER, 0.0), bfloat16)
    del paper
    for path in files:
        teacher = Teacher(str(path), 224, str(bench.device), embedding="layers")
        for batch in (8, 128) if bench.on_gpu else (2,):
            images = np.random.default_rng(0).integers(0, 256, (batch, 224, 224, 3), np.uint8)
            embed = batch / bench.seconds(partial(teacher.embed, images), wall=True)
            bench.row(f"{path.stem}, {batch}", embed, *network_rates(bench, teacher.model, batch))
            rates[path.stem] = max(rates.get(path.stem, 0.0), embed)
        del teacher


@torch.inference_mode()
def network_rates(bench: Bench, model: nn.Module, batch: int) -> tuple[float, float]:
    """Returns views per second of the network alone in float32, as torch sets it up, and bfloat16."""
    pixels = torch.randn(batch, 3, 224, 224, device=bench.device).contiguous(
        memory_format=torch.channels_last
    )

    def run(half: bool) -> Tensor:
        with torch.autocast(bench.device.type, torch.bfloat16, enabled=half):
            return model(pixels)  # type: ignore[no-any-return]

    float32, bfloat16 = (batch / bench.seconds(partial(run, half)) for half in (False, True))
    return float32, bfloat16


def rendering(bench: Bench) -> None:
    """Measures the views that a cache is made of, with sampling and histograms; without reading."""
    config = RenderConfig(image_size=224 if bench.on_gpu else 64)
    bench.table(
        "rendering",
        "8 views of each of the sample files (3 as clouds), as for a cache",
        "what",
        "views/s",
        "ms/view",
    )
    rates = bench.results.setdefault("rendered views/s", {})
    samples: dict[str, list[Sample]] = {"meshes": [], "clouds of 4,096 points": []}
    for path in FILES:
        mesh = read(path)
        assert isinstance(mesh, Mesh)
        samples["meshes"].append(Sample(mesh, path.stem))
        cloud = PointCloud(sample_mesh(mesh, 4096))
        if len(samples["clouds of 4,096 points"]) < 3:
            samples["clouds of 4,096 points"].append(Sample(cloud, path.stem))
    threads = torch.get_num_threads()
    for kind, shapes in samples.items():
        for device in dict.fromkeys((str(bench.device), "cpu")):
            own = Bench(torch.device(device), bench.minutes if device != "cpu" else 0.0)

            def work(shapes: list[Sample] = shapes, device: str = device) -> None:
                for row, sample in enumerate(shapes if bench.on_gpu else shapes[:1]):
                    make_views(sample, row, config, device)

            if device == "cpu":
                torch.set_num_threads(1)  # as in the processes that make a cache
            try:
                spent = own.seconds(work, wall=True, warm=1)
            finally:
                torch.set_num_threads(threads)
            views = 8 * (len(shapes) if bench.on_gpu else 1)
            where = "one CPU core" if device == "cpu" else "device"
            bench.row(f"{kind}, {where}", views / spent, 1e3 * spent / views)
            rates[f"{kind}, {where}"] = views / spent


def paper(bench: Bench) -> None:
    """Adds up what the recipe `shapenet-paper` takes: the cache, and 180 epochs."""
    config = load_config("shapenet-paper")
    if not bench.on_gpu:
        config = config.change(batch_size=4)
    step = Step(bench, config, PAPER_WIDTH)
    batch = config.data.batch_size
    spent, memory = measured(bench, step, batch, half=False)
    optimizer = step.optimizer(config.optim.optimizer)
    objects = PAPER_OBJECTS if bench.on_gpu else 100
    batches = Batches(random_cache(objects, PAPER_VIEWS, PAPER_WIDTH), config, device=bench.device)
    numbers = iter(range(10**9))
    data = bench.seconds(lambda: batches(next(numbers)), 0.01, wall=True, warm=1)
    steps = PAPER_OBJECTS // batch
    columns = ("recipe shapenet-paper", "value")
    bench.table("paper", f"{PAPER_OBJECTS:,} objects, batch {batch}, 1 view per step", *columns)
    facts: dict[str, Any] = {
        "forward and backward, ms": 1e3 * (spent or float("nan")),
        "optimizer, ms": 1e3 * optimizer,
        "data, ms (same process)": 1e3 * data,
        "memory, GB": memory,
    }
    compute = steps * ((spent or float("nan")) + optimizer) / 60
    facts["minutes per epoch, network alone"] = compute
    facts["minutes per epoch, with data"] = compute + steps * data / 60
    facts["hours of 180 epochs, network alone"] = PAPER_EPOCHS * compute / 60
    facts["hours of 180 epochs, with data"] = PAPER_EPOCHS * (compute + steps * data / 60) / 60
    views = PAPER_OBJECTS * PAPER_VIEWS
    for name, rate in bench.results.get("teacher views/s", {}).items():
        facts[f"cache: hours of {name}"[:34]] = views / rate / 3600
    for name, rate in bench.results.get("rendered views/s", {}).items():
        facts[f"cache: hours, {name}"[:34]] = views / rate / 3600
    for name, value in facts.items():
        bench.row(name, value)


def largest(bench: Bench, width: int) -> None:
    """Last, since kernels of such sizes may end the process."""
    if bench.on_gpu:
        pretraining(bench, width, SIZES[3:])


def profile(bench: Bench, width: int) -> None:
    """Lists what takes most of the device's time in a step of pretraining."""
    from torch.profiler import ProfilerActivity, profile

    work = step_of(bench, width, positions=False).work(512 if bench.on_gpu else 2, half=False)
    work()
    bench.sync()
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if bench.on_gpu else [])]
    with profile(activities=kinds) as found:
        work()
        bench.sync()
    column = "self_device_time_total" if bench.on_gpu else "self_cpu_time_total"
    events = sorted(found.key_averages(), key=lambda event: -getattr(event, column, 0))
    bench.table(
        "profile", "most expensive operations of forward and backward, batch 512", "name", "ms", "calls"
    )
    for event in events[:24]:
        bench.row(event.key[:90], getattr(event, column, 0) / 1e3, event.count)
