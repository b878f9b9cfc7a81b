"""Pretraining from a cache: the encoder and a conditioned predictor learn the teacher's embedding of views.

B clouds, V views, D teacher width
"""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from crossjepa.files import remove_partials, write_json
from crossjepa.train.cache.concat import open_caches
from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from crossjepa.train.common.distributed import Process, all_mean, process_group, sync_batch_norms
from crossjepa.train.common.loggers import RunLog
from crossjepa.train.common.optim import learning_rate, refuse_infinite
from crossjepa.train.pretrain.batches import Batch, Batches
from crossjepa.train.pretrain.config import PretrainConfig
from crossjepa.train.pretrain.model import PretrainModel, Targets
from crossjepa.train.pretrain.online_probe import ProbeData, encode_all, probe
from crossjepa.train.pretrain.optimizers import make_optimizers
from crossjepa.train.pretrain.weight_transfer import (
    describe_predictor,
    load_released,
    take_checkpoint,
    take_released,
)

logger = logging.getLogger(__name__)

# Objects whose views give the statistics of the targets; more are not read at a time.
STATISTICS_ROWS = 4096


@dataclass(frozen=True)
class RunOptions:
    """What changes nothing in the result.

    Attributes:
        log_every: steps between lines of the log.
        save_every: steps between checkpoints.
        probe_every: steps between probes and held-out losses; 0 for none.
        keep: checkpoints to keep.
        stop_after: steps after which this process ends, to go on later; 0 for none.
        device: torch device; by default a GPU where there is one.
        progress: show a bar with the time left, the loss and the samples a second.
        tensorboard: also log to TensorBoard.
        wandb: W&B project to log to as well.
    """

    log_every: int = 50
    save_every: int = 250
    probe_every: int = 500
    keep: int = 3
    stop_after: int = 0
    device: str | None = None
    progress: bool = True
    tensorboard: bool = False
    wandb: str = ""

    def __post_init__(self) -> None:
        least = {"log_every": 1, "save_every": 1, "probe_every": 0, "stop_after": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ValueError(f"{name} must be at least {value}, not {getattr(self, name)}")


class Trainer:
    """One run: model, optimizers and batches, from step to step.

    Args:
        config: the recipe; `config.cache` names the cache.
        run: folder of the run; a run that was cut goes on from its last checkpoint.
        process: this process among those of the run.
        options: logging, saving and probing.
        probe_data: labeled clouds of a training split, to see whether features improve.
    """

    def __init__(
        self,
        config: PretrainConfig,
        run: Path,
        process: Process,
        options: RunOptions,
        probe_data: ProbeData | None = None,
    ) -> None:
        self.config, self.run, self.process, self.options = config, run, process, options
        self.probe_data = probe_data
        torch.manual_seed(config.seed)
        cache = open_caches(config.cache)
        self.batches = Batches(cache, config, process.rank, process.world, process.device)
        self.steps = self.batches.steps
        rows = self.batches.train_rows[:: max(1, len(self.batches.train_rows) // STATISTICS_ROWS)]
        views = cache.views_of(rows)
        embeddings_RD = views.embeddings_BVD.reshape(-1, cache.width)
        self.targets = Targets(embeddings_RD, config.target_scaling).to(process.device)
        self.model = PretrainModel(config, embeddings_RD.shape[1]).to(process.device)
        self.prediction = describe_predictor(self.model.predictor.config, cache, views)
        if self.model.contrast and config.contrast_with == "cache":
            self.model.contrast.compare_with(self._objects())
        if process.world > 1:
            sync_batch_norms(self.model)
        self.optimizers = make_optimizers(self.model, config)
        self.meter = Meter(config.batch_size)
        self.step = self._resume()
        self._freeze(self.step < config.frozen_steps)

    def _objects(self) -> torch.Tensor:
        """Returns the (M, D) mean targets of the objects that are trained on."""
        rows, cache = self.batches.train_rows, self.batches.cache
        means = []
        for start in range(0, len(rows), STATISTICS_ROWS):
            mean_RD = cache.embeddings_of(rows[start : start + STATISTICS_ROWS]).mean(axis=1)
            means.append(self.targets(torch.from_numpy(mean_RD).to(self.process.device)))
        return torch.cat(means)

    def _start_from(self, source: str) -> None:
        """Takes the weights of another run, or released ones."""
        if source.endswith(".pt"):
            state = load_checkpoint(source)
            try:
                take_checkpoint(self.model, state, self.prediction, self.targets.state_dict())
            except ValueError as error:
                raise ValueError(f"{source} is of another recipe or teacher: {error}") from error
        elif source:
            released = load_released(source, self.config.size)
            taken = take_released(self.model, released, self.prediction, self.targets.state_dict())
            logger.info("began with %s: %s", source, taken)

    def _freeze(self, frozen: bool) -> None:
        self.model.freeze_encoder(frozen)
        # Anew, since DistributedDataParallel waits for the gradient of all that could learn when it began.
        self.forward = self._wrapped()

    def _wrapped(self) -> nn.Module:
        module: nn.Module = self.model
        if self.process.world > 1:
            module = DistributedDataParallel(module)
        return torch.compile(module) if self.config.compile else module  # type: ignore[return-value]

    def _resume(self) -> int:
        """Restores the last checkpoint and returns the steps done; refuses another recipe's run."""
        recipe = self.recipe()
        if self.process.is_main:
            remove_partials(self.run)
        found = checkpoints(self.run)
        if not found:
            self._start_from(self.config.init_from)
            if self.process.is_main:
                self.run.mkdir(parents=True, exist_ok=True)
                write_json(self.run / "config.json", recipe)
            return 0
        state = load_checkpoint(found[-1])
        # What an older version did not know was as it is by default.
        before = {**asdict(PretrainConfig()), **state["recipe"]}
        changed = sorted(key for key in recipe if recipe[key] != before.get(key))
        if changed:
            raise ValueError(
                f"{self.run} was started with another {', '.join(changed)}: go on with the same recipe, or "
                "choose another folder"
            )
        self.model.load_state_dict(state["model"], strict=True)
        self.optimizers.load_state_dict(state["optimizers"])
        self.meter.rows = state["meter"]
        logger.info("going on after step %d of %s", state["step"], self.run)
        return int(state["step"])

    def train(self) -> None:
        """Trains to the end of the run, or for `stop_after` steps."""
        last = min(self.steps, self.step + self.options.stop_after) if self.options.stop_after else self.steps
        with self._log() if self.process.is_main else nullcontext() as log:
            self._train(last, log)

    def _log(self) -> RunLog:
        return RunLog(self.run, self.step, tensorboard=self.options.tensorboard, wandb=self.options.wandb)

    def _train(self, last: int, log: RunLog | None) -> None:
        self.model.train()
        with self._bar() as bar:
            for step in range(self.step, last):
                figures = self.update(step)
                self.step = step + 1
                self.meter.add(figures)
                speed = f"{self.meter.speed():.0f}"
                bar.set_postfix({"loss": f"{figures['loss']:.4f}", "samples/s": speed}, refresh=False)
                bar.update()
                self._record(log, ended=self.step == last)

    def _record(self, log: RunLog | None, ended: bool) -> None:
        """Logs, looks and saves where it is time to."""
        options = self.options
        if log and (self.step % options.log_every == 0 or ended):
            log.write(step=self.step, **self.meter.read(), learning_rate=self._rate(self.step - 1))
        if options.probe_every and (self.step % options.probe_every == 0 or ended):
            figures = self.look()
            if log:
                log.write(step=self.step, **figures)
        if self.process.is_main and (self.step % options.save_every == 0 or ended):
            self.save()

    def update(self, step: int) -> dict[str, float]:
        """Takes one optimizer step.

        Returns:
            The losses over all processes, the seconds of the step, and those of this process for its data.

        Raises:
            FloatingPointError: the loss or its gradient is not finite; all processes say so, and no parameter
                has changed.
        """
        started = time.perf_counter()
        batch = self.batches(step)
        waited = time.perf_counter() - started
        self.model.encoder.config = self.config.encoder_at(step / self.steps)
        if self.model.encoder_is_frozen and step >= self.config.frozen_steps:
            self._freeze(False)
        losses = self.forward(batch, self.targets(batch.embeddings_BVD))
        losses.total.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        measured = {**losses.named(), "norm": norm}
        means = all_mean(torch.stack(list(measured.values()))).tolist()
        named = dict(zip(measured, means, strict=True))
        refuse_infinite(f"step {step + 1}", loss=named["total"], gradient=named.pop("norm"))
        self.optimizers.step(self._rate(step))
        return {
            "loss": named.pop("total"),
            **{f"{name}_loss": value for name, value in named.items()},
            "seconds": time.perf_counter() - started,
            "data_seconds": waited,
        }

    @torch.no_grad()
    def look(self) -> dict[str, float]:
        """Returns the loss on held-out objects and, with probe data, how good and how spread features are."""
        self.model.eval()
        figures: dict[str, float] = {}
        rows, count = len(self.batches.held_out_rows), self.model.encoder.config.num_points
        if rows:
            batches = (self.batches.held_out(start, start + 64, count) for start in range(0, rows, 64))
            figures["held_out_loss"] = (
                sum(self._loss(batch) * len(batch.points_BN3) for batch in batches) / rows
            )
        if self.probe_data is not None and self.process.is_main:
            points_nN3, precision = self.probe_data.points_nN3, self.config.precision
            features_nE = encode_all(self.model.encoder, points_nN3, precision=precision)
            figures.update(probe(features_nE, self.probe_data.labels_n))
        self.model.train()
        return figures

    def _loss(self, batch: Batch) -> float:
        return float(self.model(batch, self.targets(batch.embeddings_BVD)).view)

    def save(self) -> None:
        """Writes a checkpoint from which `Trainer` goes on exactly."""
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizers": self.optimizers.state_dict(),
            "meter": self.meter.rows,
            "targets": self.targets.state_dict(),
            "prediction": asdict(self.prediction),
            "recipe": self.recipe(),
        }
        save_checkpoint(self.run, self.step, state, self.options.keep)

    def recipe(self) -> dict[str, Any]:
        """Returns all that determines the result, with caches by their content rather than their place."""
        cache = self.batches.cache
        return {**asdict(self.config), "cache": cache.hash, "objects": len(cache)}

    def _rate(self, step: int) -> float:
        return learning_rate(self.config, step, self.steps)

    def _bar(self) -> Any:
        from tqdm.auto import tqdm

        hidden = not (self.options.progress and self.process.is_main)
        return tqdm(total=self.steps, initial=self.step, desc="pretrain", unit="step", disable=hidden)


class Meter:
    """Means of what is measured every step, and samples a second."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.rows: list[dict[str, float]] = []

    def add(self, values: dict[str, float]) -> None:
        """Adds the figures of a step."""
        self.rows.append(values)

    def speed(self) -> float:
        """Returns the samples a second of the steps since the last `read`."""
        return self.batch_size * len(self.rows) / sum(row["seconds"] for row in self.rows)

    def read(self) -> dict[str, float]:
        """Returns the means, the samples a second and the share of time spent on data, and starts anew."""
        speed = self.speed()
        means = {name: sum(row[name] for row in self.rows) / len(self.rows) for name in self.rows[0]}
        seconds, data_seconds = means.pop("seconds"), means.pop("data_seconds")
        self.rows = []
        return {
            **means,
            "samples_per_second": speed,
            "data_share": data_seconds / seconds,
        }


def pretrain(
    config: PretrainConfig,
    run: str | Path,
    options: RunOptions | None = None,
    probe_data: ProbeData | None = None,
) -> None:
    """Trains from a cache, or goes on from the last checkpoint of the run.

    Under torchrun every process takes its share of each batch; the result is that of one process.

    Args:
        config: the recipe; `config.cache` names a finished cache.
        run: folder for checkpoints, config.json, log.jsonl, log.csv and curves.png.
        options: logging, saving, probing.
        probe_data: labeled clouds of a training split, see `read_probe_data`.

    Raises:
        FileNotFoundError: there is no finished cache.
        ValueError: the run was started with another recipe, or the recipe does not fit the cache.
        FloatingPointError: the loss or its gradient is not finite; the last checkpoint is from before.
    """
    options = options or RunOptions()
    with process_group(options.device) as process:
        Trainer(config, Path(run), process, options, probe_data).train()
