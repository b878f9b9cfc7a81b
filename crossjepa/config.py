"""Configurations: frozen dataclasses and one table of named sizes.

A configuration is what `config.json` holds beside the weights. It is enough to rebuild the network, to check
the weights against it and to preprocess new data as the weights expect.
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
    """Builds the dataclass `kind` from plain values and refuses what it does not know.

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
    whole = isinstance(value, int) and not isinstance(value, bool)
    _require(whole and 1 <= value <= 1 << 20, f"{name} must be a whole number from 1 to 2**20, not {value!r}")  # type: ignore[operator]


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of the point encoder.

    Attributes:
        width: channels of a token (C).
        depth: transformer blocks.
        num_heads: attention heads; must divide `width`.
        num_groups: groups, hence tokens, of a cloud (G).
        group_size: neighbors of a group (K).
        num_points: points the weights were trained on (N); larger clouds are reduced to it.
        mlp_ratio: hidden width of a block's MLP over `width`.
        pool: default pooling of tokens to one embedding.
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
    """How any input becomes the points the weights expect.

    Attributes:
        num_points: points sampled on a mesh, and the most that a cloud keeps (N).
        up_axis: the axis that points up in the frame of the weights.
        normalize: "unit_sphere" moves the centroid to the origin and scales the largest radius to 1; "none"
            leaves coordinates alone.
        seed: seed of the surface sampling of meshes.
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
        depth: transformer blocks.
        num_heads: attention heads.
        target_width: channels of the teacher's embedding (D).
        conditioning: what the query is told about the view.
        histogram_bins: bins of the color histogram, all channels together.
        joint_attention: whether the point tokens see the query (a sequence a view) or not (views share them).
        camera_positions: whether the point tokens also say where they are as the camera sees them; needs
            `joint_attention`.
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
            "camera_positions needs joint_attention, since views cannot share tokens that differ",
        )


@dataclass(frozen=True)
class ViewPredictionConfig:
    """The predictor of a release: its shape, what it predicts, and the view it takes where none is given.

    Attributes:
        network: shape of the predictor.
        teacher: name of the image model whose embeddings of views it predicts.
        embedding: which of the teacher's embeddings, see `crossjepa.train.cache.teacher.Teacher`.
        distance: mean distance of the cameras in training, in radii of the object.
        histogram: mean color histogram of the views in training.
        teacher_sha256: checksum of the teacher's weights, which can have several names; "" where unknown.
    """

    network: PredictorConfig
    teacher: str
    embedding: str
    distance: float
    histogram: tuple[float, ...]
    teacher_sha256: str = ""

    def __post_init__(self) -> None:
        _require(isinstance(self.histogram, (list, tuple)), f"histogram: {self.histogram!r}")
        object.__setattr__(self, "histogram", tuple(self.histogram))  # a list, as JSON has it
        for name in ("teacher", "embedding", "teacher_sha256"):
            _require(isinstance(getattr(self, name), str), f"{name} must be a text")
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
            ValueError: a field is unknown, missing or impossible.
        """
        needed = {entry.name for entry in dataclasses.fields(cls) if entry.default is dataclasses.MISSING}
        missing = sorted(needed - set(values))
        _require(not missing, f"the predictor has no {missing}")
        _require(isinstance(values["network"], Mapping), "the predictor's network is no object")
        return from_dict(cls, {**values, "network": from_dict(PredictorConfig, values["network"])})


@dataclass(frozen=True)
class HeadConfig:
    """What a fine-tuned model answers: its task, the names of its answers, and the shape of its head.

    Attributes:
        task: "classification" of whole clouds, or "partseg", a part for every point.
        classes: names of the classes.
        part_names: names of the parts, () for classification.
        class_parts: numbers of the parts that each class can have, () for classification.
        hidden: width of the hidden layers; 0 makes classification linear.
        dropout: share of hidden values dropped in training.
        up_axis: the axis that points up in the clouds that it learned from, and in those that `predict` gets;
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
        for name in ("classes", "part_names"):  # lists, as JSON has them, become tuples
            names = tuple(getattr(self, name))
            object.__setattr__(self, name, names)
            _require(all(isinstance(each, str) for each in names), f"{name} must be texts, not {names!r}")
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
            _require(len(self.class_parts) == len(self.classes), "class_parts needs an entry a class")
            known = range(len(self.part_names))
            fits = all(parts and all(part in known for part in parts) for parts in self.class_parts)
            _require(fits, f"class_parts must name parts from 0 to {len(known) - 1} for every class")


@dataclass(frozen=True)
class ModelConfig:
    """All of `config.json`: network, preprocessing, head, and where the weights come from.

    Attributes:
        encoder: shape of the encoder.
        processor: preprocessing that travels with the weights.
        head: what a fine-tuned model answers, None for a bare encoder.
        provenance: data seen, teacher, steps, measured figures and license, as plain JSON values; under
            "predictor" the same of a predictor with a training of its own.
        format_version: version of this layout, raised when a migration is needed.
        predictor: what the release predicts of views, None for an encoder alone.
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
        for name in ("head", "predictor"):  # files without stay readable for versions that know of none
            if values[name] is None:
                del values[name]
        return values

    def without_predictor(self) -> ModelConfig:
        """Returns what is true of the encoder alone."""
        provenance = {name: value for name, value in self.provenance.items() if name != "predictor"}
        return dataclasses.replace(self, predictor=None, provenance=provenance)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Rebuilds the configuration from `to_dict` or a parsed config.json.

        Raises:
            ValueError: a field is unknown or has an impossible value, or the file is of a newer format.
        """
        entries = {name: value for name, value in values.items() if name != "library"}
        version = entries.get("format_version", 1)
        if version != 1:
            raise ValueError(
                f"config format {version!r} is newer than this crossjepa understands (1); upgrade it"
            )
        for name, kind in (("encoder", EncoderConfig), ("processor", ProcessorConfig)):
            if not isinstance(entries.get(name), Mapping):
                raise ValueError(f"config has no {name!r} section")
            entries[name] = from_dict(kind, entries[name])
        for name in ("head", "predictor"):
            if not isinstance(entries.get(name, {}), Mapping | None):
                raise ValueError(f"config has a {name!r} section that is no object")
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
