"""The one result of all protocols: what was done, with what, and what came out.

n tested clouds
"""

import csv
import io
import json
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa._version import __version__


@dataclass(frozen=True, eq=False)
class Predictions:
    """What was said of every tested cloud, for reports.

    Attributes:
        rows_n: (n,) int64 rows of the clouds in the complete data set, as `Dataset.indices_n`.
        truth_n: (n,) int64 their classes.
        predicted_n: (n,) int64 the predicted classes.
        classes: names of the classes.
        scores_n: (n,) float probability of the predicted class, or mIoU of the parts; None if it is unknown.
    """

    rows_n: NDArray[np.int64]
    truth_n: NDArray[np.int64]
    predicted_n: NDArray[np.int64]
    classes: tuple[str, ...]
    scores_n: NDArray[np.floating] | None = None


@dataclass(frozen=True)
class Outcome:
    """The outcome of a protocol.

    Attributes:
        metrics: figures by name; accuracies and means are fractions from 0 to 1.
        table: rows of a detailed table, all with the same columns.
        settings: everything that was fixed or selected, and how.
        predictions: what was said of every tested cloud, if the protocol says something of each.
    """

    metrics: dict[str, float]
    table: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    predictions: Predictions | None = None


@dataclass(frozen=True)
class Result:
    """A result that others can reproduce.

    Attributes:
        protocol: name of the protocol.
        description: what was done, in words.
        metrics, table, settings, predictions: as in `Outcome`; predictions are no part of the JSON.
        model: the model that made the features, with a checksum of its weights.
        data: data set, checksum, counts and splits.
        versions: versions of the software.
        seconds: time spent on the features (0 if they were cached) and on the protocol.
        seed: seed of all random numbers.
    """

    protocol: str
    description: str
    metrics: dict[str, float]
    table: list[dict[str, Any]]
    settings: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]
    versions: dict[str, str]
    seconds: dict[str, float]
    seed: int
    predictions: Predictions | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as plain JSON values."""
        values = asdict(replace(self, predictions=None))
        del values["predictions"]
        return values

    def to_json(self) -> str:
        """Returns the result as indented JSON."""
        return json.dumps(self.to_dict(), indent=2)

    def to_csv(self) -> str:
        """Returns the table, or else the metrics, as CSV; each row names protocol, model and data."""
        weights = str(self.model.get("weights", ""))[:12]
        clouds = self.settings.get("clouds", "") or self.data.get("name", "")
        first = {"protocol": self.protocol, "model": self.model["name"], "weights": weights}
        if "processor" in self.model:
            first["outliers"] = "removed" if self.model["processor"].get("outlier_removal") else "kept"
        rows = [{**first, "data": clouds, **row} for row in self.table or [self.metrics]]
        file = io.StringIO()
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _number(value) for name, value in row.items()})
        return file.getvalue()

    def to_text(self) -> str:
        """Returns the result as text for people."""
        lines = [f"{self.protocol}: {self.description}"]
        for title, values in (("model", self.model), ("data", self.data), ("settings", self.settings)):
            simple = {name: value for name, value in values.items() if not isinstance(value, (dict, list))}
            if values:
                facts = ", ".join(f"{name} {_number(value)}" for name, value in simple.items())
                lines.append(f"{title}: {facts}")
        for name, values in self.settings.items():
            lines += [f"{name}: {value}" for value in values] if isinstance(values, list) else []
        if self.table:
            lines += ["", *align(self.table)]
        lines += ["", *(f"{name:<24} {_number(value)}" for name, value in self.metrics.items())]
        spent = ", ".join(f"{name} {value:.1f} s" for name, value in self.seconds.items())
        return "\n".join([*lines, f"({spent}; seed {self.seed})"])


def versions() -> dict[str, str]:
    """Returns the versions that a result depends on."""
    found = {"crossjepa": __version__, "python": platform.python_version()}
    for package in ("numpy", "torch", "scikit-learn"):
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _number(value: Any) -> str:
    if not isinstance(value, float) or value == 0 or (abs(value) > 1 and value.is_integer()):
        return f"{value}"
    return f"{value:.4f}"


def align(rows: list[dict[str, Any]]) -> list[str]:
    cells = [list(rows[0]), *([_number(value) for value in row.values()] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
