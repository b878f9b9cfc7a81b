"""The loop: first the head on features that are kept, then the whole network; the best epoch wins.

B clouds
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timm.optim import param_groups_layer_decay  # type: ignore[attr-defined]
from torch import Tensor, nn

from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.models.heads import HeadFeatures
from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from crossjepa.train.common.loggers import RunLog
from crossjepa.train.common.optim import Optimizers, Rate, learning_rate, refuse_infinite
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.config import FinetuneConfig
from crossjepa.train.finetune.draws import (
    COPY,
    DROPOUT,
    PICK,
    QUERY,
    SHAPE,
    epoch_batches,
    generators,
    number_of,
)
from crossjepa.train.finetune.frozen import FrozenFeatures
from crossjepa.train.finetune.tasks import (
    Score,
    balanced_weights,
    loss_of,
    make_batch,
    read_features,
    score_head,
)

logger = logging.getLogger(__name__)

CACHE_NAME = "cache"
EVALUATION_BATCH = 32


@dataclass(frozen=True)
class FinetuneOptions:
    """What changes nothing in the result.

    Attributes:
        save_seconds: time between checkpoints; they are only written at the end of an epoch.
        stop_after: epochs after which this process ends, to go on later; 0 for none.
        device: torch device; by default a GPU where there is one.
        progress: show bars.
    """

    save_seconds: float = 20.0
    stop_after: int = 0
    device: str | None = None
    progress: bool = True


@dataclass(frozen=True)
class Phase:
    """A part of the run: the head alone, or the whole network."""

    name: str
    frozen: bool
    epochs: int
    learning_rate: float
    layer_decay: float


def phases_of(config: FinetuneConfig) -> list[Phase]:
    """Returns the parts of a run."""
    if config.from_scratch:
        return [Phase("all", False, config.epochs, config.scratch_learning_rate, 1.0)]
    phases = [
        Phase("head", True, config.frozen_epochs, config.head_learning_rate, 1.0),
        Phase("all", False, config.epochs, config.learning_rate, config.layer_decay),
    ]
    return [phase for phase in phases if phase.epochs]


class Finetuner:
    """One run, from epoch to epoch.

    Args:
        encoder: model with a fresh head; it is trained in place.
        train: clouds to learn from.
        validation: clouds that choose the epoch; may be empty, then the last epoch is kept.
        config: the recipe.
        folder: where checkpoints, features and the log lie; a run that was cut goes on from there. None keeps
            nothing.
        options: what changes nothing in the result.
    """

    def __init__(
        self,
        encoder: CrossJEPAEncoder,
        train: LabeledClouds,
        validation: LabeledClouds,
        config: FinetuneConfig,
        folder: Path | None,
        options: FinetuneOptions,
    ) -> None:
        if len(train) < 2:
            raise ValueError(f"{len(train)} clouds to learn from, at least 2 are needed")
        self.encoder, self.train_clouds, self.validation = encoder, train, validation
        self.config, self.folder, self.options = config, folder, options
        encoder.require_head()
        names = encoder.part_names or encoder.classes
        self.weights = (
            balanced_weights(train, len(names)).to(encoder.device)
            if config.class_weights == "balanced"
            else None
        )
        self.phases = phases_of(config)
        self.steps_per_epoch = len(epoch_batches(config.seed, 0, len(train), config.batch_size))
        self.epoch = self.phase_number = self.phase_epoch = self.since_best = 0
        self.ended = False
        self.best: dict[str, Any] | None = None
        self.frozen: FrozenFeatures | None = None
        self.validation_features: list[HeadFeatures] | None = None
        self._begin_phase()
        self._resume()

    @property
    def phase(self) -> Phase:
        """The current part of the run."""
        return self.phases[self.phase_number]

    def train(self) -> bool:
        """Trains to the end, or for `stop_after` epochs; returns whether the run has ended.

        At its end the encoder has the weights of the best epoch.
        """
        from tqdm.auto import tqdm

        log = RunLog(self.folder, self.epoch) if self.folder else None
        saved, total = time.monotonic(), sum(phase.epochs for phase in self.phases)
        last = self.epoch + self.options.stop_after if self.options.stop_after else total
        with tqdm(total=total, initial=self.epoch, unit="epoch", disable=not self.options.progress) as bar:
            while not self.ended and self.epoch < last:
                bar.set_description("fine-tune, " + self.phase.name)
                figures = self._run_epoch(bar)
                if log:
                    log.write(**figures)
                self.ended = self._finish_epoch()
                bar.update()
                due = time.monotonic() - saved >= self.options.save_seconds
                if due or self.ended or self.epoch == last:
                    self._save()
                    saved = time.monotonic()
        if log:
            log.finish()
        return self.ended

    def _run_epoch(self, bar: Any) -> dict[str, float]:
        started, phase, losses = time.perf_counter(), self.phase, []
        if phase.frozen and self.frozen is None:
            shown = None if self.options.progress else False
            cache = self.folder / CACHE_NAME if self.folder else None
            self.frozen = FrozenFeatures(self.encoder, self.train_clouds, self.config, cache, shown)
        self.encoder.train(not phase.frozen)
        self.encoder.require_head().train()
        batches = epoch_batches(self.config.seed, self.epoch, len(self.train_clouds), self.config.batch_size)
        for step, row_B in enumerate(batches):
            losses.append(self._update(row_B.tolist(), step))
            bar.set_postfix(step=f"{step + 1}/{len(batches)}", loss=f"{losses[-1]:.3f}", refresh=False)
        figures = {"step": self.epoch + 1, "loss": float(np.mean(losses)), "learning_rate": self._rate(-1)}
        if len(self.validation):
            figures.update(self._validate())
        return {**figures, "seconds": time.perf_counter() - started}

    def _update(self, row_B: list[int], step: int) -> float:
        """Takes one optimizer step and returns the loss."""
        device = self.encoder.device
        enabled = self.config.precision == "bfloat16"
        with torch.random.fork_rng(), torch.autocast(device.type, torch.bfloat16, enabled=enabled):
            torch.manual_seed(number_of(self.config.seed, DROPOUT, self.epoch, step))
            loss = self._frozen_loss(row_B) if self.phase.frozen else self._full_loss(row_B)
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.trainable, self.config.gradient_clip)
        value = float(loss.detach())
        refuse_infinite(f"step {step + 1} of epoch {self.epoch + 1}", loss=value, gradient=float(norm))
        self.optimizers.step(self._rate(step))
        return value

    def _full_loss(self, row_B: list[int]) -> Tensor:
        config, encoder = self.config, self.encoder
        shapes = generators(config.seed, SHAPE, self.epoch, row_B)
        queries = generators(config.seed, QUERY, self.epoch, row_B)
        batch = make_batch(self.train_clouds, row_B, config, encoder, shapes, queries).to(encoder.device)
        features = encoder.head_features(batch.points_BN3, batch.mask_BN)
        scores = encoder.forward_head(features, batch.queries_BQ3, batch.label_B)
        return loss_of(scores, batch.target, config, self.weights)

    def _frozen_loss(self, row_B: list[int]) -> Tensor:
        config, encoder = self.config, self.encoder
        assert self.frozen is not None
        picks = generators(config.seed, PICK, self.epoch, row_B)
        copy_B = [int(pick.integers(len(self.frozen.copies))) for pick in picks]
        # The maps of the copies again, so that query points move with the features.
        shapes = [
            generators(config.seed, COPY, copy, [row])[0] for copy, row in zip(copy_B, row_B, strict=True)
        ]
        queries = generators(config.seed, QUERY, self.epoch, row_B)
        batch = make_batch(self.train_clouds, row_B, config, encoder, shapes, queries).to(encoder.device)
        features = self.frozen.batch(copy_B, row_B)
        scores = encoder.forward_head(features, batch.queries_BQ3, batch.label_B)
        return loss_of(scores, batch.target, config, self.weights)

    def _validate(self) -> dict[str, float]:
        features = self.validation_features
        if features is None or not self.phase.frozen:
            features = read_features(self.encoder, self.validation, EVALUATION_BATCH)
        self.validation_features = features if self.phase.frozen else None
        self.score = score_head(self.encoder, features, self.validation)
        if self.encoder.part_names:
            return {"validation_miou": self.score.value, "validation_accuracy": self.score.tie}
        return {"validation_accuracy": self.score.value, "validation_loss": -self.score.tie}

    def _finish_epoch(self) -> bool:
        """Keeps the best weights, moves on where a phase ends, and returns whether the run has ended."""
        score = self.score if len(self.validation) else Score(0.0, self.epoch + 1.0)
        self.epoch, self.phase_epoch = self.epoch + 1, self.phase_epoch + 1
        if self.best is None or score > Score(*self.best["score"]):
            self.since_best = 0
            self.best = {
                "score": list(score),
                "epoch": self.epoch,
                "phase": self.phase.name,
                "model": {name: value.detach().cpu().clone() for name, value in self._state().items()},
            }
        else:
            self.since_best += 1
        # Steps of the head alone are cheap and small, so that it may take longer to get better.
        patience = self.config.patience * (3 if self.phase.frozen else 1)
        if self.phase_epoch < self.phase.epochs and self.since_best < patience:
            return False
        self.encoder.load_state_dict(self.best["model"], strict=True)
        if self.phase_number + 1 == len(self.phases):
            return True
        self.phase_number, self.phase_epoch, self.since_best = self.phase_number + 1, 0, 0
        self.frozen = self.validation_features = None
        self._begin_phase()
        return False

    def _state(self) -> dict[str, Tensor]:
        return dict(self.encoder.state_dict())

    def _begin_phase(self) -> None:
        """Chooses what learns and makes its optimizer."""
        phase = self.phase
        for name, parameter in self.encoder.named_parameters():
            parameter.requires_grad_(not phase.frozen or name.startswith("head."))
        groups = param_groups_layer_decay(
            self.encoder,
            self.config.weight_decay,
            self.encoder.no_weight_decay(),
            layer_decay=phase.layer_decay,
        )
        self.trainable: Sequence[Tensor] = [value for group in groups for value in group["params"]]
        self.optimizers = Optimizers(torch.optim.AdamW(groups, lr=phase.learning_rate))
        steps = phase.epochs * self.steps_per_epoch
        self.rate = Rate(phase.learning_rate, warmup_steps=round(self.config.warmup_share * steps))

    def _rate(self, step: int) -> float:
        """Returns the learning rate of a step of this epoch; -1 is the last one."""
        done = self.phase_epoch * self.steps_per_epoch + step % self.steps_per_epoch
        return learning_rate(self.rate, done, self.phase.epochs * self.steps_per_epoch)

    def _save(self) -> None:
        if self.folder is None:
            return
        state = {
            "model": self._state(),
            "optimizers": self.optimizers.state_dict(),
            "best": self.best,
            "ended": self.ended,
            "phase_number": self.phase_number,
            "phase_epoch": self.phase_epoch,
            "since_best": self.since_best,
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
        logger.info("going on after epoch %d of %s", self.epoch, self.folder)
