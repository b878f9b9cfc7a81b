"""The recipe of a fine-tuning run, by concern, and the options that do not change its result.

The names of options are unique over all sections: recipe.json, `FinetuneConfig.of` and the command line need
no sections.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from crossjepa.config import Axis, Task
from crossjepa.config_fields import (
    Checked,
    Count,
    Limit,
    Natural,
    NonNegative,
    Precision,
    Recipe,
    Stretch,
)


@dataclass(frozen=True)
class HeadLayersConfig(Checked):
    """Hidden layers of the head.

    Attributes:
        hidden: width of the hidden layers; 0 makes a linear head.
        dropout: share of the hidden values that are dropped.
    """

    hidden: Natural = 256
    dropout: Stretch = 0.5


@dataclass(frozen=True)
class LossConfig(Checked):
    """Cross-entropy.

    Attributes:
        label_smoothing: probability that is given to all classes alike.
        class_weights: "balanced" gives rare classes (or parts) more weight.
    """

    label_smoothing: Stretch = 0.1
    class_weights: Literal["none", "balanced"] = "none"


@dataclass(frozen=True)
class OptimConfig(Checked):
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

    batch_size: Annotated[int, Limit(lambda value: value >= 2, "at least 2")] = 16  # for batch norms
    head_learning_rate: NonNegative = 1e-3
    learning_rate: NonNegative = 2e-4
    scratch_learning_rate: NonNegative = 5e-4
    layer_decay: Annotated[float, Limit(lambda value: 0 < value <= 1, "above 0 and at most 1")] = 0.75
    warmup_share: Stretch = 0.1
    weight_decay: NonNegative = 0.05
    gradient_clip: Annotated[float, Limit(lambda value: value > 0, "above 0")] = 1.0


@dataclass(frozen=True)
class ScheduleConfig(Checked):
    """First the head alone on frozen features, then the whole network.

    Attributes:
        frozen_epochs: epochs of the head alone, over features that are computed once.
        frozen_copies: augmented copies of each cloud whose features are kept for that.
        epochs: most epochs of the whole network after that; 0 leaves the encoder as it is.
        patience: epochs without a better validation score after which a phase ends.
    """

    frozen_epochs: Natural = 60
    frozen_copies: Count = 4
    epochs: Natural = 10
    patience: Count = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.epochs + self.frozen_epochs:
            raise ValueError("epochs and frozen_epochs are both 0: nothing to do")


@dataclass(frozen=True)
class AugmentConfig(Checked):
    """Augmentation of the training clouds.

    Attributes:
        scale_range: each axis is stretched by a factor from 1 - range to 1 + range.
        translate: largest shift along each axis, in radii of the cloud.
        jitter: standard deviation of the noise, in radii of the cloud.
        rotate: "up" turns clouds by any angle about the up axis; "none" suits aligned files.
    """

    scale_range: Stretch = 0.2
    translate: NonNegative = 0.05
    jitter: NonNegative = 0.005
    rotate: Literal["none", "up"] = "none"


@dataclass(frozen=True)
class DataConfig(Checked):
    """What is learned from, and what it is validated and tested on.

    Attributes:
        validation_share: share of the training part of every class that chooses the epoch.
        test_share: share of every class to test on if the data have no test split.
        per_class: keep at most this many clouds of every class and split; 0 for all.
        up_axis: the axis that points up in the data; "" for what is known of the data set.
        query_points: points of a cloud that a training step of part segmentation labels.
        votes: passes over stretched copies at test time, reported beside the single pass.
    """

    validation_share: Stretch = 0.2
    test_share: Stretch = 0.2
    per_class: Natural = 0
    up_axis: Axis | Literal[""] = ""
    query_points: Count = 1024
    votes: Count = 1


@dataclass(frozen=True)
class FinetuneConfig(Recipe):
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
    seed: Natural = 0
    head: HeadLayersConfig = field(default_factory=HeadLayersConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    data: DataConfig = field(default_factory=DataConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task == "partseg" and not self.head.hidden > 0:
            raise ValueError(f"task partseg needs hidden layers: hidden is {self.head.hidden}")
        if self.from_scratch and not self.schedule.epochs:
            raise ValueError("from_scratch needs epochs of the whole network: epochs is 0")


@dataclass(frozen=True)
class FinetuneOptions(Checked):
    """Options that do not change the result.

    Attributes:
        save_seconds: time between checkpoints, which are only written at the end of an epoch.
        device: torch device; by default a GPU if there is one.
        progress: show progress bars.
    """

    save_seconds: float = 20.0
    device: str | None = None
    progress: bool = True
