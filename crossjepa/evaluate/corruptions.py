"""What the protocols on corrupted clouds share: the clouds, their features, and the classifier.

n clouds of the test part, m evaluated clouds, N points
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.datasets.splits import Partition
from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.corrupted_files import CorruptedFiles
from crossjepa.evaluate.features import Points, Transform
from crossjepa.evaluate.linear import LinearMachine, fit_linear_svm
from crossjepa.evaluate.probes import folds_of
from crossjepa.hashing import file_digest
from crossjepa.io import PointCloudError
from crossjepa.processor import rotate_up_axis, unit_sphere

LEVELS, POINTS = 5, 1024
_TOO_FEW = f"{{}} has clouds of {{}} points; this protocol needs at least {POINTS:,}"
# The benchmarks were made with NumPy's old generator, by one stream over corruptions, levels and clouds.
Random = np.random.RandomState


@dataclass(frozen=True)
class Corruption:
    """One corruption of a benchmark.

    Attributes:
        name: its name in the benchmark.
        apply: returns the corrupted points, given (N, 3) points with y up, a level from 0 to 4, and a
            generator.
        points: number of points that it starts from.
    """

    name: str
    apply: Callable[[Points, int, Random], Points]
    points: int = POINTS


@dataclass(frozen=True)
class Benchmark:
    """A benchmark of corrupted clouds.

    Attributes:
        name: its name.
        corruptions: its corruptions, in the order in which they draw random numbers.
        seed: seed of all random numbers.
        choose: returns the rows of N stored ones that are corrupted, the same for all clouds.
        rows: which these are, in words.
        file: returns the name of the official file of a corruption and level, or of clean clouds (None, 0).
    """

    name: str
    corruptions: Sequence[Corruption]
    seed: int
    choose: Callable[[Corruption, int, Random], slice | NDArray[np.int64]]
    rows: str
    file: Callable[[str | None, int], str]


def corrupt(benchmark: Benchmark, clouds_nN3: NDArray[np.float64]) -> Iterator[list[Points]]:
    """Yields the corrupted clouds of every corruption and level, in the order of the benchmark.

    Args:
        benchmark: what is done.
        clouds_nN3: (n, N, 3) clouds in the unit sphere, y up.
    """
    rng = Random(benchmark.seed)
    for corruption in benchmark.corruptions:
        for level in range(LEVELS):
            rows = benchmark.choose(corruption, clouds_nN3.shape[1], rng)
            yield [corruption.apply(points_N3[rows].copy(), level, rng) for points_N3 in clouds_nN3]


def stored_clouds(context: EvaluationContext, places_n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns (n, N, 3) clouds in the unit sphere, y up, N the smallest number of points in any of them.

    Raises:
        ValueError: a cloud has fewer than 1,024 points.
    """
    clouds = []
    for place in places_n.tolist():
        points_N3 = context.dataset[place].points_N3
        if len(points_N3) < POINTS:
            raise ValueError(_TOO_FEW.format(context.dataset.names[place], len(points_N3)))
        frame = unit_sphere(points_N3)
        clouds.append((points_N3 - frame.centroid_3) / frame.radius)
    fewest = min(map(len, clouds))
    up_axis = context.dataset.up_axis
    return np.stack([rotate_up_axis(points_N3[:fewest], up_axis, "y") for points_N3 in clouds])


@dataclass(frozen=True, eq=False)
class Accuracies:
    """Accuracies of one classifier on clean and corrupted clouds.

    Attributes:
        clean: accuracy on clean test clouds.
        corrupted: accuracy by corruption, for each level.
        settings: how they were measured.
    """

    clean: float
    corrupted: dict[str, list[float]]
    settings: dict[str, Any]


def measure(
    context: EvaluationContext,
    benchmark: Benchmark,
    corrupted: str | os.PathLike[str] | None = None,
    test_clouds: int | None = None,
) -> Accuracies:
    """Fits the default linear SVM on clean training clouds and tests it on all levels of all corruptions.

    Features of every level are cached as soon as they are complete, so that an interrupted evaluation goes on
    where it stopped.

    Args:
        context: data and features.
        benchmark: the benchmark.
        corrupted: folder of the official files; without it, test clouds are corrupted here.
        test_clouds: evaluate only this many, drawn at random; for a quick look.

    Raises:
        ValueError: the official files do not fit the data set, or the clouds have too few points.
        PointCloudError: an official file is missing or damaged.
    """
    _check(context, benchmark, corrupted, test_clouds)
    partition = context.learnable()[0]
    first = None
    if context.dataset.num_points != POINTS:
        first = Transform(f"first {POINTS} points", lambda points_N3, _: points_N3[:POINTS])
    train_n = context.labels(partition.train_n)
    machine = fit_linear_svm(
        context.features(partition.train_n, transform=first), train_n, folds=folds_of(train_n),
        seed=context.seed, jobs=context.jobs,
    )  # fmt: skip
    if corrupted is not None:
        clean, scores, facts = _of_files(context, benchmark, machine, corrupted, test_clouds)
    else:
        clean, scores, facts = _re_created(context, benchmark, machine, partition, first, test_clouds)
    settings = {
        "classifier": "linear SVM on frozen features, fitted on clean training clouds",
        "scaling": machine.scaling,
        "C": machine.cost,
        **facts,
    }
    names = [corruption.name for corruption in benchmark.corruptions]
    by_name = {name: scores[LEVELS * place : LEVELS * place + LEVELS] for place, name in enumerate(names)}
    return Accuracies(clean, by_name, settings)


def _check(
    context: EvaluationContext,
    benchmark: Benchmark,
    corrupted: str | os.PathLike[str] | None,
    test_clouds: int | None,
) -> None:
    """Finds mistakes before hours of work."""
    if test_clouds is not None and test_clouds < 1:
        raise ValueError(f"the number of test clouds must be at least 1, not {test_clouds}")
    if corrupted is None:
        if 0 < context.dataset.num_points < POINTS:
            raise ValueError(_TOO_FEW.format(context.dataset.name, context.dataset.num_points))
        return
    if context.holdout:
        raise ValueError("the official files are of the test split, which --holdout leaves alone")
    files = CorruptedFiles(corrupted, context.dataset.classes)
    for corruption, level in [(None, 0), *_levels(benchmark)]:
        path = files.folder / benchmark.file(corruption, level)
        if not path.is_file():
            raise PointCloudError(path, f"no such file; {benchmark.name} has one for each level")


def _re_created(
    context: EvaluationContext,
    benchmark: Benchmark,
    machine: LinearMachine,
    partition: Partition,
    first: Transform | None,
    test_clouds: int | None,
) -> tuple[float, list[float], dict[str, Any]]:
    places_n = partition.test_m
    chosen_m = _draw(len(places_n), test_clouds, context.seed)
    labels_m = context.labels(places_n[chosen_m])
    clean = machine.score(context.features(places_n, transform=first)[chosen_m], labels_m)
    made = _Levels(lambda: corrupt(benchmark, stored_clouds(context, places_n)), chosen_m)
    scores = []
    for number, (corruption, level) in enumerate(_levels(benchmark)):
        features_mE = context.changed_features(
            partial(made.clouds, number),
            f"{benchmark.name}, re-created, seed {benchmark.seed}: {corruption} {level + 1}",
            places_n,
            chosen_m,
        )
        scores.append(machine.score(features_mE, labels_m))
    facts = {
        "clouds": f"{benchmark.name}, re-created: not the official files",
        "test": _described(len(chosen_m), len(places_n), partition.name, context.seed),
        "corruption seed": benchmark.seed,
        "rows": benchmark.rows,
        "frame": "unit sphere, turned to y up for the corruptions and back after them",
    }
    return clean, scores, facts


def _of_files(
    context: EvaluationContext,
    benchmark: Benchmark,
    machine: LinearMachine,
    folder: str | os.PathLike[str],
    test_clouds: int | None,
) -> tuple[float, list[float], dict[str, Any]]:
    files = CorruptedFiles(folder, context.dataset.classes)
    scores, count, chosen_m = [], 0, np.zeros(0, np.int64)
    for corruption, level in [(None, 0), *_levels(benchmark)]:
        file = files.folder / benchmark.file(corruption, level)
        clouds_nN3, labels_n = files.read(file)
        count = count or len(labels_n)
        if len(labels_n) != count:
            raise ValueError(f"{file}: {len(labels_n)} clouds, but {count} in {benchmark.file(None, 0)}")
        chosen_m = _draw(count, test_clouds, context.seed)
        features_mE = context.changed_features(
            partial(list, clouds_nN3[chosen_m]),
            f"{file.name} {file_digest(file)}",
            np.zeros(0, np.int64),
            chosen_m,
        )
        scores.append(machine.score(features_mE, labels_n[chosen_m]))
    facts = {
        "clouds": f"{benchmark.name}, official files",
        "test": _described(len(chosen_m), count, "test", context.seed),
    }
    return scores[0], scores[1:], facts


class _Levels:
    """Corrupted clouds by the number of their level, made only up to the last level that is asked for."""

    def __init__(self, start: Callable[[], Iterator[list[Points]]], chosen_m: NDArray[np.int64]) -> None:
        self._start, self._chosen_m = start, chosen_m
        self._levels: Iterator[list[Points]] | None = None
        self._made = 0

    def clouds(self, number: int) -> list[Points]:
        """Returns the chosen clouds of a level; levels must be asked for in ascending order."""
        self._levels = self._levels or self._start()
        clouds = next(islice(self._levels, number - self._made, None))
        self._made = number + 1
        return [clouds[row] for row in self._chosen_m]


def _levels(benchmark: Benchmark) -> list[tuple[str, int]]:
    return [(corruption.name, level) for corruption in benchmark.corruptions for level in range(LEVELS)]


def _draw(count: int, wanted: int | None, seed: int) -> NDArray[np.int64]:
    drawn = np.random.default_rng(seed).permutation(count)[:wanted]
    return np.sort(drawn).astype(np.int64)


def _described(evaluated: int, count: int, name: str, seed: int) -> str:
    if evaluated == count:
        return f"all {count} clouds of {name}"
    return f"{evaluated} of {count} clouds of {name}, drawn with seed {seed}: for a quick look only"
