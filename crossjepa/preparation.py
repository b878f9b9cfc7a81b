"""Preparing one input, in this process or in a worker, with all that it says on the way."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from crossjepa.config import Axis
from crossjepa.errors import PointCloudError, errors_about
from crossjepa.processor import Input, PointCloudProcessor, Prepared
from crossjepa.workers import is_worker


class Answer(NamedTuple):
    """What became of an input.

    Attributes:
        prepared: the cloud, None if it cannot be used.
        error: why it cannot be used.
        warned: warnings of a worker process, which nobody there would see.
    """

    prepared: Prepared | None
    error: PointCloudError | None = None
    warned: Sequence[Warning | str] = ()

    def unwrap(self, name: str) -> Prepared:
        """Warns, and returns the cloud or raises its error, as if it had been prepared here.

        Args:
            name: what to call the input if a warning is to be an error.

        Raises:
            PointCloudError: the input cannot be used.
        """
        with errors_about(name):
            for warning in self.warned:
                warnings.warn(warning, stacklevel=3)
        if self.prepared is None:
            assert self.error is not None
            raise self.error
        return self.prepared


@dataclass(frozen=True)
class Preparation:
    """A function that prepares an input and can be sent to worker processes.

    Attributes:
        processor: what prepares it.
        up_axis: the axis that points up in the data; the one of the weights by default.
        points_only: leave out what only features per point need.
    """

    processor: PointCloudProcessor
    up_axis: Axis | None = None
    points_only: bool = False

    def __call__(self, item: tuple[Input, str]) -> Answer:
        """Prepares an input, which has a name for errors; its `PointCloudError` is part of the answer."""
        if not is_worker():  # recording warnings would take those of other threads, too
            return self._prepare(*item)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            answer = self._prepare(*item)
        return answer._replace(warned=[each.message for each in caught])

    def _prepare(self, source: Input, name: str) -> Answer:
        try:
            prepared = self.processor.prepare(source, up_axis=self.up_axis, name=name)
        except PointCloudError as error:
            return Answer(None, error)
        if self.points_only and prepared is not source:
            prepared = prepared.without_original()
        return Answer(prepared)


def stays_here(item: tuple[Input, str]) -> bool:
    """Whether an input is better prepared in this process: objects of any kind may not bear the way."""
    source = item[0]
    return not (isinstance(source, str) or (type(source) is np.ndarray and not source.dtype.hasobject))
