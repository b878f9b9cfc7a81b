"""The recipe of a pretraining run, by concern, and the options that do not change its result.

The names of options are unique over all sections: the command line and checkpoints need no sections.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from crossjepa.config import NAMED_SIZES, Conditioning, EncoderConfig
from crossjepa.config_fields import (
    Checked,
    Count,
    Limit,
    Natural,
    NonNegative,
    Positive,
    Precision,
    Recipe,
    Schedule,
    Share,
    Stretch,
)
from crossjepa.train.pretrain.augment_config import AugmentSection

TargetScaling = Literal["standardize", "whiten", "center", "none"]
ContrastWith = Literal["batch", "cache"]
OptimizerName = Literal["adamw", "muon"]
Workers = Annotated[
    int | Literal["auto"], Limit(lambda value: value == "auto" or value >= 0, "at least 0, or 'auto'")
]


@dataclass(frozen=True)
class ModelSection(Checked):
    """Encoder and predictor.

    Attributes:
        size: named size of the encoder.
        predictor_depth: blocks of the predictor.
        joint_attention: whether the point tokens see the query, see `PredictorConfig`.
        camera_positions: whether the predictor is told where tokens are as the camera sees them, see
            `PredictorConfig`.
        conditioning: what the predictor's query is told about a view; `camera_positions` tells the pose in
            any case.
        gradient_checkpointing: trade time for memory.
        compile: run the model through `torch.compile`.
    """

    size: str = "crossjepa-base"
    predictor_depth: Count = 4
    joint_attention: bool = False
    camera_positions: bool = False
    conditioning: Conditioning = "both"
    gradient_checkpointing: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size not in NAMED_SIZES:
            raise ValueError(f"size must be one of {sorted(NAMED_SIZES)}, not {self.size!r}")
        if self.camera_positions and not self.joint_attention:
            raise ValueError("camera_positions needs joint_attention")


@dataclass(frozen=True)
class LossSection(Checked):
    """What is predicted, and the weights of the losses.

    Attributes:
        target_scaling: "standardize" each channel of the targets; "whiten" them half as well, so that
            rare differences count for more; "center" each and scale all alike; or "none".
        teacher_weights: how much each teacher of a cache of several counts in all losses, in the order of
            the cache; by default equally, whatever the widths of their embeddings.
        learnable_teacher: put a layer that learns on top of the teacher's embedding, with gradient. It shows
            why the paper keeps its teacher frozen: both sides agree on a constant.
        smooth_l1_beta: error from which the loss grows linearly.
        object_weight: weight of a second loss, which is not the paper's: a linear readout of the pooled
            tokens predicts the mean embedding of the object's views. 0 leaves it out.
        contrast_weight: weight of another loss that is not the paper's: a linear readout of the pooled tokens
            must tell its own object's mean embedding from those of others (InfoNCE). 0 leaves it out.
        contrast_with: the others are those of the "batch", or all objects of the "cache" that are trained on;
            then the readout must find each of them as near as the mean embedding of the views of this step.
        points_weight: weight of a loss which the paper tried and rejected: the pooled tokens of one sample of
            points predict those of another sample of the same object (point to point). 0 leaves it out.
        occupancy_weight: weight of a loss that is not the paper's: the first channels of the mean token are
            how many points lie around the nodes of a coarse grid, see `occupancy`. The losses on whole
            objects ask for features that are the same however the object is turned; this one keeps the pose.
            0 leaves it out.
        occupancy_nodes: nodes of its grid along each axis.
        dense_weight: weight of a loss that is not the paper's: a linear readout of the features at points
            (those of `encode_points`) predicts what the teacher's maps hold where pictures show these points.
            It needs caches with dense targets. 0 leaves it out.
        dense_points: points of each cloud, chosen anew in every step, at which it is taken.
    """

    target_scaling: TargetScaling = "standardize"
    teacher_weights: tuple[Positive, ...] = ()
    learnable_teacher: bool = False
    smooth_l1_beta: Positive = 1.0
    object_weight: NonNegative = 1.0
    contrast_weight: NonNegative = 0.3
    contrast_with: ContrastWith = "batch"
    points_weight: NonNegative = 0.0
    occupancy_weight: NonNegative = 0.0
    occupancy_nodes: Annotated[int, Limit(lambda value: value >= 2, "at least 2")] = 4
    dense_weight: NonNegative = 0.0
    dense_points: Count = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learnable_teacher and self.contrast_with == "cache":
            raise ValueError("contrast_with 'cache' needs a frozen teacher, not learnable_teacher")


@dataclass(frozen=True)
class OptimSection(Checked):
    """Optimizer and schedule.

    Attributes:
        optimizer: "adamw" for all parameters, or "muon" for the blocks' matrices and AdamW for the rest.
        learning_rate: peak of the schedule.
        final_learning_rate: last value of the schedule.
        warmup_steps: steps of linear warm-up.
        schedule: "cosine" or "linear" decay.
        decay_share: share of the steps over which the rate falls, at the end; 1 starts after the warm-up.
        weight_decay: on matrices only.
        gradient_clip: largest norm of the gradient; inf leaves it as it is.
        ema_decay: share of the exponential moving average of the weights, batch norm statistics included,
            that each step keeps, such as 0.999; probes, held-out losses and exports then take the average. 0
            for none.
        accumulation_steps: parts into which the batch of each process is divided, one after another, to save
            memory; their gradients are averaged. Batch norms, and the contrast with the batch, see one part
            at a time.
    """

    optimizer: OptimizerName = "muon"
    learning_rate: NonNegative = 1e-3
    final_learning_rate: NonNegative = 1e-6
    warmup_steps: Natural = 200
    schedule: Schedule = "linear"
    decay_share: Share = 1.0
    weight_decay: NonNegative = 0.05
    gradient_clip: Annotated[float, Limit(lambda value: value > 0, "above 0")] = 1.0
    ema_decay: Stretch = 0.0
    accumulation_steps: Count = 1


@dataclass(frozen=True)
class DataSection(Checked):
    """Cache, batches and augmentation.

    Attributes:
        cache: folder of the teacher's embeddings, or several separated by commas; may be left to the command
            line.
        batch_size: clouds per step (B), over all processes.
        views_per_step: views of each cloud per step (V).
        few_points: points of a cloud in the first, cheaper part of the run; groups and neighbors shrink
            by the same factor, which keeps the size of a group on the object.
        few_share: share of the steps in that part.
        scale_range: augmentation: each axis is scaled by 1 - range to 1 + range.
        jitter: augmentation: standard deviation of the noise, in radii.
        even_probability: augmentation: share of the batches with evenly spread points, see `augment.sample`.
        held_out: objects kept from training, whose loss is logged.
    """

    cache: str = ""
    batch_size: Count = 64
    views_per_step: Count = 8
    few_points: Count = 512
    few_share: Share = 0.85
    scale_range: Stretch = 0.15
    jitter: NonNegative = 0.005
    even_probability: Share = 0.25
    held_out: Natural = 256


@dataclass(frozen=True)
class RunSection(Checked):
    """Length and start of the run.

    Attributes:
        steps: optimizer steps; 0 to count by `epochs`.
        epochs: passes over the cache if `steps` is 0.
        init_from: initial weights: a checkpoint (.pt) of another run, or what
            `CrossJEPAEncoder.from_pretrained` takes: a name, an org/repo, or a folder, whose predictor is
            taken, too, if it has this shape and teacher; "" for random weights.
        frozen_steps: steps at the start in which the encoder stays exactly as it is, while everything new
            beside a released encoder learns; otherwise its gradients would first spoil the encoder.
        precision: of the arithmetic; parameters and optimizer stay float32.
        seed: seed of everything.
    """

    steps: Natural = 5000
    epochs: Natural = 0
    init_from: str = ""
    frozen_steps: Natural = 0
    precision: Precision = "bfloat16"
    seed: Natural = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.steps > 0) == (self.epochs > 0):
            raise ValueError("give either steps or epochs, and set the other to 0")


@dataclass(frozen=True)
class PretrainConfig(Recipe):
    """Recipe of a run.

    Attributes:
        model: encoder and predictor.
        loss: what is predicted, and the weights of the losses.
        optim: optimizer and schedule.
        data: cache, batches and augmentation.
        augment: augmentations that turn clean clouds into what scanners see.
        run: length and start of the run.
    """

    model: ModelSection = field(default_factory=ModelSection)
    loss: LossSection = field(default_factory=LossSection)
    optim: OptimSection = field(default_factory=OptimSection)
    data: DataSection = field(default_factory=DataSection)
    augment: AugmentSection = field(default_factory=AugmentSection)
    run: RunSection = field(default_factory=RunSection)

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            self.encoder_at(0)
        except ValueError as error:
            raise ValueError(f"few_points {self.data.few_points} are too few: {error}") from error
        nodes, width = self.loss.occupancy_nodes, NAMED_SIZES[self.model.size].width
        if self.loss.occupancy_weight and nodes**3 > width:
            raise ValueError(
                f"occupancy_nodes {nodes}: the tokens of {self.model.size} have fewer channels than its grid "
                "has nodes"
            )

    def encoder_at(self, share_done: float) -> EncoderConfig:
        """Shape of the encoder when `share_done` of the steps are done: fewer points and groups at first."""
        full, few_points = NAMED_SIZES[self.model.size], self.data.few_points
        if share_done >= self.data.few_share or few_points >= full.num_points:
            return full
        share = few_points / full.num_points
        return dataclasses.replace(
            full,
            num_points=few_points,
            num_groups=round(full.num_groups * share),
            group_size=round(full.group_size * share),
        )

    def fewest_points(self, count: int) -> int:
        """Fewest real points of a cloud of `count`, so that no group is empty or repeats its points."""
        full = NAMED_SIZES[self.model.size]
        return math.ceil(count * max(full.num_groups, full.group_size) / full.num_points)


@dataclass(frozen=True)
class RunOptions(Checked):
    """Options that do not change the result.

    Attributes:
        log_every: steps between lines of the log.
        save_every: steps between checkpoints.
        probe_every: steps between probes and held-out losses; 0 for none.
        keep: checkpoints to keep.
        stop_after: steps after which this process ends, to be resumed later; 0 for none.
        device: torch device; by default a GPU if there is one.
        workers: processes that prepare batches ahead of time, on CPUs; "auto" for one per CPU, up to 16, if
            the device is a GPU, and none if it is the CPU itself.
        progress: show a bar with the time left, the loss and the samples per second.
        tensorboard: also log to TensorBoard.
        wandb: W&B project to log to as well.
    """

    log_every: Count = 50
    save_every: Count = 250
    probe_every: Natural = 500
    keep: int = 3
    stop_after: Natural = 0
    device: str | None = None
    workers: Workers = "auto"
    progress: bool = True
    tensorboard: bool = False
    wandb: str = ""
