"""Means of what a run measures in every step."""

from __future__ import annotations


class Meter:
    """Means of the figures of steps, and samples per second.

    Args:
        batch_size: clouds per step.
    """

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.rows: list[dict[str, float]] = []

    def add(self, figures: dict[str, float]) -> None:
        """Adds the figures of a step, among them "seconds" and "data_seconds"."""
        self.rows.append(figures)

    def speed(self) -> float:
        """Returns the samples per second of the steps since the last `read`."""
        return self.batch_size * len(self.rows) / sum(row["seconds"] for row in self.rows)

    def read(self) -> dict[str, float]:
        """Returns the means, the samples per second and the share of time spent on data, and starts again."""
        speed = self.speed()
        means = {name: sum(row[name] for row in self.rows) / len(self.rows) for name in self.rows[0]}
        seconds, data_seconds = means.pop("seconds"), means.pop("data_seconds")
        self.rows = []
        return {**means, "samples_per_second": speed, "data_share": data_seconds / seconds}
