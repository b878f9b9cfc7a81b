"""The recipe of a fine-tuning run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from crossjepa.config import Axis, Task
from crossjepa.train.common.options import Precision


@dataclass(frozen=True)
class FinetuneConfig:
    """Recipe of a run; the defaults suit a few hundred files and a CPU.

    Attributes:
        task: "classification" of whole clouds, or "partseg", a part for every point.
        model: what to start from, as `from_pretrained` takes it.
        from_scratch: start from random weights of the same shape instead, without a frozen phase.
        frozen_epochs: passes of the head alone over features that are computed once.
        frozen_copies: differently augmented copies of each cloud whose features are kept for that.
        epochs: most passes of the whole network after that; 0 leaves the encoder as it is.
        patience: passes without a better validation score after which a phase ends.
        batch_size: clouds a step, at least.
        head_learning_rate: peak while the encoder is frozen.
        learning_rate: peak for the last layers while all learn.
        scratch_learning_rate: peak for all layers with `from_scratch`, which have nothing to forget.
        layer_decay: factor of the learning rate from each layer of the encoder to the one before it.
        warmup_share: share of a phase's steps over which the rate rises.
        weight_decay: on matrices only.
        gradient_clip: largest norm of the gradient.
        hidden: width of the head's hidden layers; 0 makes a linear head.
        dropout: share of the head's hidden values dropped.
        label_smoothing: probability given to all classes alike.
        class_weights: "balanced" gives rare classes (or parts) more weight in the loss.
        scale_range: each axis is stretched by 1 - range to 1 + range.
        translate: clouds are moved by up to this along each axis, in radii.
        jitter: standard deviation of the noise, in radii.
        rotate: "up" turns clouds by any angle about the up axis; "none" where files are aligned.
        query_points: points of a cloud that a step of part segmentation labels.
        votes: passes over stretched copies at test, reported beside the single pass.
        validation_share: share of the training part of every class that stops training.
        test_share: share of every class that is tested on, where the data have no test split.
        per_class: keep at most so many clouds of every class and split; 0 for all.
        up_axis: the axis that points up in the data; "" for what is known of the data set.
        precision: of the arithmetic of training; parameters stay float32, and so does all testing.
        seed: seed of everything.
    """

    task: Task = "classification"
    model: str = "crossjepa-base"
    from_scratch: bool = False
    frozen_epochs: int = 60
    frozen_copies: int = 4
    epochs: int = 10
    patience: int = 5
    batch_size: int = 16
    head_learning_rate: float = 1e-3
    learning_rate: float = 2e-4
    scratch_learning_rate: float = 5e-4
    layer_decay: float = 0.75
    warmup_share: float = 0.1
    weight_decay: float = 0.05
    gradient_clip: float = 1.0
    hidden: int = 256
    dropout: float = 0.5
    label_smoothing: float = 0.1
    class_weights: Literal["none", "balanced"] = "none"
    scale_range: float = 0.2
    translate: float = 0.05
    jitter: float = 0.005
    rotate: Literal["none", "up"] = "none"
    query_points: int = 1024
    votes: int = 1
    validation_share: float = 0.2
    test_share: float = 0.2
    per_class: int = 0
    up_axis: Axis | Literal[""] = ""
    precision: Precision = "bfloat16"
    seed: int = 0

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for name, value in dataclasses.asdict(self).items():
            choices = choices_of(hints[name])
            if choices and value not in choices:
                raise ValueError(f"{name} must be one of {choices}, not {value!r}")
            if not choices and type(value) is not hints[name]:
                raise ValueError(f"{name} must be of type {hints[name].__name__}, not {value!r}")
        for name in ("frozen_copies", "patience", "query_points", "votes"):
            _require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("frozen_epochs", "epochs", "per_class", "seed", "translate", "jitter"):
            _require(getattr(self, name) >= 0, f"{name} must not be negative, but is {getattr(self, name)}")
        for name in ("validation_share", "test_share", "scale_range", "warmup_share", "label_smoothing"):
            value = getattr(self, name)
            _require(0 <= value < 1, f"{name} must be from 0 to below 1, not {value}")
        _require(self.batch_size >= 2, f"batch_size must be at least 2, not {self.batch_size}")
        _require(0 < self.layer_decay <= 1, f"layer_decay must be above 0, up to 1, not {self.layer_decay}")
        _require(self.task != "partseg" or self.hidden > 0, "partseg needs hidden layers: hidden is 0")
        _require(self.epochs + self.frozen_epochs > 0, "epochs and frozen_epochs are both 0: nothing to do")
        _require(
            not (self.from_scratch and not self.epochs), "from_scratch needs epochs of the whole network"
        )


def choices_of(hint: Any) -> tuple[Any, ...]:
    """Returns the values of a Literal, or of a union of several; () for other types."""
    values = [value for part in get_args(hint) for value in (get_args(part) or (part,))]
    return tuple(values)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
