"""Shapes with everything that is shown of them: points, features, and what the head says.

N points of a shape, C channels, D principal components
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from crossjepa.batching import OnError, as_inputs, prepare_each
from crossjepa.config import Axis
from crossjepa.defaults import SHOWN_POINTS
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.io import Mesh, PointCloudWarning
from crossjepa.model_files import weights_digest
from crossjepa.processor import Input, Prepared, load, name_in_errors, rotate_up_axis, sample_mesh
from crossjepa.train.render.sheet import short_names
from crossjepa.view.colors import Components, component_colors, name_colors

# Of 288 channels, 32 components hold nearly all of the variance, and a page of them is small.
COMPONENTS = 32
COLORINGS = ("features", "within", "prediction")


@dataclass(frozen=True, eq=False)
class Shown:
    """A shape on a page or picture.

    Attributes:
        name: what it is called.
        kind: "mesh" or "cloud".
        count: points or vertices that it has.
        points_N3: (N, 3) float32 shown points, centroid 0, largest radius about 1, y up.
        original_N3: (N, 3) float64 the same points in the coordinates of the file.
        coordinates_ND: (N, D) float32 principal components of their features, the same for all shapes.
        colors_N3: (N, 3) uint8 the first three of them as colors.
        within_N3: (N, 3) uint8 colors of the principal components of features less the mean of their shape.
        label: predicted class, or the given one of a model of parts; "" without such a head.
        probability: probability of the predicted class.
        parts_N: (N,) int64 number of the predicted part among `Scene.names`; None without such a head.
    """

    name: str
    kind: str
    count: int
    points_N3: NDArray[np.float32]
    original_N3: NDArray[np.float64]
    coordinates_ND: NDArray[np.float32]
    colors_N3: NDArray[np.uint8]
    within_N3: NDArray[np.uint8]
    label: str = ""
    probability: float = float("nan")
    parts_N: NDArray[np.int64] | None = None

    def names_N(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Returns the (N,) numbers, among the names of the scene, of what the head says of each point."""
        if self.parts_N is not None:
            return self.parts_N
        return np.full(len(self.points_N3), names.index(self.label), np.int64)


@dataclass(frozen=True, eq=False)
class Scene:
    """Shapes that share their colors.

    Attributes:
        shapes: the shapes.
        model: name of the model.
        weights: checksum of its weights.
        variance: share of the features' variance that the components hold.
        names: classes or parts that were predicted, () without a head.
        name_colors_K3: (K, 3) uint8 their colors.
        task: "classification", "partseg", or "" without a head.
    """

    shapes: tuple[Shown, ...]
    model: str
    weights: str
    variance: float
    names: tuple[str, ...] = ()
    name_colors_K3: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 3), np.uint8))
    task: str = ""

    def point_colors(self, shape: Shown, color: str = "features") -> NDArray[np.uint8]:
        """Returns the (N, 3) uint8 colors of a shape's points.

        Args:
            shape: one of the shapes.
            color: one of `COLORINGS`: "features" for the principal components of features, "within" for those
                of features less the mean of their shape, "prediction" for what the head says.

        Raises:
            ValueError: the model has no head, or there is no such coloring.
        """
        if color not in COLORINGS:
            raise ValueError(f"color must be one of {', '.join(COLORINGS)}, not {color!r}")
        if color != "prediction":
            return shape.within_N3 if color == "within" else shape.colors_N3
        if not self.task:
            raise ValueError(f"{self.model} has no head that could predict anything: use color 'features'")
        return np.asarray(self.name_colors_K3[shape.names_N(self.names)])


def make_scene(
    encoder: CrossJEPAEncoder,
    sources: Input | Iterable[Input],
    *,
    names: Sequence[str] | None = None,
    model: str = "",
    points: int = SHOWN_POINTS,
    label: str | None = None,
    up_axis: Axis | None = None,
    on_error: OnError = "raise",
) -> Scene:
    """Encodes shapes, and asks the head of the model if it has one.

    Args:
        encoder: the model.
        sources: one input or several, as in `CrossJEPAEncoder.encode`.
        names: their names; by default those of the files.
        model: what to call the model.
        points: points to show of each: samples of the surface of a mesh, or points of a cloud if it has more.
        label: class of the shapes, which a model of parts takes as known.
        up_axis: the axis that points up in the data; the one of the weights or of the head by default.
        on_error: as in `encode`; inputs that cannot be used are left out.

    Returns:
        The scene.

    Raises:
        PointCloudError: an input cannot be used; the message names it and the reason.
        ValueError: no input can be used, there are no points to show, or a model of parts needs a class.

    Example:
        >>> encoder = crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base")
        >>> scene = make_scene(encoder, ["chair.obj", "table.obj"], points=500)
        >>> scene.shapes[0].name, scene.shapes[0].colors_N3.shape
        ('chair.obj', (500, 3))
    """
    if points < 1:
        raise ValueError(f"points to show must be at least 1, not {points}")
    inputs = list(as_inputs(sources)[0])
    paths = [
        source if isinstance(source, (str, os.PathLike)) else f"{name_in_errors(source)} {row}"
        for row, source in enumerate(inputs)
    ]
    called = list(names) if names is not None else short_names(paths)
    axis = up_axis or (encoder.head_up_axis if encoder.classes else None) or encoder.processor.config.up_axis
    kept: list[tuple[str, str, int, Prepared]] = []
    for name, source, prepared in zip(
        called, inputs, prepare_each(inputs, encoder.processor, up_axis=axis, on_error=on_error), strict=True
    ):
        if prepared is not None:
            kept.append((name, *_to_show(encoder, source, prepared, points, axis)))
    if not kept:
        raise ValueError("there is nothing to show: no input could be used")
    shown = [prepared for *_, prepared in kept]
    features = encoder.encode_points(shown)
    components = Components.of(features, COMPONENTS)
    coordinates = [components(each_NC) for each_NC in features]
    inner = [each_NC - each_NC.mean(axis=0) for each_NC in features]
    inner_components = Components.of(inner, 3)
    within = component_colors([inner_components(each_NC) for each_NC in inner])
    weights_axis = encoder.processor.config.up_axis
    shapes = [
        Shown(
            name, kind, count,
            rotate_up_axis(prepared.queries.double().numpy(), weights_axis, "y").astype(np.float32),
            rotate_up_axis(np.asarray(prepared.original, np.float64), weights_axis, axis),
            coordinates_ND.astype(np.float32), colors_N3, within_N3,
        )
        for (name, kind, count, prepared), coordinates_ND, colors_N3, within_N3 in zip(
            kept, coordinates, component_colors(coordinates), within, strict=True
        )
    ]  # fmt: skip
    scene = Scene(tuple(shapes), model or "encoder", weights_digest(encoder), components.share)
    return _with_predictions(scene, encoder, shown, label)


def _to_show(
    encoder: CrossJEPAEncoder, source: Input, prepared: Prepared, points: int, axis: Axis
) -> tuple[str, int, Prepared]:
    """Returns kind and size of a shape, and itself with other points to ask for than its own."""
    known = encoder.processor.config
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PointCloudWarning)  # which `prepare_each` gave already
        shape = None if isinstance(source, Prepared) else load(source)
    if isinstance(shape, Mesh):
        surface_N3 = sample_mesh(shape, points, known.seed, axis)
        surface_N3 = rotate_up_axis(surface_N3, axis, known.up_axis)
        return "mesh", len(shape.vertices_V3), Prepared(prepared.points, surface_N3, prepared.frame)
    count = len(prepared.original)
    chosen_N = np.arange(count)
    if count > points:
        chosen_N = np.sort(np.random.default_rng(known.seed).permutation(count)[:points])
    return "cloud", count, Prepared(prepared.points, prepared.original[chosen_N], prepared.frame)


def _with_predictions(
    scene: Scene, encoder: CrossJEPAEncoder, shown: Sequence[Prepared], label: str | None
) -> Scene:
    if not encoder.classes:
        return scene
    if encoder.part_names:
        answers = encoder.predict_parts(shown, label)
        numbers = np.unique(np.concatenate([answer.parts_N for answer in answers]))
        names = tuple(encoder.part_names[number] for number in numbers)
        known = label or encoder.classes[0]
        shapes = [
            replace(shape, label=known, parts_N=np.searchsorted(numbers, answer.parts_N))
            for shape, answer in zip(scene.shapes, answers, strict=True)
        ]
    else:
        predictions = encoder.predict(shown)
        found = {prediction.label for prediction in predictions}
        names = tuple(name for name in encoder.classes if name in found)
        shapes = [
            replace(shape, label=prediction.label, probability=prediction.probability)
            for shape, prediction in zip(scene.shapes, predictions, strict=True)
        ]
    task = "partseg" if encoder.part_names else "classification"
    return replace(
        scene, shapes=tuple(shapes), names=names, name_colors_K3=name_colors(len(names)), task=task
    )
