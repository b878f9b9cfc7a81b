"""The one road from inputs of any kind and size to the network: prepared, padded, batch by batch.

n inputs, B clouds of a batch, N points, W width of a row
"""

import operator
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from crossjepa.config import Axis
from crossjepa.errors import PointCloudError
from crossjepa.io.objects import is_one_input
from crossjepa.preparation import Preparation, stays_here
from crossjepa.processor import Input, PointCloudProcessor, Prepared, name_in_errors
from crossjepa.workers import map_ahead

OnError: TypeAlias = "Literal['raise', 'skip'] | Callable[[int, PointCloudError], object]"


def pad(clouds: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Stacks clouds of different sizes.

    Args:
        clouds: (N_i, 3) tensors.

    Returns:
        points_BN3: (B, N, 3), short clouds filled up with zeros.
        mask_BN: (B, N) bool, True for real points; None if all clouds have the same size.
    """
    sizes = [len(cloud) for cloud in clouds]
    if min(sizes) == max(sizes):
        return torch.stack(list(clouds)), None
    points_BN3 = torch.nn.utils.rnn.pad_sequence(list(clouds), batch_first=True)
    return points_BN3, torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]


def as_inputs(sources: Any) -> tuple[Iterable[Input], bool]:
    """Returns the inputs to iterate over, and whether a single one was given.

    Several are what can be iterated over, but of arrays only those of shape (B, N, 3) and lists of paths or
    clouds.
    """
    if isinstance(sources, (str, os.PathLike)) or is_one_input(sources):
        several = False
    elif hasattr(sources, "__array__") and hasattr(sources, "shape"):
        kind = getattr(getattr(sources, "dtype", None), "kind", "f")
        several = len(sources.shape) == 3 or (len(sources.shape) == 1 and kind in "OU")
    else:
        several = isinstance(sources, Iterable)
    return (sources, False) if several else ([sources], True)


def prepare_each(
    sources: Iterable[Input],
    processor: PointCloudProcessor,
    *,
    up_axis: Axis | None = None,
    on_error: OnError = "raise",
    workers: int = 0,
    ahead: int = 0,
    points_only: bool = False,
) -> Iterator[Prepared | None]:
    """Prepares inputs one at a time, or ahead of the caller in other processes.

    Args:
        sources: the inputs.
        processor: what prepares them.
        up_axis: the axis that points up in the data; the one of the weights by default.
        on_error: what happens to an input that cannot be used: "raise" ends the iteration with its error,
            "skip" warns, and a callable is called with its row and its error.
        workers: processes that prepare files and arrays, 0 for none; all other inputs are prepared here.
        ahead: with workers, how many inputs are prepared ahead of the caller, besides two per worker.
        points_only: leave out what only features per point need.

    Yields:
        One item per input in their order, None for an input that cannot be used.

    Raises:
        PointCloudError: an input cannot be used, and `on_error` is "raise"; the message names the file, or
            says which of several inputs it is, such as "array 40 of 46", counted from 0.
        WorkerError: a worker process was killed.
        ValueError: `on_error` is something else, or there are fewer than no workers.
    """
    if on_error not in ("raise", "skip") and not callable(on_error):
        raise ValueError(f"on_error must be 'raise', 'skip' or a callable, not {on_error!r}")
    count, names = operator.length_hint(sources, 0), deque[str]()

    def named() -> Iterator[tuple[Input, str]]:
        for row, source in enumerate(sources):
            name = name_in_errors(source)
            if isinstance(source, (str, os.PathLike)):
                source = os.fsdecode(source)  # paths of any class can then travel
            elif count != 1:
                name += f" {row} of {count}" if count else f" {row}"  # counted from 0
            names.append(name)
            yield source, name

    answers = map_ahead(
        Preparation(processor, up_axis, points_only), named(),
        workers=workers, ahead=ahead, stays_here=stays_here,
    )  # fmt: skip
    for row, answer in enumerate(answers):
        prepared = None
        try:
            prepared = answer.unwrap(names.popleft())
        except PointCloudError as error:
            if on_error == "raise":
                raise
            if callable(on_error):
                on_error(row, error)
            else:
                warnings.warn(f"skipped input {row}, {error}", stacklevel=2)
        del answer
        yield prepared


def prepared_batches(
    items: Iterable[Prepared | None], batch_size: int
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Collects what `prepare_each` yields into batches; at most one batch is in memory.

    Args:
        items: prepared inputs; those that are None are left out, so that every batch but the last is full.
        batch_size: clouds per batch.

    Yields:
        (B, N, 3) points and their (B, N) mask as `pad` returns them, in the order of the inputs.
    """
    clouds: list[Tensor] = []
    for prepared in items:
        if prepared is None:
            continue
        clouds.append(prepared.points)
        if len(clouds) == batch_size:
            yield pad(clouds)
            clouds = []
    if clouds:
        yield pad(clouds)


def forward_batches(
    forward: Callable[[Tensor, Tensor | None], Tensor],
    sources: Iterable[Input],
    processor: PointCloudProcessor,
    *,
    width: int,
    device: torch.device,
    batch_size: int,
    up_axis: Axis | None,
    on_error: OnError,
    progress: bool | None,
    title: str,
    keep_on_device: bool = False,
    workers: int = 0,
) -> Tensor:
    """Runs a network over inputs, which are read and prepared one batch at a time.

    The arguments are those of `prepare_each` and of `CrossJEPAEncoder.encode`; `forward` turns (B, N, 3)
    points and their (B, N) mask into (B, W) rows on `device`.

    Returns:
        (n, W) float32, one row per input in their order, NaN for those that cannot be used; on the CPU unless
        `keep_on_device`.

    Raises:
        PointCloudError: an input cannot be used, and `on_error` is "raise".
        ValueError: the batch size is not positive.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    used: list[bool] = []

    def noted(items: Iterable[Prepared | None]) -> Iterator[Prepared | None]:
        for prepared in items:
            used.append(prepared is not None)
            yield prepared

    items = prepare_each(
        with_progress(sources, 4 * batch_size, progress, title, unit="input"),
        processor,
        up_axis=up_axis,
        on_error=on_error,
        workers=workers,
        ahead=batch_size,  # the next batch is prepared while the network works on this one
        points_only=True,
    )
    target = device if keep_on_device else torch.device("cpu")
    parts = [torch.zeros(0, width, device=target)]
    for points_BN3, mask_BN in prepared_batches(noted(items), batch_size):
        with torch.inference_mode():
            rows_BW = forward(points_BN3.to(device), None if mask_BN is None else mask_BN.to(device))
        parts.append(rows_BW.to(target))
    found_mW = torch.cat(parts)  # outside of inference mode, so that the result may be trained on
    if all(used):
        return found_mW
    rows_nW = torch.full((len(used), width), torch.nan, device=target)
    rows_nW[torch.tensor(used, device=target)] = found_mW
    return rows_nW


def batch_starts(count: int, batch_size: int, show: bool | None, title: str) -> Iterator[int]:
    """Yields where each batch of `count` inputs starts; shows a bar by default for more than four batches.

    Raises:
        ValueError: the batch size is not positive.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    return iter(with_progress(range(0, count, batch_size), 4, show, title, unit="batch"))


def with_progress(
    items: Iterable[Any], most_without: int, show: bool | None, title: str, unit: str
) -> Iterable[Any]:
    """Returns the items with a progress bar; by default (None) if there are more than `most_without`."""
    if show is None:
        show = isinstance(items, Sized) and len(items) > most_without
    if not show:
        return items
    from tqdm.auto import tqdm

    return tqdm(items, unit=unit, desc=title)
