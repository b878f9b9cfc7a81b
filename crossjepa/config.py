"""Configurations, as frozen dataclasses, and the table of named sizes.

`config.json` beside the weights holds a `ModelConfig`. It suffices to rebuild the network, to validate the
weights and to preprocess new data as the weights expect.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

Pooling = Literal["max", "mean", "max+mean"]
Axis = Literal["x", "y", "z"]
Task = Literal["classification", "partseg"]

_Config = TypeVar("_Config")


def from_dict(kind: type[_Config], values: Mapping[str, Any]) -> _Config:
    """Builds the dataclass `kind` from plain values; unknown fields are errors.

    Args:
        kind: the configuration dataclass to build.
        values: its fields by name, as read from JSON or YAML.

    Returns:
        The configuration.

    Raises:
        ValueError: a field has an unknown name; the message lists the valid ones.
    """
    known = {entry.name for entry in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"{kind.__name__}: unknown field(s) {unknown}; known are {sorted(known)}")
    return kind(**values)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _require_count(name: str, value: object) -> None:
    is_int = isinstance(value, int) and not isinstance(value, bool)
    _require(is_int and 1 <= value <= 1 << 20, f"{name} must be an integer from 1 to 2**20, not {value!r}")  # type: ignore[operator]


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of the point encoder.

    Attributes:
        width: channels per token (C).
        depth: number of transformer blocks.
        num_heads: number of attention heads; must divide `width`.
        num_groups: groups, and so tokens, per cloud (G).
        group_size: neighbors per group (K).
        num_points: points per cloud that the weights were trained on (N); larger clouds are reduced to that
            many.
        mlp_ratio: hidden width of the MLP of a block, as a multiple of `width`.
        pool: default pooling of the tokens to one embedding.
    """

    width: int = 288
    depth: int = 8
    num_heads: int = 6
    num_groups: int = 64
    group_size: int = 32
    num_points: int = 1024
    mlp_ratio: float = 4.0
    pool: Pooling = "max+mean"

    def __post_init__(self) -> None:
        for name in ("width", "depth", "num_heads", "num_groups", "group_size", "num_points"):
            value = getattr(self, name)
            _require(
                isinstance(value, int) and value >= 1, f"{name} must be a positive integer, not {value!r}"
            )
        _require(
            self.width % self.num_heads == 0, f"num_heads {self.num_heads} must divide width {self.width}"
        )
        _require(self.num_points >= self.num_groups, "num_points must be at least num_groups")
        _require(
            self.pool in get_args(Pooling), f"pool must be one of {get_args(Pooling)}, not {self.pool!r}"
        )


@dataclass(frozen=True)
class ProcessorConfig:
    """Preprocessing: how any input becomes the points that the weights expect.

    Attributes:
        num_points: number of points sampled on a mesh, and the maximum number that a cloud keeps (N).
        up_axis: the axis that points up in the frame of the weights.
        normalize: "unit_sphere" moves the centroid to the origin and scales the largest radius to 1; "none"
            leaves the coordinates as they are.
        seed: seed of the sampling of mesh surfaces.
    """

    num_points: int = 1024
    up_axis: Axis = "y"
    normalize: Literal["unit_sphere", "none"] = "unit_sphere"
    seed: int = 0

    def __post_init__(self) -> None:
        _require_count("num_points", self.num_points)
        _require(isinstance(self.seed, int) and self.seed >= 0, f"seed must be 0 or more, not {self.seed!r}")
        _require(
            self.up_axis in get_args(Axis), f"up_axis must be one of {get_args(Axis)}, not {self.up_axis!r}"
        )
        _require(self.normalize in ("unit_sphere", "none"), f"unknown normalize {self.normalize!r}")


@dataclass(frozen=True)
class PredictorConfig:
    """Shape of the view predictor, used in pretraining and by `CrossJEPA.predict_view`.

    Attributes:
        width: channels inside the predictor.
        depth: number of transformer blocks.
        num_heads: attention heads.
        target_width: channels of the embedding of the teacher (D).
        conditioning: what the query says about the view: pose, color histogram, both or none.
        histogram_bins: bins of the color histogram, of all channels together.
        joint_attention: whether point tokens attend to the query (one sequence per view) or not (all views of
            a cloud share its tokens).
        camera_positions: whether the positions of the point tokens in the frame of the camera are added to
            them; needs `joint_attention`.
    """

    width: int = 192
    depth: int = 12
    num_heads: int = 6
    target_width: int = 768
    conditioning: Literal["both", "pose", "histogram", "none"] = "both"
    histogram_bins: int = 48
    joint_attention: bool = True
    camera_positions: bool = False

    def __post_init__(self) -> None:
        for name in ("width", "depth", "num_heads", "target_width", "histogram_bins"):
            _require_count(name, getattr(self, name))
        _require(
            self.width % self.num_heads == 0, f"num_heads {self.num_heads} must divide width {self.width}"
        )
        _require(self.width % 2 == 0, f"width must be even, not {self.width}")
        _require(self.conditioning in ("both", "pose", "histogram", "none"), f"unknown {self.conditioning!r}")
        for name in ("joint_attention", "camera_positions"):
            _require(isinstance(getattr(self, name), bool), f"{name}: {getattr(self, name)!r}")
        _require(
            self.joint_attention or not self.camera_positions,
            "camera_positions needs joint_attention, since the tokens then differ between views",
        )


@dataclass(frozen=True)
class ViewPredictionConfig:
    """The predictor of released weights: its shape, what it predicts, and the view it assumes by default.

    Attributes:
        network: shape of the predictor.
        teacher: name of the image model whose embeddings of views it predicts.
        embedding: which of the teacher's embeddings, see `crossjepa.train.cache.teacher.Teacher`.
        distance: mean distance of the cameras during training, in radii of the object.
        histogram: mean color histogram of the views during training.
        teacher_sha256: checksum of the teacher's weights, which may go by several names; "" if unknown.
    """

    network: PredictorConfig
    teacher: str
    embedding: str
    distance: float
    histogram: tuple[float, ...]
    teacher_sha256: str = ""

    def __post_init__(self) -> None:
        _require(isinstance(self.histogram, (list, tuple)), f"histogram: {self.histogram!r}")
        object.__setattr__(self, "histogram", tuple(self.histogram))  # JSON has lists
        for name in ("teacher", "embedding", "teacher_sha256"):
            _require(
                isinstance(getattr(self, name), str), f"{name} must be a string, not {getattr(self, name)!r}"
            )
        _require(
            all(isinstance(each, (int, float)) for each in (self.distance, *self.histogram)),
            "distance and histogram must be numbers",
        )
        _require(0 < self.distance < float("inf"), f"distance must be positive, not {self.distance!r}")
        _require(all(0 <= share <= 1 for share in self.histogram), "histogram must hold shares from 0 to 1")
        bins = self.network.histogram_bins
        _require(len(self.histogram) == bins, f"histogram must have {bins} bins, not {len(self.histogram)}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ViewPredictionConfig:
        """Rebuilds the configuration from plain values.

        Raises:
            ValueError: a field is unknown, missing or has an invalid value.
        """
        needed = {entry.name for entry in dataclasses.fields(cls) if entry.default is dataclasses.MISSING}
        missing = sorted(needed - set(values))
        _require(not missing, f"the predictor has no {missing}")
        _require(isinstance(values["network"], Mapping), "the predictor's network must be a JSON object")
        return from_dict(cls, {**values, "network": from_dict(PredictorConfig, values["network"])})


@dataclass(frozen=True)
class HeadConfig:
    """The head of a fine-tuned model: its task, the names of its outputs, and its shape.

    Attributes:
        task: "classification", one class per cloud, or "partseg", one part per point.
        classes: names of the classes.
        part_names: names of the parts; () for classification.
        class_parts: numbers of the parts that each class can have; () for classification.
        hidden: width of the hidden layers; 0 for a linear classifier.
        dropout: dropout rate of the hidden layers during training.
        up_axis: the axis that points up in the clouds it was trained on, and in those that `predict` gets;
            None for that of the weights.
    """

    task: Task
    classes: tuple[str, ...]
    part_names: tuple[str, ...] = ()
    class_parts: tuple[tuple[int, ...], ...] = ()
    hidden: int = 256
    dropout: float = 0.5
    up_axis: Axis | None = None

    def __post_init__(self) -> None:
        for name in ("classes", "part_names"):  # JSON has lists
            names = tuple(getattr(self, name))
            object.__setattr__(self, name, names)
            _require(all(isinstance(each, str) for each in names), f"{name} must be strings, not {names!r}")
            _require(len(set(names)) == len(names), f"{name} must differ from each other")
        object.__setattr__(self, "class_parts", tuple(tuple(parts) for parts in self.class_parts))
        _require(self.task in get_args(Task), f"task must be one of {get_args(Task)}, not {self.task!r}")
        _require(len(self.classes) > 0, "a head needs at least one class")
        _require(isinstance(self.hidden, int) and 0 <= self.hidden <= 1 << 16, f"hidden: {self.hidden!r}")
        _require(0 <= self.dropout < 1, f"dropout must be from 0 to below 1, not {self.dropout!r}")
        axes = (None, *get_args(Axis))
        _require(self.up_axis in axes, f"up_axis must be one of {axes}, not {self.up_axis!r}")
        if self.task == "partseg":
            _require(self.hidden > 0, "a part segmentation head needs hidden layers")
            _require(len(self.class_parts) == len(self.classes), "class_parts needs one entry per class")
            known = range(len(self.part_names))
            fits = all(parts and all(part in known for part in parts) for parts in self.class_parts)
            _require(fits, f"class_parts must name parts from 0 to {len(known) - 1} for every class")


@dataclass(frozen=True)
class ModelConfig:
    """The content of `config.json`: network, preprocessing, head, and provenance of the weights.

    Attributes:
        encoder: shape of the encoder.
        processor: preprocessing that the weights expect.
        head: head of a fine-tuned model; None for an encoder alone.
        provenance: training data, teacher, steps, measured figures and license, as plain JSON values; under
            "predictor" the same for a predictor that was trained by itself.
        format_version: version of this format, increased if a migration is needed.
        predictor: the view predictor; None for an encoder alone.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    processor: ProcessorConfig = field(default_factory=ProcessorConfig)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = 1
    head: HeadConfig | None = None
    predictor: ViewPredictionConfig | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the configuration as plain JSON values."""
        values = {"library": "crossjepa", **dataclasses.asdict(self)}
        for name in ("head", "predictor"):  # versions that know neither can then read the file
            if values[name] is None:
                del values[name]
        return values

    def without_predictor(self) -> ModelConfig:
        """Returns the configuration of the encoder alone."""
        provenance = {name: value for name, value in self.provenance.items() if name != "predictor"}
        return dataclasses.replace(self, predictor=None, provenance=provenance)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Rebuilds the configuration from `to_dict` or a parsed config.json.

        Raises:
            ValueError: a field is unknown or has an invalid value, or the file has a newer format.
        """
        entries = {name: value for name, value in values.items() if name != "library"}
        version = entries.get("format_version", 1)
        if version != 1:
            raise ValueError(
                f"config format {version!r} is not 1, the newest that this crossjepa reads; upgrade crossjepa"
            )
        for name, kind in (("encoder", EncoderConfig), ("processor", ProcessorConfig)):
            if not isinstance(entries.get(name), Mapping):
                raise ValueError(f"the config has no {name!r} section")
            entries[name] = from_dict(kind, entries[name])
        for name in ("head", "predictor"):
            if not isinstance(entries.get(name, {}), Mapping | None):
                raise ValueError(f"the {name!r} section of the config is not a JSON object")
        if entries.get("head") is not None:
            entries["head"] = from_dict(HeadConfig, entries["head"])
        if entries.get("predictor") is not None:
            entries["predictor"] = ViewPredictionConfig.from_dict(entries["predictor"])
        return from_dict(cls, entries)


NAMED_SIZES: dict[str, EncoderConfig] = {
    "crossjepa-base": EncoderConfig(),
    "crossjepa-test": EncoderConfig(
        width=24, depth=2, num_heads=2, num_groups=8, group_size=4, num_points=64
    ),
}
