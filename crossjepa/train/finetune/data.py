"""From what a user names to a data set that fits the task, and to its clouds, preprocessed once.

n clouds, N points, M sampled points
"""

import os
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from crossjepa.batching import batch_starts
from crossjepa.datasets import Dataset, detect, load
from crossjepa.datasets.splits import limit
from crossjepa.io import PointCloud
from crossjepa.processor import PointCloudProcessor
from crossjepa.train.finetune.clouds import LabeledClouds, load_tensors, save_tensors
from crossjepa.train.finetune.tasks import Task


def open_data(
    data: Dataset | str | os.PathLike[str],
    task: Task,
    processor: PointCloudProcessor,
    data_set: str | None = None,
) -> Dataset:
    """Opens the data, with meshes sampled exactly as `encode` does, and leaves out what cannot be learned.

    Args:
        data: a data set, or the file or folder of one.
        task: what is to be learned.
        processor: preprocessing of the weights.
        data_set: name of the data set, if its files do not tell.

    Raises:
        ValueError: the data set is not recognized or does not fit the task.
        PointCloudError: the data are damaged.
    """
    config = task.config
    if isinstance(data, Dataset):
        dataset = replace(data, up_axis=config.data.up_axis) if config.data.up_axis else data
    else:
        dataset = load(
            data_set or detect(data),
            data,
            num_points=processor.config.num_points,
            seed=processor.config.seed,
            up_axis=config.data.up_axis or None,
        )
    dataset = task.select_learnable(dataset)
    return limit(dataset, config.data.per_class, config.seed) if config.data.per_class else dataset


def read_clouds(
    dataset: Dataset,
    processor: PointCloudProcessor,
    *,
    with_parts: bool,
    progress: bool | None = None,
    cache: Path | None = None,
) -> LabeledClouds:
    """Reads and preprocesses a data set, once.

    Args:
        dataset: the data set.
        processor: preprocessing of the weights.
        with_parts: also keep the original points and their parts.
        progress: show a progress bar.
        cache: file that keeps the result for a run that is resumed; it belongs to one run.

    Raises:
        PointCloudError: a file is damaged; the message names it and the reason.
    """
    kept = load_tensors(cache) if cache else None
    if kept is None or len(kept["points_sizes"]) != len(dataset):
        kept = _read(dataset, processor, with_parts, progress)
        if cache:
            save_tensors(cache, kept)
    points, queries, parts = (
        torch.split(kept[name], kept[f"{name}_sizes"].tolist()) for name in ("points", "queries", "parts")
    )
    return LabeledClouds(points, torch.from_numpy(dataset.labels_n), queries, parts)


def _read(
    dataset: Dataset, processor: PointCloudProcessor, with_parts: bool, progress: bool | None
) -> dict[str, Tensor]:
    """Returns points, queries and parts of all clouds one after another, and their numbers in each cloud."""
    found: dict[str, list[Tensor]] = {"points": [], "queries": [], "parts": []}
    for place in batch_starts(len(dataset), 1, progress, "read"):
        sample = dataset[place]
        prepared = processor.prepare(PointCloud(sample.points_N3), up_axis=dataset.up_axis)
        found["points"].append(prepared.points)
        if with_parts:
            assert sample.parts_N is not None
            found["queries"].append(prepared.queries)
            found["parts"].append(torch.from_numpy(sample.parts_N))
    joined = {name: torch.cat(values) if values else torch.zeros(0) for name, values in found.items()}
    sizes = {
        f"{name}_sizes": torch.tensor([*map(len, values)], dtype=torch.int64)
        for name, values in found.items()
    }
    return {**joined, **sizes}
