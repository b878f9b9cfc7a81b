"""The recipe of a fine-tuning run, by concern, and the options that do not change its result.

No two sections have a field of the same name, so that recipe.json, `FinetuneConfig.of` and the command line
name each field without its section.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_type_hints

from crossjepa.config import Axis, Task
from crossjepa.train.common.options import Precision


@dataclass(frozen=True)
class HeadLayersConfig:
    """Hidden layers of the head.

    Attributes:
        hidden: width of the hidden layers; 0 makes a linear head.
        dropout: share of the hidden values that are dropped.
    """

    hidden: int = 256
    dropout: float = 0.5

    def __post_init__(self) -> None:
        check_types(self)


@dataclass(frozen=True)
class LossConfig:
    """Cross-entropy.

    Attributes:
        label_smoothing: probability that is given to all classes alike.
        class_weights: "balanced" gives rare classes (or parts) more weight.
    """

    label_smoothing: float = 0.1
    class_weights: Literal["none", "balanced"] = "none"

    def __post_init__(self) -> None:
        check_types(self)
        check_values(self, "label_smoothing", lambda value: 0 <= value < 1, "from 0 to below 1")


@dataclass(frozen=True)
class OptimConfig:
    """AdamW with warm-up and cosine decay in each phase.

    Attributes:
        batch_size: smallest number of clouds per step.
        head_learning_rate: peak while the encoder is frozen.
        learning_rate: peak for the last layers while the whole network learns.
        scratch_learning_rate: peak for all layers with `from_scratch`, when there is nothing to forget.
        layer_decay: factor of the learning rate from each layer of the encoder to the one before it.
        warmup_share: share of a phase's steps over which the learning rate rises.
        weight_decay: on matrices only.
        gradient_clip: largest norm of the gradient.
    """

    batch_size: int = 16
    head_learning_rate: float = 1e-3
    learning_rate: float = 2e-4
    scratch_learning_rate: float = 5e-4
    layer_decay: float = 0.75
    warmup_share: float = 0.1
    weight_decay: float = 0.05
    gradient_clip: float = 1.0

    def __post_init__(self) -> None:
        check_types(self)
        # Batch norms need two clouds.
        check_values(self, "batch_size", lambda value: value >= 2, "at least 2")
        check_values(self, "layer_decay", lambda value: 0 < value <= 1, "above 0 and at most 1")
        check_values(self, "warmup_share", lambda value: 0 <= value < 1, "from 0 to below 1")


@dataclass(frozen=True)
class ScheduleConfig:
    """First the head alone on frozen features, then the whole network.

    Attributes:
        frozen_epochs: epochs of the head alone, over features that are computed once.
        frozen_copies: augmented copies of each cloud whose features are kept for that.
        epochs: most epochs of the whole network after that; 0 leaves the encoder as it is.
        patience: epochs without a better validation score after which a phase ends.
    """

    frozen_epochs: int = 60
    frozen_copies: int = 4
    epochs: int = 10
    patience: int = 5

    def __post_init__(self) -> None:
        check_types(self)
        check_values(self, "frozen_epochs epochs", lambda value: value >= 0, "at least 0")
        check_values(self, "frozen_copies patience", lambda value: value >= 1, "at least 1")
        if not self.epochs + self.frozen_epochs:
            raise ValueError("epochs and frozen_epochs are both 0: nothing to do")


@dataclass(frozen=True)
class AugmentConfig:
    """Augmentation of the training clouds.

    Attributes:
        scale_range: each axis is stretched by a factor from 1 - range to 1 + range.
        translate: largest shift along each axis, in radii of the cloud.
        jitter: standard deviation of the noise, in radii of the cloud.
        rotate: "up" turns clouds by any angle about the up axis; "none" suits aligned files.
    """

    scale_range: float = 0.2
    translate: float = 0.05
    jitter: float = 0.005
    rotate: Literal["none", "up"] = "none"

    def __post_init__(self) -> None:
        check_types(self)
        check_values(self, "scale_range", lambda value: 0 <= value < 1, "from 0 to below 1")
        check_values(self, "translate jitter", lambda value: value >= 0, "at least 0")


@dataclass(frozen=True)
class DataConfig:
    """What is learned from, and what it is validated and tested on.

    Attributes:
        validation_share: share of the training part of every class that chooses the epoch.
        test_share: share of every class to test on if the data have no test split.
        per_class: keep at most this many clouds of every class and split; 0 for all.
        up_axis: the axis that points up in the data; "" for what is known of the data set.
        query_points: points of a cloud that a training step of part segmentation labels.
        votes: passes over stretched copies at test time, reported beside the single pass.
    """

    validation_share: float = 0.2
    test_share: float = 0.2
    per_class: int = 0
    up_axis: Axis | Literal[""] = ""
    query_points: int = 1024
    votes: int = 1

    def __post_init__(self) -> None:
        check_types(self)
        check_values(self, "validation_share test_share", lambda value: 0 <= value < 1, "from 0 to below 1")
        check_values(self, "per_class", lambda value: value >= 0, "at least 0")
        check_values(self, "query_points votes", lambda value: value >= 1, "at least 1")


@dataclass(frozen=True)
class FinetuneConfig:
    """Recipe of a run; the defaults suit a few hundred files and a CPU.

    Attributes:
        task: "classification" of whole clouds, or "partseg", a part for every point.
        model: weights to start from, as `from_pretrained` takes them.
        from_scratch: start from random weights of the same shape instead, without a frozen phase.
        precision: of the arithmetic of training; parameters stay float32, and so does all testing.
        seed: seed of everything.
        head: hidden layers of the head.
        loss: the loss.
        optim: the optimizer and its learning rates.
        schedule: epochs of both phases.
        augment: augmentation of the training clouds.
        data: what is learned from and tested on.

    Example:
        >>> FinetuneConfig.of(epochs=3, hidden=0).schedule.epochs
        3
    """

    task: Task = "classification"
    model: str = "crossjepa-base"
    from_scratch: bool = False
    precision: Precision = "bfloat16"
    seed: int = 0
    head: HeadLayersConfig = field(default_factory=HeadLayersConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    data: DataConfig = field(default_factory=DataConfig)

    def __post_init__(self) -> None:
        check_types(self)
        check_values(self, "seed", lambda value: value >= 0, "at least 0")
        if self.task == "partseg" and not self.head.hidden > 0:
            raise ValueError(f"task partseg needs hidden layers: hidden is {self.head.hidden}")
        if self.from_scratch and not self.schedule.epochs:
            raise ValueError("from_scratch needs epochs of the whole network: epochs is 0")

    @classmethod
    def of(cls, **values: Any) -> FinetuneConfig:
        """Builds a recipe from fields of all sections, each under its own name.

        Raises:
            ValueError: a name is unknown, or a value impossible.
        """
        return cls().change(**values)

    def change(self, **values: Any) -> FinetuneConfig:
        """Returns the recipe with other values of some fields, each under its own name.

        Raises:
            ValueError: a name is unknown, or a value impossible.
        """
        known = self.flat()
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"FinetuneConfig: unknown field(s) {unknown}; known are {sorted(known)}")
        changed: dict[str, Any] = {}
        for entry in fields(self):
            section = getattr(self, entry.name)
            if entry.name in values:
                changed[entry.name] = values[entry.name]
            elif dataclasses.is_dataclass(section) and not isinstance(section, type):
                own = {each.name for each in fields(section)} & set(values)
                changed[entry.name] = dataclasses.replace(section, **{name: values[name] for name in own})
        return dataclasses.replace(self, **changed)

    def flat(self) -> dict[str, Any]:
        """Returns the fields of all sections by name, as plain JSON values."""
        values: dict[str, Any] = {}
        for name, value in dataclasses.asdict(self).items():
            values.update(value if isinstance(value, dict) else {name: value})
        return values


@dataclass(frozen=True)
class FinetuneOptions:
    """Options that do not change the result.

    Attributes:
        save_seconds: time between checkpoints, which are only written at the end of an epoch.
        device: torch device; by default a GPU if there is one.
        progress: show progress bars.
    """

    save_seconds: float = 20.0
    device: str | None = None
    progress: bool = True


def check_types(config: Any) -> None:
    """Checks every field against its annotation.

    Raises:
        ValueError: a value has another type, or is none of the choices; the message names the field.
    """
    hints = get_type_hints(type(config))
    for entry in fields(config):
        value, hint = getattr(config, entry.name), hints[entry.name]
        choices = choices_of(hint)
        if choices and value not in choices:
            raise ValueError(f"{entry.name} must be one of {choices}, not {value!r}")
        if not choices and type(value) is not hint:
            raise ValueError(f"{entry.name} must be of type {hint.__name__}, not {value!r}")


def check_values(config: Any, names: str, fits: Callable[[Any], bool], wanted: str) -> None:
    """Checks the values of some fields; NaN fits nothing.

    Raises:
        ValueError: a value does not fit; the message names the field.
    """
    for name in names.split():
        if not fits(getattr(config, name)):
            raise ValueError(f"{name} must be {wanted}, not {getattr(config, name)}")


def choices_of(hint: Any) -> tuple[Any, ...]:
    """Returns the values of a Literal, or of a union of several; () for other types."""
    return tuple(value for part in get_args(hint) for value in (get_args(part) or (part,)))
