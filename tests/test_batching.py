"""The one road: inputs that fail, iterables, prepared inputs, and the types that a user sees."""

from __future__ import annotations

import gc
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import assert_type

from crossjepa import CrossJEPAEncoder, HeadConfig, PointCloudError, PointCloudWarning, Prediction
from crossjepa.batching import prepare_each, prepared_batches
from crossjepa.config import Axis
from crossjepa.io import Mesh, read
from crossjepa.processor import Input, PointCloudProcessor, Prepared
from tests.conftest import SAMPLES

HEAD = HeadConfig("classification", ("a", "b", "c"), hidden=0)


def clouds(count: int, points: int = 40) -> list[NDArray[np.float64]]:
    return list(np.random.default_rng(0).normal(size=(count, points, 3)))


@pytest.fixture
def mixed(tmp_path: Path) -> list[Input]:
    """Seven inputs, of which 0, 3 and 6 cannot be used."""
    (tmp_path / "bad.obj").write_text("v 1 2\n")
    first, second, third, fourth = clouds(4)
    return ["no-such.ply", first, second, tmp_path / "bad.obj", third, fourth, np.full((4, 3), np.nan)]


GOOD = [1, 2, 4, 5]


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_skipped_inputs_keep_the_order_of_the_rows(
    tiny: CrossJEPAEncoder, mixed: list[Input], batch_size: int
) -> None:
    tiny.reset_classifier(HEAD)
    good = [mixed[row] for row in GOOD]
    calls: tuple[Callable[..., NDArray[np.float32]], ...] = (tiny.encode, tiny.predict_proba)
    for call in calls:
        with pytest.warns(UserWarning) as caught:
            rows = call(mixed, batch_size=batch_size, on_error="skip")
        messages = [str(warning.message) for warning in caught]
        assert len(messages) == 3
        for message, (row, name) in zip(
            messages, ((0, "no-such.ply"), (3, "bad.obj"), (6, "array 6 of 7")), strict=True
        ):
            assert message.startswith(f"skipped input {row}") and name in message
        assert np.isnan(rows[[0, 3, 6]]).all()
        np.testing.assert_array_equal(rows[GOOD], call(good, batch_size=batch_size))


def test_a_callable_collects_the_errors(tiny: CrossJEPAEncoder, mixed: list[Input]) -> None:
    tiny.reset_classifier(HEAD)
    errors: dict[int, PointCloudError] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features = tiny.encode(mixed, on_error=errors.__setitem__)
    assert sorted(errors) == [0, 3, 6]
    assert errors[3].source.endswith("bad.obj")
    assert features.shape == (7, 48)
    errors.clear()
    points = tiny.encode_points(mixed, on_error=errors.__setitem__)
    assert sorted(errors) == [0, 3, 6]
    assert [each.shape for each in points] == [(40 * (row in GOOD), 24) for row in range(7)]
    np.testing.assert_array_equal(points[1], tiny.encode_points(mixed[1]))
    answers = tiny.predict(mixed, on_error=lambda row, error: None)
    assert [answer.label != "" for answer in answers] == [row in GOOD for row in range(7)]
    assert np.isnan(answers[0].probability) and answers[0].probabilities == {}


def test_inputs_that_all_fail(tiny: CrossJEPAEncoder) -> None:
    with pytest.warns(UserWarning, match=r"no-such\.ply"):
        features = tiny.encode(["no-such.ply"] * 2, on_error="skip")
    assert features.shape == (2, 48) and np.isnan(features).all()
    with pytest.warns(UserWarning, match=r"no-such\.ply"):
        assert np.isnan(tiny.encode("no-such.ply", on_error="skip")).all()


def test_errors_are_raised_by_default_and_other_words_are_refused(
    tiny: CrossJEPAEncoder, mixed: list[Input]
) -> None:
    for call in (tiny.encode, tiny.encode_points):
        with pytest.raises(PointCloudError, match=r"no-such\.ply"):
            call(mixed)
    with pytest.raises(ValueError, match="on_error must be 'raise', 'skip' or a callable, not 'ignore'"):
        tiny.encode(mixed, on_error="ignore")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="up_axis must be"):
        tiny.encode(mixed[1:2], on_error="skip", up_axis="w")  # type: ignore[call-overload]


@pytest.mark.slow
def test_iterables_are_read_one_batch_at_a_time(tiny: CrossJEPAEncoder) -> None:
    expected = tiny.encode(clouds(10), batch_size=3)
    seen: list[weakref.ref[NDArray[np.float64]]] = []

    def source() -> Iterator[NDArray[np.float64]]:
        for cloud in clouds(10):
            mine = cloud.copy()
            seen.append(weakref.ref(mine))
            gc.collect()
            assert sum(each() is not None for each in seen) <= 2, "inputs are let go of once prepared"
            yield mine

    np.testing.assert_array_equal(tiny.encode(source(), batch_size=3), expected)


def test_batches_are_full_but_the_last(tiny: CrossJEPAEncoder, mixed: list[Input]) -> None:
    items = prepare_each(mixed, tiny.processor, on_error=lambda row, error: None)
    batches = list(prepared_batches(items, 3))
    assert [points_BN3.shape for points_BN3, _ in batches] == [(3, 40, 3), (1, 40, 3)]
    ready = [Prepared(torch.randn(size, 3), np.zeros((0, 3))) for size in (2, 5)]
    ((points_BN3, mask_BN),) = prepared_batches(ready, 3)
    assert mask_BN is not None
    assert mask_BN.sum(dim=1).tolist() == [2, 5]
    assert (points_BN3[0, 2:] == 0).all()


def test_prepared_inputs_are_not_prepared_again(tiny: CrossJEPAEncoder) -> None:
    tiny.reset_classifier(HEAD)
    cloud = clouds(1, 500)[0] * 7 + 3
    prepared = tiny.processor.prepare(cloud, up_axis="z")
    assert tiny.processor.prepare(prepared) is prepared
    for call in (tiny.encode, tiny.encode_points, tiny.predict_proba):
        np.testing.assert_array_equal(call(prepared), call(cloud, up_axis="z"))


@pytest.mark.parametrize("up_axis", ["y", "z"])
def test_queries_are_the_original_points_in_the_frame_of_the_network(up_axis: str) -> None:
    processor = PointCloudProcessor()
    cloud = clouds(1, 300)[0] * 9 - 4
    prepared = processor.prepare(cloud, up_axis=up_axis)  # type: ignore[arg-type]
    assert prepared.queries.dtype == prepared.points.dtype == torch.float32
    distances = torch.cdist(prepared.queries.double(), prepared.points.double())
    assert distances.amin(dim=1).max() < 1e-5, "the same points in another order"
    turned = cloud if up_axis == "y" else cloud @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    np.testing.assert_allclose(prepared.queries, prepared.frame.apply(turned), atol=1e-6)
    mesh = read(SAMPLES / "chair.obj")
    assert processor.prepare(mesh).queries.shape == (len(mesh.vertices_V3), 3)  # type: ignore[union-attr]


def test_tensors_on_request_can_be_trained_on(tiny: CrossJEPAEncoder) -> None:
    features = tiny.encode(clouds(3), batch_size=2, convert_to_tensor=True)
    np.testing.assert_array_equal(features.numpy(), tiny.encode(clouds(3), batch_size=2))
    layer = torch.nn.Linear(48, 2)
    layer(features).sum().backward()
    assert layer.weight.grad is not None


def test_types_need_no_asserts(tiny: CrossJEPAEncoder) -> None:
    """What mypy knows of results, in strict mode."""
    tiny.reset_classifier(HEAD)
    cloud, several = clouds(1)[0], clouds(2)
    files = [SAMPLES / "chair.obj", SAMPLES / "table.obj"]
    assert_type(tiny.encode(cloud), NDArray[np.float32])
    assert_type(tiny.encode(files, normalize=True), NDArray[np.float32])
    assert_type(tiny.encode(several, convert_to_tensor=True), Tensor)
    assert_type(tiny.encode_points(str(files[0])), NDArray[np.float32])
    assert_type(tiny.encode_points(files), list[NDArray[np.float32]])
    assert_type(tiny.predict(cloud), Prediction)
    assert_type(tiny.predict(several), list[Prediction])
    assert_type(tiny.predict(files)[0].label, str)
    assert_type(tiny.predict_proba(several), NDArray[np.float32])


def test_what_was_in_evaluation_mode_stays_so(tiny: CrossJEPAEncoder) -> None:
    tiny.train()
    tiny.network.eval()
    try:
        tiny.encode(clouds(1))
        assert tiny.training
        assert not any(module.training for module in tiny.network.modules())
    finally:
        tiny.eval()


@pytest.mark.parametrize("up_axis", ["y", "z"])
def test_features_of_points_keep_the_order_if_some_are_not_finite(
    tiny: CrossJEPAEncoder, up_axis: Axis
) -> None:
    points_N3 = clouds(1, 50)[0]
    broken_M3 = np.insert(points_N3, [0, 20, 50], np.nan, axis=0)
    with pytest.warns(PointCloudWarning, match="3 of 53 points are not finite and were left out"):
        features_MC = tiny.encode_points(broken_M3, up_axis=up_axis)
    lost_M = np.isnan(broken_M3).all(axis=1)
    assert np.isnan(features_MC[lost_M]).all()
    np.testing.assert_array_equal(features_MC[~lost_M], tiny.encode_points(points_N3, up_axis=up_axis))
    with pytest.warns(PointCloudWarning):
        np.testing.assert_array_equal(
            tiny.encode(broken_M3, up_axis=up_axis), tiny.encode(points_N3, up_axis=up_axis)
        )


def test_features_of_vertices_keep_the_order_if_some_are_not_finite(tiny: CrossJEPAEncoder) -> None:
    mesh = read(SAMPLES / "chair.obj")
    assert isinstance(mesh, Mesh)
    broken = Mesh(np.vstack([[[np.inf] * 3], mesh.vertices_V3]), mesh.faces_F3 + 1)
    with pytest.warns(PointCloudWarning, match="no face uses them"):
        features_MC = tiny.encode_points(broken)
    assert np.isnan(features_MC[0]).all()
    np.testing.assert_array_equal(features_MC[1:], tiny.encode_points(mesh))


def test_parts_of_points_that_are_not_finite_have_no_name(tiny: CrossJEPAEncoder) -> None:
    tiny.reset_classifier(HeadConfig("partseg", ("a",), ("a/top", "a/leg"), ((0, 1),), hidden=8))
    points_N3 = clouds(1, 50)[0]
    with pytest.warns(PointCloudWarning):
        found = tiny.predict_parts(np.insert(points_N3, 7, np.nan, axis=0))
    assert (found.parts_N[7], found.names_N[7]) == (-1, "")
    assert np.isnan(found.probabilities_N[7])
    np.testing.assert_array_equal(np.delete(found.parts_N, 7), tiny.predict_parts(points_N3).parts_N)


def test_what_is_in_memory_is_named_by_its_place(tiny: CrossJEPAEncoder) -> None:
    inputs = [*clouds(4), np.full((5, 3), np.nan)]
    with pytest.raises(PointCloudError, match="array 4 of 5: none of its 5 points is finite"):
        tiny.encode(inputs)
    with pytest.raises(PointCloudError, match="array 4 of 5: "):
        tiny.encode_points(iter(inputs))
    with pytest.raises(PointCloudError, match="array: none"):
        tiny.encode(inputs[4])
    inputs[2][3] = np.inf
    with pytest.warns(PointCloudWarning, match="array 2 of 4: 1 of 40 points"):
        tiny.encode(inputs[:4])


@pytest.mark.parametrize("shape", [(2, 3, 100), (2, 6, 100), (3, 100)])
def test_coordinates_in_rows_are_refused(tiny: CrossJEPAEncoder, shape: tuple[int, ...]) -> None:
    points = np.random.default_rng(0).random(shape)
    for array in (points, torch.from_numpy(points)):
        with pytest.raises(PointCloudError, match=r"shape .*: coordinates are in rows; transpose it to 100x"):
            tiny.encode(array)


def test_whatever_an_input_raises_costs_the_others_nothing(tiny: CrossJEPAEncoder) -> None:
    class Broken:
        @property
        def points(self) -> NDArray[np.float64]:
            raise RuntimeError("on fire")

    good = clouds(2)
    mixed: list[Any] = [good[0], Broken(), good[1]]
    with pytest.warns(UserWarning, match=r"skipped input 1, Broken 1 of 3: .*RuntimeError: on fire"):
        rows = tiny.encode(mixed, on_error="skip")
    np.testing.assert_array_equal(rows[[0, 2]], tiny.encode(good))


class Unforeseen:
    """A mesh of another library whose data cannot be had, which no reader foresees."""

    faces = np.zeros((1, 3), np.int64)

    def __init__(self, error: Exception) -> None:
        self.error = error

    @property
    def vertices(self) -> NDArray[np.float64]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("lost"), r"cannot be read \(RuntimeError: lost\); give an \(N, 3\) array .*"),
        (KeyError("x"), r"cannot be read \(KeyError: 'x'\); give .*"),
        (RecursionError(), r"cannot be read \(RecursionError\); give .*"),
        (MemoryError(), "needs more memory than there is"),
    ],
)
def test_no_error_of_one_input_costs_the_others(
    tiny: CrossJEPAEncoder, error: Exception, reason: str
) -> None:
    cloud, bad = clouds(1)[0], cast(Input, Unforeseen(error))
    with pytest.raises(PointCloudError, match=rf"^Unforeseen: {reason}$") as caught:
        tiny.encode(bad)
    assert caught.value.__cause__ is error
    with pytest.raises(PointCloudError, match=rf"^Unforeseen 1 of 3: {reason}$") as caught:
        tiny.encode([cloud, bad, cloud])
    assert caught.value.__cause__ is error
    with pytest.raises(PointCloudError, match=rf"^Unforeseen 1: {reason}$"):
        tiny.encode(each for each in [cloud, bad])
    errors: dict[int, PointCloudError] = {}
    features = tiny.encode([cloud, bad, cloud], on_error=errors.__setitem__)
    assert list(errors) == [1]
    np.testing.assert_array_equal(features[[0, 2]], tiny.encode([cloud, cloud]))
    assert [len(each) for each in tiny.encode_points([cloud, bad], on_error=errors.__setitem__)] == [40, 0]


def test_errors_that_are_of_no_input_stay_what_they_are(tiny: CrossJEPAEncoder) -> None:
    with pytest.raises(ValueError, match="up_axis must be 'x', 'y' or 'z', not 'w'") as caught:
        tiny.encode(clouds(2), up_axis=cast(Axis, "w"), on_error="skip")
    assert not isinstance(caught.value, PointCloudError)


def test_which_of_the_arrays_cannot_be_used(tiny: CrossJEPAEncoder) -> None:
    inputs: list[Input] = [*clouds(45), np.full((600, 3), np.nan)]
    with pytest.raises(PointCloudError, match=r"^array 45 of 46: "):
        tiny.encode(inputs)
    with pytest.raises(PointCloudError, match=r"^array: "):
        tiny.encode(inputs[-1])
    with pytest.raises(PointCloudError, match=r"^no-such\.ply: "):
        tiny.encode([*inputs[:3], "no-such.ply"])


@pytest.mark.slow
def test_workers_change_no_bit_and_no_message(tiny: CrossJEPAEncoder, tmp_path: Path) -> None:
    torch.set_num_threads(2)  # whose threads a forked worker would wait for
    np.save(tmp_path / "odd.npy", np.vstack([clouds(1)[0], [[np.nan] * 3]]))
    (tmp_path / "bad.obj").write_text("v 1 2\n")
    cloud = clouds(1)[0]
    mixed: list[Input] = [
        *sorted(SAMPLES.glob("*.obj")), *clouds(3, 200), tmp_path / "bad.obj", torch.from_numpy(cloud),
        tmp_path / "odd.npy", read(SAMPLES / "chair.obj"), np.full((4, 3), np.nan), tiny.preprocess(cloud),
    ]  # fmt: skip
    errors: list[PointCloudError] = []

    def inputs(workers: int) -> Iterator[Input]:
        """First the bad file, until it is a worker that has read it: its errors come without their frames."""
        while workers and not any("_prepare" not in frames(error) for error in errors):
            yield tmp_path / "bad.obj"
        errors.clear()
        yield from mixed

    found = []
    for workers in (0, 2):
        with pytest.warns(PointCloudWarning) as caught:
            rows = tiny.encode(
                inputs(workers),
                batch_size=3,
                on_error=lambda row, error: errors.append(error),
                workers=workers,
            )
        said = [str(warning.message).partition(" ")[2] for warning in caught]
        found.append((rows[-len(mixed) :], [error.reason for error in errors[-2:]], said))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1:] == found[1][1:]
    assert np.flatnonzero(np.isnan(found[0][0]).all(axis=1)).tolist() == [11, 15]
    with pytest.raises(PointCloudError, match=r"bad\.obj: ") as raised:
        tiny.encode(mixed, workers=1)
    assert raised.value.source == str(tmp_path / "bad.obj")
    prepared = prepare_each(mixed[:1], tiny.processor, workers=1)
    np.testing.assert_array_equal(next(prepared).queries, tiny.processor.prepare(mixed[0]).queries)  # type: ignore[union-attr]


def frames(error: Exception) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


@pytest.mark.slow
def test_generators_are_read_as_their_items_are_needed(tiny: CrossJEPAEncoder) -> None:
    """More of them than memory holds: each is gone when the next is asked for."""
    alive: list[weakref.ref[NDArray[np.float64]]] = []

    def source(points: int) -> Iterator[NDArray[np.float64]]:
        for _ in range(6):
            cloud = np.random.default_rng(len(alive)).random((points, 3))
            alive.append(weakref.ref(cloud))
            yield cloud
            del cloud
            gc.collect()
            assert sum(each() is not None for each in alive) <= 1

    assert len(tiny.encode_points(source(50))) == 6
    assert tiny.encode(source(50), batch_size=2).shape == (6, 48)
