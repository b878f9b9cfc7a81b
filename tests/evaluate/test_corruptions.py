"""Corrupted clouds: one random stream, features that are kept, official files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa import PointCloudError
from crossjepa.config import Axis
from crossjepa.datasets import Dataset, load
from crossjepa.evaluate import FeatureCache, evaluate
from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.corruptions import Benchmark, Corruption, Random, corrupt, measure, stored_clouds
from tests.evaluate.conftest import Spreads, save, solids


def add_noise(points_N3: NDArray[np.float64], level: int, rng: Random) -> NDArray[np.float64]:
    return points_N3 + 0.1 * level * rng.standard_normal(points_N3.shape)


def keep_some(points_N3: NDArray[np.float64], level: int, rng: Random) -> NDArray[np.float64]:
    return points_N3[rng.permutation(len(points_N3))[: 1000 - 100 * level]]


SMALL = Benchmark(
    "small",
    [Corruption("noise", add_noise), Corruption("dropout", keep_some)],
    seed=7,
    choose=lambda corruption, count, rng: slice(1024),
    rows="the first",
    file=lambda name, level: f"{name}_{level}.h5" if name else "clean.h5",
)


def large(path: Path, per_class: int = 5, points: int = 1100, up_axis: Axis = "z") -> Dataset:
    """Solids of many points each."""
    clouds, labels = solids(2 * per_class, 0, points)
    split = np.array(["train", "test"] * (len(clouds) // 2))
    np.savez(path, points=clouds, labels=labels, split=split)
    return load("clouds", path, up_axis=up_axis)


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return large(tmp_path / "solids.npz")


def test_the_random_stream_goes_over_corruptions_levels_and_clouds() -> None:
    clouds = np.random.default_rng(0).normal(size=(3, 1100, 3))
    rng = Random(7)
    found = list(corrupt(SMALL, clouds))
    assert len(found) == 10
    for apply, levels in ((add_noise, found[:5]), (keep_some, found[5:])):
        for level, made in enumerate(levels):
            for cloud, changed in zip(clouds, made, strict=True):
                np.testing.assert_array_equal(changed, apply(cloud[:1024], level, rng))


def test_clouds_are_in_the_unit_sphere_with_y_up(data: Dataset) -> None:
    context = EvaluationContext(data, Spreads())
    clouds = stored_clouds(context, np.array([3, 5]))
    assert clouds.shape == (2, 1100, 3)
    np.testing.assert_allclose(clouds.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(clouds, axis=2).max(axis=1), 1)
    original = data[3].points_N3 - data[3].points_N3.mean(axis=0)
    ratio = clouds[0, :, 1] / original[:, 2]
    np.testing.assert_allclose(ratio, ratio[0])


def test_clean_accuracy_is_that_of_the_linear_probe(tmp_path: Path) -> None:
    data = large(tmp_path / "solids.npz", points=1024, up_axis="y")
    found = measure(EvaluationContext(data, Spreads()), SMALL)
    assert found.clean == evaluate("linear", data, Spreads()).metrics["accuracy"]
    assert found.corrupted["noise"][0] == pytest.approx(found.clean, abs=0.1)
    assert {name: len(levels) for name, levels in found.corrupted.items()} == {"noise": 5, "dropout": 5}


def test_the_first_points_are_taken(data: Dataset) -> None:
    extractor = Spreads()
    measure(EvaluationContext(data, extractor), SMALL)
    assert sorted(set(extractor.seen)) == [600, 700, 800, 900, 1000, 1024]


def test_an_interrupted_evaluation_goes_on_where_it_stopped(data: Dataset, tmp_path: Path) -> None:
    class Interrupted(Spreads):
        def extract(self, clouds, up_axis, *, batch_size=32, progress=None):  # type: ignore[no-untyped-def]
            features = super().extract(clouds, up_axis)
            self.pools.append(None)
            if len(self.pools) == 6:  # train, clean, and four levels
                raise KeyboardInterrupt
            return features

    cache, interrupted = FeatureCache(tmp_path / "cache"), Interrupted()
    with pytest.raises(KeyboardInterrupt):
        measure(EvaluationContext(data, interrupted, cache=cache), SMALL)
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 5
    resumed = Spreads()
    found = measure(EvaluationContext(data, resumed, cache=cache), SMALL)
    assert len(resumed.seen) == 7 * 30  # the fourth level and the six after it, 30 test clouds each
    assert found.corrupted == measure(EvaluationContext(data, Spreads()), SMALL).corrupted
    again = Spreads()
    assert measure(EvaluationContext(data, again, cache=cache), SMALL).corrupted == found.corrupted
    assert not again.seen


def test_fewer_clouds_are_corrupted_as_they_are_among_all(data: Dataset) -> None:
    class Kept(Spreads):
        clouds: list[bytes]

        def extract(self, clouds, up_axis, *, batch_size=32, progress=None):  # type: ignore[no-untyped-def]
            read = list(clouds)
            self.clouds = [*getattr(self, "clouds", []), *(cloud.tobytes() for cloud in read)]
            return super().extract(read, up_axis)

    everything, few = Kept(), Kept()
    measure(EvaluationContext(data, everything), SMALL)
    found = measure(EvaluationContext(data, few), SMALL, test_clouds=5)
    assert set(few.clouds) < set(everything.clouds)
    assert len(few.clouds) == 30 + 30 + 10 * 5
    assert found.settings["test"] == "5 of 30 clouds of test, drawn with seed 0: for a quick look only"


def test_the_test_split_can_be_left_alone(data: Dataset) -> None:
    extractor = Spreads()
    found = measure(EvaluationContext(data, extractor, holdout=True), SMALL)
    assert "of holdout" in found.settings["test"]


def test_clouds_with_too_few_points_are_refused(tmp_path: Path) -> None:
    boxes = load("clouds", save(tmp_path / "boxes.npz", per_class=4))
    with pytest.raises(ValueError, match=r"has clouds of 64 points; this protocol needs at least 1,024"):
        measure(EvaluationContext(boxes, Spreads()), SMALL)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        measure(EvaluationContext(large(tmp_path / "a.npz"), Spreads()), SMALL, test_clouds=0)


def forty(data: Dataset) -> Dataset:
    """The same clouds, their six classes among forty that are not in alphabetical order."""
    names = [f"class {number:02d}" for number in range(40)][::-1]
    return replace(data, classes=tuple(names))


def write_official(folder: Path, data: Dataset) -> None:
    """Official files of the test split, whose classes are numbered alphabetically."""
    h5py = pytest.importorskip("h5py")
    places = data.where("test")
    clouds = stored_clouds(EvaluationContext(data, Spreads()), places)
    labels = np.array([39 - data.labels_n[place] for place in places])[:, None]
    levels = [list(clouds[:, :1024]), *corrupt(SMALL, clouds)]
    files = ["clean.h5", *(f"{name}_{level}.h5" for name in ("noise", "dropout") for level in range(5))]
    folder.mkdir()
    for file, made in zip(files, levels, strict=True):
        with h5py.File(folder / file, "w") as content:
            content["data"], content["label"] = np.stack(made), labels


def test_official_files_give_what_re_creating_them_gives(data: Dataset, tmp_path: Path) -> None:
    data = forty(data)
    write_official(tmp_path / "small_c", data)
    context = EvaluationContext(data, Spreads())
    found = measure(context, SMALL, tmp_path / "small_c")
    expected = measure(context, SMALL)
    assert found.settings["clouds"] == "small, official files"
    assert found.corrupted == expected.corrupted
    few = measure(context, SMALL, tmp_path / "small_c", test_clouds=5)
    assert few.corrupted == measure(context, SMALL, test_clouds=5).corrupted
    (tmp_path / "small_c" / "dropout_3.h5").unlink()
    with pytest.raises(PointCloudError, match=r"dropout_3\.h5: no such file; small has one for each"):
        measure(context, SMALL, tmp_path / "small_c")
    with pytest.raises(ValueError, match="--holdout"):
        measure(EvaluationContext(data, Spreads(), holdout=True), SMALL, tmp_path / "small_c")
