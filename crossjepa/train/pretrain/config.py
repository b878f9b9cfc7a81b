"""The recipe of a pretraining run: one frozen dataclass, YAML files, and overrides from the command line."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import yaml

from crossjepa.config import NAMED_SIZES, EncoderConfig, from_dict
from crossjepa.train.common.options import Precision, Schedule

CONFIG_FOLDER = Path(__file__).parent / "configs"

Conditioning = Literal["both", "pose", "histogram", "none"]
TargetScaling = Literal["standardize", "whiten", "center", "none"]
ContrastWith = Literal["batch", "cache"]
OptimizerName = Literal["adamw", "muon"]

# Fields, what their values must fit (NaN fits nothing), and how to say so.
_LIMITS: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    ("batch_size views_per_step predictor_depth few_points", lambda value: value >= 1, "at least 1"),
    ("occupancy_nodes", lambda value: value >= 2, "at least 2"),
    (
        "steps epochs learning_rate final_learning_rate warmup_steps weight_decay object_weight "
        "contrast_weight points_weight occupancy_weight jitter frozen_steps held_out seed",
        lambda value: 0 <= value < math.inf,
        "at least 0 and finite",
    ),
    ("gradient_clip", lambda value: value > 0, "above 0"),
    ("smooth_l1_beta", lambda value: 0 < value < math.inf, "above 0 and finite"),
    ("decay_share few_share even_probability", lambda value: 0 <= value <= 1, "from 0 to 1"),
    ("scale_range", lambda value: 0 <= value < 1, "from 0 to below 1"),
)


@dataclass(frozen=True)
class PretrainConfig:
    """Recipe of a run.

    Attributes:
        cache: folder of the teacher's embeddings, or several divided by commas; may be left to the command
            line.
        size: named size of the encoder.
        steps: optimizer steps; 0 to count by `epochs`.
        epochs: passes over the cache where `steps` is 0.
        batch_size: clouds a step (B), over all processes.
        views_per_step: views of each cloud a step (V).
        optimizer: "adamw" for all parameters, or "muon" for the blocks' matrices and AdamW for the rest.
        learning_rate: peak of the schedule.
        final_learning_rate: last value of the schedule.
        warmup_steps: steps of linear warm-up.
        schedule: "cosine" or "linear" decay.
        decay_share: share of the steps over which the rate falls, at the end; 1 starts after the warm-up.
        weight_decay: on matrices only.
        gradient_clip: largest norm of the gradient; inf leaves it as it is.
        predictor_depth: blocks of the predictor.
        joint_attention: whether the point tokens see the query, see `PredictorConfig`.
        camera_positions: whether the predictor is told where tokens are as the camera sees them, see
            `PredictorConfig`.
        conditioning: what the predictor's query is told about a view; `camera_positions` tells the pose in
            any case.
        target_scaling: "standardize" each channel of the targets; "whiten" them half as well, so that
            rare differences count for more; "center" each and scale all alike; or "none".
        learnable_teacher: put a layer that learns on top of the teacher's embedding, with gradient. It shows
            why the paper keeps its teacher frozen: both sides agree on a constant.
        smooth_l1_beta: error from which the loss grows linearly.
        object_weight: weight of a second loss, which is not the paper's: a linear readout of the pooled
            tokens predicts the mean embedding of the object's views. 0 leaves it out.
        contrast_weight: weight of another loss that is not the paper's: a linear readout of the pooled tokens
            must tell its own object's mean embedding from those of the batch (InfoNCE). 0 leaves it out.
        contrast_with: the others are those of the "batch", or all objects of the "cache" that are trained on;
            then the readout must find each of them as near as the mean embedding of the views of this step.
        points_weight: weight of a loss which the paper tried and rejected: the pooled tokens of one
            draw of points predict those of another draw of the same object (point to point). 0 leaves it out.
        occupancy_weight: weight of a loss that is not the paper's: the first channels of the mean token are
            how many points lie around the nodes of a coarse grid, see `occupancy`. The losses on whole
            objects ask for features that are the same however the object is turned; this one keeps the pose.
            0 leaves it out.
        occupancy_nodes: nodes of its grid along each axis.
        few_points: points of a cloud in the first, cheaper part of the run; groups and neighbors shrink
            by the same factor, which keeps the size of a group on the object.
        few_share: share of the steps in that part.
        scale_range: augmentation, see `augment`.
        jitter: augmentation, see `augment`.
        even_probability: augmentation, see `draw_points`.
        init_from: where the weights come from at the start: a checkpoint (.pt) of another run, or what
            `CrossJEPAEncoder.from_pretrained` knows: a name, an org/repo, or a folder, of which the predictor
            is taken, too, where it has this shape and teacher; "" for random ones.
        frozen_steps: steps at the start in which the encoder stays exactly as it is, while all that is new
            beside a released encoder learns; otherwise its gradients would first spoil the encoder.
        held_out: objects kept from training, whose loss is logged.
        precision: of the arithmetic; parameters and optimizer stay float32.
        gradient_checkpointing: trade time for memory.
        compile: run the model through `torch.compile`.
        seed: seed of everything.
    """

    cache: str = ""
    size: str = "crossjepa-base"
    steps: int = 5000
    epochs: int = 0
    batch_size: int = 64
    views_per_step: int = 8
    optimizer: OptimizerName = "muon"
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-6
    warmup_steps: int = 200
    schedule: Schedule = "linear"
    decay_share: float = 1.0
    weight_decay: float = 0.05
    gradient_clip: float = 1.0
    predictor_depth: int = 4
    joint_attention: bool = False
    camera_positions: bool = False
    conditioning: Conditioning = "both"
    target_scaling: TargetScaling = "standardize"
    learnable_teacher: bool = False
    smooth_l1_beta: float = 1.0
    object_weight: float = 1.0
    contrast_weight: float = 0.3
    contrast_with: ContrastWith = "batch"
    points_weight: float = 0.0
    occupancy_weight: float = 0.0
    occupancy_nodes: int = 4
    few_points: int = 512
    few_share: float = 0.85
    scale_range: float = 0.15
    jitter: float = 0.005
    even_probability: float = 0.25
    init_from: str = ""
    frozen_steps: int = 0
    held_out: int = 256
    precision: Precision = "bfloat16"
    gradient_checkpointing: bool = False
    compile: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for name, value in dataclasses.asdict(self).items():
            choices = get_args(hints[name])
            if choices and value not in choices:
                raise ValueError(f"{name} must be one of {choices}, not {value!r}")
            if not choices and type(value) is not hints[name]:
                raise ValueError(f"{name} must be of type {hints[name].__name__}, not {value!r}")
        for names, fits, wanted in _LIMITS:
            for name in names.split():
                if not fits(getattr(self, name)):
                    raise ValueError(f"{name} must be {wanted}, not {getattr(self, name)}")
        if self.size not in NAMED_SIZES:
            raise ValueError(f"size must be one of {sorted(NAMED_SIZES)}, not {self.size!r}")
        if (self.steps > 0) == (self.epochs > 0):
            raise ValueError("give either steps or epochs, and set the other to 0")
        if self.camera_positions and not self.joint_attention:
            raise ValueError("camera_positions needs joint_attention")
        if self.learnable_teacher and self.contrast_with == "cache":
            raise ValueError("contrast_with 'cache' needs a frozen teacher, not learnable_teacher")
        try:
            self.encoder_at(0)
        except ValueError as error:
            raise ValueError(f"few_points {self.few_points} are too few: {error}") from error
        if self.occupancy_weight and self.occupancy_nodes**3 > NAMED_SIZES[self.size].width:
            raise ValueError(
                f"occupancy_nodes {self.occupancy_nodes}: the tokens of {self.size} have fewer channels than "
                "its grid has nodes"
            )

    def encoder_at(self, share_done: float) -> EncoderConfig:
        """Shape of the encoder when `share_done` of the steps are done: fewer points and groups at first."""
        full = NAMED_SIZES[self.size]
        if share_done >= self.few_share or self.few_points >= full.num_points:
            return full
        share = self.few_points / full.num_points
        return dataclasses.replace(
            full,
            num_points=self.few_points,
            num_groups=round(full.num_groups * share),
            group_size=round(full.group_size * share),
        )


def load_config(name: str, overrides: Sequence[str] = ()) -> PretrainConfig:
    """Reads a recipe and changes what the command line changes.

    Args:
        name: a recipe of the package ("shapenet-paper", "bundled") or the path of a YAML file.
        overrides: "--key", "value", ... with dashes or underscores in the keys; "--key=value" works too.

    Returns:
        The recipe.

    Raises:
        FileNotFoundError: there is no such recipe; the message lists those of the package.
        ValueError: a key is unknown or a value impossible; the message names it.
    """
    known = sorted(path.stem for path in CONFIG_FOLDER.glob("*.yaml"))
    path = CONFIG_FOLDER / f"{name}.yaml" if name in known else Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"no recipe {name!r}: give the path of a YAML file or one of {known}")
    try:
        values = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not readable as YAML ({error})") from error
    if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
        raise ValueError(f"{path}: must hold 'key: value' lines")
    source = f"{path} with {shlex.join(overrides)}" if overrides else str(path)
    return make_config({**values, **parse_overrides(overrides)}, source)


def make_config(values: Mapping[str, Any], source: str) -> PretrainConfig:
    """Builds a recipe from plain values; whole numbers stand for floats where floats are wanted."""
    hints = get_type_hints(PretrainConfig)
    fitted = {
        key: float(value) if hints.get(key) is float and type(value) is int else value
        for key, value in values.items()
    }
    try:
        return from_dict(PretrainConfig, fitted)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def parse_overrides(words: Sequence[str]) -> dict[str, Any]:
    """Turns "--key value" pairs into values of the types of their fields.

    Raises:
        ValueError: a key is unknown, or its text is no value of its type; the message names it.
    """
    hints = get_type_hints(PretrainConfig)
    pairs: dict[str, Any] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        key, equals, text = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not (equals or left):
            raise ValueError(f"command line: cannot read {word!r}, overrides look like --key value")
        name = key.replace("-", "_")
        if name not in hints:
            raise ValueError(f"command line: unknown field --{key}; keys of a recipe are {sorted(hints)}")
        pairs[name] = _converted(name, text if equals else left.pop(0), hints[name])
    return pairs


def _converted(name: str, text: str, kind: Any) -> Any:
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        return kind(text) if kind in (int, float) else text
    except (KeyError, ValueError) as error:
        raise ValueError(f"command line: {name} must be of type {kind.__name__}, not {text!r}") from error
