"""Pretraining from a cache: the encoder and a conditioned predictor learn the teacher's embedding of views.

B clouds, V views, D teacher width, M objects of the cache
"""

import logging
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from crossjepa.files import remove_partials, write_json
from crossjepa.locks import in_use
from crossjepa.train.cache.concat import open_caches
from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from crossjepa.train.common.distributed import Process, all_mean, process_group, sync_batch_norms
from crossjepa.train.common.loggers import RunLog
from crossjepa.train.common.optim import Rate, learning_rate, refuse_infinite
from crossjepa.train.pretrain.batches import Batch, Batches, Prepared, divide
from crossjepa.train.pretrain.config import PretrainConfig, RunOptions
from crossjepa.train.pretrain.model import PretrainModel
from crossjepa.train.pretrain.moving_average import make_average
from crossjepa.train.pretrain.online_probe import ProbeData, encode_all, probe
from crossjepa.train.pretrain.optimizers import make_optimizers
from crossjepa.train.pretrain.prefetch import prepared_steps
from crossjepa.train.pretrain.recipes import check_recipe
from crossjepa.train.pretrain.targets import Targets
from crossjepa.train.pretrain.weight_transfer import describe_predictor, init_weights

logger = logging.getLogger(__name__)

# Objects whose views give the statistics of the targets; more are not read at a time.
STATISTICS_ROWS = 4096
EVALUATION_BATCH = 64


class Meter:
    """Means of the figures of steps, and samples per second.

    Args:
        batch_size: clouds per step.

    Attributes:
        rows: figures of the steps since the last `read`, among them "seconds" and "data_seconds".
    """

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.rows: list[dict[str, float]] = []

    def speed(self) -> float:
        """Returns the samples per second of the steps since the last `read`."""
        return self.batch_size * len(self.rows) / sum(row["seconds"] for row in self.rows)

    def read(self) -> dict[str, float]:
        """Returns the means, the samples per second and the share of time spent on data, and starts again."""
        speed = self.speed()
        means = {name: sum(row[name] for row in self.rows) / len(self.rows) for name in self.rows[0]}
        seconds, data_seconds = means.pop("seconds"), means.pop("data_seconds")
        self.rows = []
        return {**means, "samples_per_second": speed, "data_share": data_seconds / seconds}


class Trainer:
    """One run: model, optimizers and batches, from step to step.

    Args:
        config: the recipe; its `cache` names the cache.
        run: folder of the run; an interrupted run is resumed from its last checkpoint.
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
        torch.manual_seed(config.run.seed)
        cache = open_caches(config.data.cache)
        self.batches = Batches(cache, config, process.rank, process.world, process.device)
        self.steps = self.batches.steps
        self.rate = Rate(**{entry.name: getattr(config.optim, entry.name) for entry in fields(Rate)})
        # All that determines the result: the cache by its content, not its path.
        self.recipe = {**config.flat(), "cache": cache.hash, "objects": len(cache)}
        rows = self.batches.train_rows[:: max(1, len(self.batches.train_rows) // STATISTICS_ROWS)]
        views = cache.views_of(rows)
        embeddings_RD = views.embeddings_BVD.reshape(-1, cache.width)
        widths = [teacher.width for teacher in cache.teachers]
        self.targets = Targets(embeddings_RD, config.loss.target_scaling, widths).to(process.device)
        self.model = PretrainModel(config, cache.width, widths, cache.dense_channels).to(process.device)
        self.prediction = describe_predictor(self.model.predictor.config, cache, views)
        if process.world > 1:
            sync_batch_norms(self.model)
        decay = config.optim.ema_decay
        self.average = make_average(self.model, decay) if decay else None
        # What is evaluated: the moving average of the weights, if there is one.
        self.evaluated = cast(PretrainModel, self.average.module) if self.average else self.model
        if self.model.contrast and self.evaluated.contrast and config.loss.contrast_with == "cache":
            self.model.contrast.compare_with(self._mean_targets())
            self.evaluated.contrast.objects_MD = self.model.contrast.objects_MD
        self.optimizers = make_optimizers(self.model, config)
        self.meter = Meter(config.data.batch_size)
        self.step = self._resume()
        self._freeze(self.step < config.run.frozen_steps)

    def train(self) -> None:
        """Trains to the end of the run, or for `stop_after` steps."""
        options, main = self.options, self.process.is_main
        last = min(self.steps, self.step + options.stop_after) if options.stop_after else self.steps
        self.model.train()
        sinks: Any = {"tensorboard": options.tensorboard, "wandb": options.wandb}
        prepared = prepared_steps(self.batches, self.process, self.step, last, options.workers)
        with RunLog(self.run, self.step, **sinks) if main else nullcontext() as log, self._bar() as bar:
            for step in range(self.step, last):
                figures = self.update(step, prepared)
                self.step = step + 1
                ended = self.step == last
                self.meter.rows.append(figures)
                speed = f"{self.meter.speed():.0f}"
                bar.set_postfix({"loss": f"{figures['loss']:.4f}", "samples/s": speed}, refresh=False)
                bar.update()
                if log and (self.step % options.log_every == 0 or ended):
                    log.write(
                        step=self.step,
                        **self.meter.read(),
                        learning_rate=self._rate(step),
                    )
                if options.probe_every and (self.step % options.probe_every == 0 or ended):
                    scores = self.evaluate()
                    if log:
                        log.write(step=self.step, **scores)
                if main and (self.step % options.save_every == 0 or ended):
                    self.save()

    def update(self, step: int, prepared: Iterator[Prepared] | None = None) -> dict[str, float]:
        """Takes one optimizer step.

        Args:
            step: number of the step, from 0.
            prepared: gives the prepared batch of the step; by default it is prepared here.

        Returns:
            The losses over all processes, the seconds of the step, and those that this process spent on data.

        Raises:
            FloatingPointError: the loss or its gradient is not finite; it is raised in all processes, and no
                parameter has changed.
        """
        started = time.perf_counter()
        batch = self.batches.complete(next(prepared) if prepared else self.batches.prepare(step))
        data_seconds = time.perf_counter() - started
        self.model.encoder.config = self.config.encoder_at(step / self.steps)
        if self.model.encoder_is_frozen and step >= self.config.run.frozen_steps:
            self._freeze(False)
        losses = self._backward(batch)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optim.gradient_clip)
        measured = {**losses, "norm": norm}
        means = all_mean(torch.stack(list(measured.values()))).tolist()
        named = dict(zip(measured, means, strict=True))
        refuse_infinite(f"step {step + 1}", loss=named["total"], gradient=named.pop("norm"))
        self.optimizers.step(self._rate(step))
        if self.average:
            self.average.update_parameters(self.model)
        return {
            "loss": named.pop("total"),
            **{f"{name}_loss": value for name, value in named.items()},
            "seconds": time.perf_counter() - started,
            "data_seconds": data_seconds,
        }

    def _backward(self, batch: Batch) -> dict[str, Tensor]:
        """Adds up the gradients of the parts of a batch; returns the means of their losses by name."""
        parts = divide(batch, self.config.optim.accumulation_steps)
        named: list[dict[str, Tensor]] = []
        for number, part in enumerate(parts, start=1):
            alone = isinstance(self.module, DistributedDataParallel) and number < len(parts)
            with self.module.no_sync() if alone else nullcontext():  # type: ignore[operator]
                losses = self.forward(part, self.targets(part.embeddings_BVD))
                (losses.total / len(parts)).backward()
            named.append(losses.named())
        return {name: torch.stack([each[name] for each in named]).mean() for name in named[0]}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Returns the loss on held-out objects and, with probe data, scores and spread of the features.

        Of a run with a moving average of the weights, these are the figures of the average.
        """
        model = self.evaluated
        model.encoder.config = self.model.encoder.config
        model.eval()
        scores: dict[str, float] = {}
        rows, count = len(self.batches.held_out_rows), model.encoder.config.num_points
        if rows:
            total = 0.0
            for start in range(0, rows, EVALUATION_BATCH):
                batch = self.batches.held_out(start, start + EVALUATION_BATCH, count)
                losses = model(batch, self.targets(batch.embeddings_BVD))
                total += float(losses.parts["view"]) * len(batch.points_BN3)
            scores["held_out_loss"] = total / rows
        if self.probe_data is not None and self.process.is_main:
            points_nN3, precision = self.probe_data.points_nN3, self.config.run.precision
            features_nE = encode_all(model.encoder, points_nN3, precision=precision)
            scores.update(probe(features_nE, self.probe_data.labels_n))
        self.model.train()
        return scores

    def save(self) -> None:
        """Writes a checkpoint from which `Trainer` resumes exactly."""
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizers": self.optimizers.state_dict(),
            "meter": self.meter.rows,
            "targets": self.targets.state_dict(),
            "prediction": asdict(self.prediction),
            "recipe": self.recipe,
        }
        if self.average:
            state["average"] = self.average.state_dict()
        save_checkpoint(self.run, self.step, state, self.options.keep)

    def _resume(self) -> int:
        """Restores the last checkpoint, or the initial weights, and returns the number of steps done."""
        config, main = self.config, self.process.is_main
        if main:
            remove_partials(self.run)
        found = checkpoints(self.run)
        if not found:
            targets = self.targets.state_dict()
            init_weights(self.model, config.run.init_from, config.model.size, self.prediction, targets)
            if self.evaluated is not self.model:
                self.evaluated.load_state_dict(self.model.state_dict())
            if main:
                self.run.mkdir(parents=True, exist_ok=True)
                write_json(self.run / "config.json", self.recipe)
            return 0
        state = load_checkpoint(found[-1])
        check_recipe(self.run, self.recipe, state["recipe"])
        self.model.load_state_dict(state["model"], strict=True)
        self.optimizers.load_state_dict(state["optimizers"])
        if self.average:
            self.average.load_state_dict(state["average"], strict=True)
        self.meter.rows = state["meter"]
        logger.info("resuming %s after step %d", self.run, state["step"])
        return int(state["step"])

    def _mean_targets(self) -> torch.Tensor:
        """Returns the (M, D) mean targets of the objects that are trained on."""
        rows, cache = self.batches.train_rows, self.batches.cache
        means = []
        for start in range(0, len(rows), STATISTICS_ROWS):
            mean_MD = cache.embeddings_of(rows[start : start + STATISTICS_ROWS]).mean(axis=1)
            means.append(self.targets(torch.from_numpy(mean_MD).to(self.process.device)))
        return torch.cat(means)

    def _freeze(self, frozen: bool) -> None:
        self.model.freeze_encoder(frozen)
        # Wrapped again, since DistributedDataParallel waits for the gradients of all that could learn before.
        self.module: nn.Module = self.model
        if self.process.world > 1:
            self.module = DistributedDataParallel(self.model)
        self.forward: nn.Module = torch.compile(self.module) if self.config.model.compile else self.module  # type: ignore[assignment]

    def _rate(self, step: int) -> float:
        return learning_rate(self.rate, step, self.steps)

    def _bar(self) -> Any:
        from tqdm.auto import tqdm

        hidden = not (self.options.progress and self.process.is_main)
        return tqdm(total=self.steps, initial=self.step, desc="pretrain", unit="step", disable=hidden)


def pretrain(
    config: PretrainConfig,
    run: str | Path,
    options: RunOptions | None = None,
    probe_data: ProbeData | None = None,
) -> None:
    """Trains from a cache, or resumes a run from its last checkpoint.

    Under torchrun every process takes its share of each batch; the result is that of one process.

    Args:
        config: the recipe; its `cache` names a finished cache.
        run: folder for checkpoints, config.json, log.jsonl and curves.png.
        options: logging, saving, probing.
        probe_data: labeled clouds of a training split, see `read_probe_data`.

    Raises:
        FileNotFoundError: there is no finished cache.
        FolderInUseError: another run on this machine uses the folder.
        ValueError: the run was started with another recipe, or the recipe does not fit the cache.
        FloatingPointError: the loss or its gradient is not finite; the last checkpoint is from before that.
    """
    options = options or RunOptions()
    with process_group(options.device) as process, in_use(run) if process.is_main else nullcontext():
        Trainer(config, Path(run), process, options, probe_data).train()
