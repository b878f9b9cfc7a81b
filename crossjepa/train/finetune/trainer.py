"""The loop: first the head on features that are kept, then the whole network; the best epoch wins.

B clouds
"""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.models.heads import HeadFeatures
from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from crossjepa.train.common.loggers import RunLog
from crossjepa.train.common.optim import Rate, learning_rate, refuse_infinite
from crossjepa.train.finetune.augment import COPY, DROPOUT, PICK, QUERY, SHAPE, generators
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.config import FinetuneOptions
from crossjepa.train.finetune.frozen import FrozenFeatures, read_features
from crossjepa.train.finetune.phases import Phase, make_optimizer, phases_of
from crossjepa.train.finetune.splits import epoch_batches
from crossjepa.train.finetune.tasks import Score, Task

logger = logging.getLogger(__name__)

CACHE_NAME = "cache"
EVALUATION_BATCH = 32


class Finetuner:
    """One run, from epoch to epoch.

    Args:
        encoder: model with a fresh head; it is trained in place.
        task: the task, which knows the recipe.
        train: clouds to learn from.
        validation: clouds that choose the epoch; may be empty, then the last epoch is kept.
        folder: where checkpoints, features and the log are kept; an interrupted run is resumed from there.
            None keeps nothing.
        options: options that do not change the result.

    Raises:
        ValueError: there are fewer than two clouds to learn from.
    """

    def __init__(
        self,
        encoder: CrossJEPAEncoder,
        task: Task,
        train: LabeledClouds,
        validation: LabeledClouds,
        folder: Path | None,
        options: FinetuneOptions,
    ) -> None:
        if len(train) < 2:
            raise ValueError(
                f"{len(train)} clouds to learn from, beside {len(validation)} for validation; at least 2 are "
                "needed: give more, or lower --validation-share or --test-share"
            )
        self.encoder, self.head, self.task, self.config = encoder, encoder.require_head(), task, task.config
        self.train_clouds, self.validation = train, validation
        self.folder, self.options = folder, options
        weights = task.class_weights(train, encoder)
        self.weights = None if weights is None else weights.to(encoder.device)
        self.phases = phases_of(self.config)
        self.steps_per_epoch = len(
            epoch_batches(self.config.seed, 0, len(train), self.config.optim.batch_size)
        )
        self.epoch = self.phase_number = self.phase_epoch = self.since_best = 0
        self.ended = False
        self.best: dict[str, Any] | None = None
        self.frozen: FrozenFeatures | None = None
        self.validation_features: list[HeadFeatures] | None = None
        self._begin_phase()
        self._resume()

    @property
    def phase(self) -> Phase:
        """The current phase."""
        return self.phases[self.phase_number]

    def train(self, most_epochs: int | None = None) -> bool:
        """Trains to the end, and gives the encoder the weights of the best epoch.

        Args:
            most_epochs: stop after this many epochs with a checkpoint, to be resumed later.

        Returns:
            Whether the run has ended.

        Raises:
            FloatingPointError: the loss or its gradient is not finite.
        """
        from tqdm.auto import tqdm

        log = RunLog(self.folder, self.epoch) if self.folder else None
        saved, total = time.monotonic(), sum(phase.epochs for phase in self.phases)
        last = total if most_epochs is None else self.epoch + most_epochs
        with tqdm(total=total, initial=self.epoch, unit="epoch", disable=not self.options.progress) as bar:
            while not self.ended and self.epoch < last:
                bar.set_description("fine-tune, " + self.phase.name)
                figures = self._run_epoch(bar)
                if log:
                    log.write(**figures)
                bar.update()
                due = time.monotonic() - saved >= self.options.save_seconds
                if due or self.ended or self.epoch == last:
                    self._save()
                    saved = time.monotonic()
        if log:
            log.finish()
        return self.ended

    def _run_epoch(self, bar: Any) -> dict[str, float]:
        """Trains and validates for one epoch, moves on, and returns the line of the log."""
        started, phase, losses = time.perf_counter(), self.phase, []
        if phase.frozen and self.frozen is None:
            shown = None if self.options.progress else False
            cache = self.folder / CACHE_NAME if self.folder else None
            self.frozen = FrozenFeatures(self.encoder, self.train_clouds, self.task, cache, shown)
        self.encoder.train(not phase.frozen)
        self.head.train()
        seed, batch_size = self.config.seed, self.config.optim.batch_size
        batches = epoch_batches(seed, self.epoch, len(self.train_clouds), batch_size)
        for step, row_B in enumerate(batches):
            losses.append(self._update(row_B.tolist(), step))
            bar.set_postfix(step=f"{step + 1}/{len(batches)}", loss=f"{losses[-1]:.3f}", refresh=False)
        figures = {"step": self.epoch + 1, "loss": float(np.mean(losses)), "learning_rate": self._rate(-1)}
        figures["frozen"] = float(phase.frozen)
        score = Score(0.0, self.epoch + 1.0)  # without validation a later epoch is a better one
        if len(self.validation):
            score = self._validate()
            figures.update(self.task.log_values(score))
        self._finish_epoch(score)
        return {**figures, "seconds": time.perf_counter() - started}

    def _update(self, row_B: list[int], step: int) -> float:
        """Takes one optimizer step and returns the loss."""
        config, device = self.config, self.encoder.device
        enabled = config.precision == "bfloat16"
        with torch.random.fork_rng(), torch.autocast(device.type, torch.bfloat16, enabled=enabled):
            torch.manual_seed(dropout_seed(config.seed, self.epoch, step))
            loss = self._loss(row_B)
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.trainable, config.optim.gradient_clip)
        value = float(loss.detach())
        refuse_infinite(f"step {step + 1} of epoch {self.epoch + 1}", loss=value, gradient=float(norm))
        self.optimizers.step(self._rate(step))
        return value

    def _loss(self, row_B: list[int]) -> Tensor:
        encoder, task, seed, copy_B = self.encoder, self.task, self.config.seed, []
        shapes = generators(seed, SHAPE, self.epoch, row_B)
        if self.frozen:
            picks = generators(seed, PICK, self.epoch, row_B)
            copy_B = [int(pick.integers(len(self.frozen.copies))) for pick in picks]
            # The maps of the copies again, so that query points move with the features.
            shapes = [
                generators(seed, COPY, *pair)[0] for pair in zip(copy_B, [[r] for r in row_B], strict=True)
            ]
        queries = generators(seed, QUERY, self.epoch, row_B)
        up_axis = encoder.processor.config.up_axis
        batch = task.make_batch(self.train_clouds, row_B, up_axis, shapes, queries).to(encoder.device)
        features = (
            self.frozen.batch(copy_B, row_B)
            if self.frozen
            else encoder.head_features(batch.points_BN3, batch.mask_BN)
        )
        scores = encoder.forward_head(features, batch.queries_BQ3, batch.label_B)
        return task.loss(scores, batch, self.weights)

    def _validate(self) -> Score:
        features = self.validation_features
        if features is None or not self.phase.frozen:
            features = read_features(self.encoder, self.validation, EVALUATION_BATCH)
        self.validation_features = features if self.phase.frozen else None
        return self.task.score(self.encoder, features, self.validation)

    def _finish_epoch(self, score: Score) -> None:
        """Keeps the best weights, and begins the next phase or ends the run when a phase is over."""
        self.epoch, self.phase_epoch = self.epoch + 1, self.phase_epoch + 1
        if self.best is None or score > Score(*self.best["score"]):
            self.since_best = 0
            self.best = {
                "score": list(score),
                "epoch": self.epoch,
                "phase": self.phase.name,
                "model": {
                    name: value.detach().cpu().clone() for name, value in self.encoder.state_dict().items()
                },
            }
        else:
            self.since_best += 1
        # Steps of the head alone are cheap and small, so that it may take longer to get better.
        patience = self.config.schedule.patience * (3 if self.phase.frozen else 1)
        if self.phase_epoch < self.phase.epochs and self.since_best < patience:
            return
        self.encoder.load_state_dict(self.best["model"], strict=True)
        if self.phase_number + 1 == len(self.phases):
            self.ended = True
            return
        self.phase_number, self.phase_epoch, self.since_best = self.phase_number + 1, 0, 0
        self._begin_phase()

    def _begin_phase(self) -> None:
        phase, optim = self.phase, self.config.optim
        self.frozen = self.validation_features = None
        self.optimizers, self.trainable = make_optimizer(self.encoder, phase, optim.weight_decay)
        steps = phase.epochs * self.steps_per_epoch
        self.rate = Rate(phase.learning_rate, warmup_steps=round(optim.warmup_share * steps))

    def _rate(self, step: int) -> float:
        """Returns the learning rate of a step of this epoch; -1 is the last one."""
        done = self.phase_epoch * self.steps_per_epoch + step % self.steps_per_epoch
        return learning_rate(self.rate, done, self.phase.epochs * self.steps_per_epoch)

    def _save(self) -> None:
        if self.folder is None:
            return
        names = ("best", "ended", "phase_number", "phase_epoch", "since_best")
        state = {
            "model": dict(self.encoder.state_dict()),
            "optimizers": self.optimizers.state_dict(),
            **{name: getattr(self, name) for name in names},
        }
        save_checkpoint(self.folder, self.epoch, state, keep=1)

    def _resume(self) -> None:
        found = checkpoints(self.folder) if self.folder else []
        if not found:
            return
        state = load_checkpoint(found[-1])
        self.epoch, self.best = state["step"], state["best"]
        self.phase_number = state["phase_number"]
        self._begin_phase()
        self.phase_epoch, self.since_best = state["phase_epoch"], state["since_best"]
        self.ended = state["ended"]
        self.encoder.load_state_dict(state["model"], strict=True)
        self.optimizers.load_state_dict(state["optimizers"])
        logger.info("resuming after epoch %d of %s", self.epoch, self.folder)


def dropout_seed(seed: int, epoch: int, step: int) -> int:
    """Returns a seed for torch's own generator, which dropout draws from."""
    return int(np.random.default_rng([seed, DROPOUT, epoch, step]).integers(1 << 62))
