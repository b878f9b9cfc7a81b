"""Configurations, as frozen dataclasses, and the table of named sizes.

`config.json` beside the weights holds a `ModelConfig`. It suffices to rebuild the network, to validate the
weights and to preprocess new data as the weights expect.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from crossjepa.config_fields import Checked, Limit, Natural, Positive, Share, Size, Stretch, from_dict
from crossjepa.config_similarity import SimilarityConfig

Pooling = Literal["max", "mean", "max+mean"]
Axis = Literal["x", "y", "z"]
Task = Literal["classification", "partseg"]

Normalization = Literal["unit_sphere", "none"]
Conditioning = Literal["both", "pose", "histogram", "none"]

# Far above what any model has, and low enough that a wrong one ends soon.
Depth = Annotated[int, Limit(lambda value: 1 <= value <= 1024, "from 1 to 1024")]
Groups = Annotated[int, Limit(lambda value: 1 <= value <= 4096, "from 1 to 4096")]
Points = Annotated[int, Limit(lambda value: 1 <= value <= 1 << 16, "from 1 to 2**16")]
Ratio = Annotated[float, Limit(lambda value: 0 < value <= 64, "above 0 and at most 64")]
MOST_GROUPED_POINTS = 1 << 18


@dataclass(frozen=True)
class EncoderConfig(Checked):
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

    width: Size = 288
    depth: Depth = 8
    num_heads: Size = 6
    num_groups: Groups = 64
    group_size: Groups = 32
    num_points: Points = 1024
    mlp_ratio: Ratio = 4.0
    pool: Pooling = "max+mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.num_heads:
            raise ValueError(f"num_heads {self.num_heads} must divide width {self.width}")
        if self.num_points < self.num_groups:
            raise ValueError("num_points must be at least num_groups")
        if self.num_groups * self.group_size > MOST_GROUPED_POINTS:
            raise ValueError(f"num_groups times group_size must be at most {MOST_GROUPED_POINTS}")
        if self.width * self.mlp_ratio < 1:
            raise ValueError(f"mlp_ratio {self.mlp_ratio} leaves an MLP of width 0")


@dataclass(frozen=True)
class OutlierRemovalConfig(Checked):
    """Which points of a cloud count as outliers, see `crossjepa.ops.outliers.find_outliers`.

    Attributes:
        neighbors: number of nearest neighbors of a point whose mean distance is compared.
        threshold: median absolute deviations above the median from which on a point is an outlier.
        max_share: largest share of the points that may be removed; only the farthest, if more are outliers.
    """

    neighbors: Annotated[int, Limit(lambda value: 1 <= value <= 1000, "from 1 to 1000")] = 8
    threshold: Positive = 8.0
    max_share: Stretch = 0.1


@dataclass(frozen=True)
class ProcessorConfig(Checked):
    """Preprocessing: how any input becomes the points that the weights expect.

    Attributes:
        num_points: number of points sampled on a mesh, and the maximum number that a cloud keeps (N).
        up_axis: the axis that points up in the frame of the weights.
        normalize: "unit_sphere" moves the centroid to the origin and scales the largest radius to 1; "none"
            leaves the coordinates as they are.
        seed: seed of the sampling of mesh surfaces.
        outlier_removal: which points of a cloud are left out before anything else; None to keep all.
    """

    num_points: Points = 1024
    up_axis: Axis = "y"
    normalize: Normalization = "unit_sphere"
    seed: Natural = 0
    outlier_removal: OutlierRemovalConfig | None = None


@dataclass(frozen=True)
class PredictorConfig(Checked):
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

    width: Size = 192
    depth: Depth = 12
    num_heads: Size = 6
    target_width: Size = 768
    conditioning: Conditioning = "both"
    histogram_bins: Size = 48
    joint_attention: bool = True
    camera_positions: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.num_heads:
            raise ValueError(f"num_heads {self.num_heads} must divide width {self.width}")
        if self.width % 2:
            raise ValueError(f"width must be even, not {self.width}")
        if self.camera_positions and not self.joint_attention:
            raise ValueError("camera_positions needs joint_attention: the tokens then differ between views")


@dataclass(frozen=True)
class TeacherConfig(Checked):
    """An image model whose embeddings of views are learned.

    Attributes:
        name: of the model, as timm knows it.
        embedding: which of its embeddings, see `crossjepa.train.cache.teacher.Teacher`.
        width: channels of that embedding.
        weights_sha256: checksum of its weights, which may go by several names; "" if unknown.
    """

    name: str
    embedding: str
    width: Size
    weights_sha256: str = ""


@dataclass(frozen=True)
class ViewPredictionConfig(Checked):
    """The predictor of released weights: its shape, what it predicts, and the view it assumes by default.

    Attributes:
        network: shape of the predictor.
        teacher: name of the image model whose embeddings of views it predicts; of several, their names joined
            by " + ".
        embedding: which of the teacher's embeddings, see `crossjepa.train.cache.teacher.Teacher`; of several
            teachers, joined by " + ".
        distance: mean distance of the cameras during training, in radii of the object.
        histogram: mean color histogram of the views during training.
        teacher_sha256: checksum of the teacher's weights, which may go by several names; "" if unknown, or
            if there are several teachers.
        teachers: the teachers, if there are several, in the order in which their embeddings lie side by side;
            () if there is one.
    """

    network: PredictorConfig
    teacher: str
    embedding: str
    distance: Positive
    histogram: tuple[Share, ...]
    teacher_sha256: str = ""
    teachers: tuple[TeacherConfig, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        bins, found = self.network.histogram_bins, len(self.histogram)
        if found != bins:
            raise ValueError(f"histogram must have {bins} bins, not {found}")
        if not self.teachers:
            return
        names, widths = [each.name for each in self.teachers], [each.width for each in self.teachers]
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(f"teachers must be several of different names, not {names}")
        if sum(widths) != self.network.target_width:
            raise ValueError(f"teachers of widths {widths} do not make {self.network.target_width} channels")

    @classmethod
    def of(
        cls,
        network: PredictorConfig,
        teachers: Sequence[TeacherConfig],
        distance: float,
        histogram: tuple[float, ...],
    ) -> ViewPredictionConfig:
        """Describes a predictor of one teacher or of several."""
        several = len(teachers) > 1
        return cls(
            network,
            teacher=" + ".join(each.name for each in teachers),
            embedding=" + ".join(each.embedding for each in teachers),
            distance=distance,
            histogram=histogram,
            teacher_sha256="" if several else teachers[0].weights_sha256,
            teachers=tuple(teachers) if several else (),
        )

    @property
    def each_teacher(self) -> tuple[TeacherConfig, ...]:
        """The teachers, one or several, in the order in which their embeddings lie side by side."""
        alone = TeacherConfig(self.teacher, self.embedding, self.network.target_width, self.teacher_sha256)
        return self.teachers or (alone,)


@dataclass(frozen=True)
class HeadConfig(Checked):
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
    hidden: Annotated[int, Limit(lambda value: 0 <= value <= 1 << 16, "from 0 to 2**16")] = 256
    dropout: Stretch = 0.5
    up_axis: Axis | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("classes", "part_names"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name} must differ from each other, not {getattr(self, name)!r}")
        if not self.classes:
            raise ValueError("a head needs at least one class")
        if self.task == "partseg":
            if not self.hidden:
                raise ValueError("a part segmentation head needs hidden layers")
            if len(self.class_parts) != len(self.classes):
                raise ValueError("class_parts needs one entry per class")
            known = range(len(self.part_names))
            if not all(parts and set(parts) <= set(known) for parts in self.class_parts):
                raise ValueError(f"class_parts must name parts from 0 to {len(known) - 1} for every class")


@dataclass(frozen=True)
class ModelConfig(Checked):
    """The content of `config.json`: network, preprocessing, head, and provenance of the weights.

    Attributes:
        encoder: shape of the encoder.
        processor: preprocessing that the weights expect.
        head: head of a fine-tuned model; None for an encoder alone.
        provenance: training data, teacher, steps, measured figures and license, as plain JSON values; under
            "predictor" the same for a predictor that was trained by itself.
        format_version: version of this format, increased if a migration is needed.
        predictor: the view predictor; None for an encoder alone.
        similarity: how features are standardized before they are compared; None if that was not measured.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    processor: ProcessorConfig = field(default_factory=ProcessorConfig)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = 1
    head: HeadConfig | None = None
    predictor: ViewPredictionConfig | None = None
    similarity: SimilarityConfig | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        width = 2 * self.encoder.width
        if self.similarity and len(self.similarity.mean) != width:
            raise ValueError(f"similarity.mean must have {width} numbers, not {len(self.similarity.mean)}")

    def to_dict(self) -> dict[str, Any]:
        """Returns the configuration as plain JSON values."""
        values = {"library": "crossjepa", **dataclasses.asdict(self)}
        # Versions that do not know an entry can read files without it.
        for name in ("head", "predictor", "similarity"):
            if values[name] is None:
                del values[name]
        if self.predictor is not None and not self.predictor.teachers:
            del values["predictor"]["teachers"]
        if self.processor.outlier_removal is None:
            del values["processor"]["outlier_removal"]
        return values

    def without_predictor(self) -> ModelConfig:
        """Returns the configuration of the encoder alone."""
        provenance = {name: value for name, value in self.provenance.items() if name != "predictor"}
        return dataclasses.replace(self, predictor=None, provenance=provenance)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Rebuilds the configuration from `to_dict` or a parsed config.json.

        Raises:
            ValueError: a field is unknown or missing or has an invalid value, or the file has a newer format.
        """
        entries = {name: value for name, value in values.items() if name != "library"}
        library = values.get("library", "crossjepa")
        if library != "crossjepa":
            raise ValueError(f"a config of {library!r}, not of crossjepa")
        version = entries.get("format_version", 1)
        if version != 1:
            raise ValueError(
                f"config format {version!r} is not 1, the newest that this crossjepa reads; upgrade crossjepa"
            )
        for name in ("encoder", "processor"):
            if not isinstance(entries.get(name), Mapping):
                raise ValueError(f"the config has no {name!r} section")
        facts = entries.get("provenance")
        if isinstance(facts, Mapping) and "licence" in facts:  # 0.1.0 spelled it so
            renamed = {"licence": "license"}
            entries["provenance"] = {renamed.get(name, name): value for name, value in facts.items()}
        return from_dict(cls, entries, complete=True)


NAMED_SIZES: dict[str, EncoderConfig] = {
    "crossjepa-base": EncoderConfig(),
    "crossjepa-test": EncoderConfig(
        width=24, depth=2, num_heads=2, num_groups=8, group_size=4, num_points=64
    ),
}
