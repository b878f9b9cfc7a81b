"""From what a user names to a data set that fits the task, and the head that it asks for.

n clouds, K classes
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace

import numpy as np
import torch

from crossjepa.config import HeadConfig
from crossjepa.datasets import Dataset, detect, load
from crossjepa.datasets.splits import limit
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.train.finetune.clouds import LabeledClouds
from crossjepa.train.finetune.config import FinetuneConfig

logger = logging.getLogger(__name__)


def open_data(
    data: Dataset | str | os.PathLike[str],
    config: FinetuneConfig,
    encoder: CrossJEPAEncoder,
    data_set: str | None = None,
) -> Dataset:
    """Opens the data, with meshes sampled exactly as `encode` does.

    Raises:
        ValueError: the data set cannot be told or does not fit the task.
        PointCloudError: the data are damaged.
    """
    if isinstance(data, Dataset):
        dataset = data if not config.up_axis else replace(data, up_axis=config.up_axis)
    else:
        known = encoder.processor.config
        dataset = load(
            data_set or detect(data),
            data,
            num_points=known.num_points,
            seed=known.seed,
            up_axis=config.up_axis or None,
        )
    if config.task == "partseg" and not dataset.part_names:
        raise ValueError(
            f"{dataset.name} has no part labels: --task partseg needs ShapeNetPart's format or an npz with "
            "part_labels (see `crossjepa data list clouds`)"
        )
    dataset = learnable(dataset, only_seen=config.task == "classification")
    if config.task == "classification" and len(dataset.classes) < 2:
        raise ValueError(f"{dataset.name} has only the class {list(dataset.classes)}; two are needed")
    return limit(dataset, config.per_class, config.seed) if config.per_class else dataset


def learnable(dataset: Dataset, *, only_seen: bool = True) -> Dataset:
    """Leaves out clouds whose classes have none to learn from, and those classes; says how many.

    Args:
        dataset: the data set.
        only_seen: also leave out classes without any clouds.

    Raises:
        ValueError: there is nothing to learn from.
    """
    splits = np.array(dataset.splits, dtype=str)
    folds = sorted({split for split in dataset.splits if split.startswith("fold")})
    not_learned = ["val", folds[0] if folds else "test"]
    known_K = np.unique(dataset.labels_n[~np.isin(splits, not_learned)])
    if not len(known_K):
        raise ValueError(f"{dataset.name}: no clouds to learn from")
    kept_n = np.flatnonzero(np.isin(dataset.labels_n, known_K))
    if len(kept_n) == len(dataset) and (len(known_K) == len(dataset.classes) or not only_seen):
        return dataset
    if len(kept_n) < len(dataset):
        lost = len(dataset) - len(kept_n)
        text = "%s: left out %d clouds of validation and test whose classes have none to learn from"
        logger.warning(text, dataset.name, lost)
    kept = dataset.select(kept_n)
    numbers = {int(old): new for new, old in enumerate(known_K)}
    return replace(
        kept,
        classes=tuple(dataset.classes[old] for old in numbers),
        labels_n=np.searchsorted(known_K, kept.labels_n),
        class_parts={numbers[old]: parts for old, parts in dataset.class_parts.items() if old in numbers},
    )


def head_config(dataset: Dataset, clouds: LabeledClouds, config: FinetuneConfig) -> HeadConfig:
    """Returns the head that a data set and a task ask for.

    Raises:
        ValueError: a cloud has a part of another class.
    """
    partseg = config.task == "partseg"
    return HeadConfig(
        config.task,
        dataset.classes,
        dataset.part_names if partseg else (),
        class_parts(dataset, clouds) if partseg else (),
        config.hidden,
        config.dropout,
        dataset.up_axis,
    )


def class_parts(dataset: Dataset, clouds: LabeledClouds) -> tuple[tuple[int, ...], ...]:
    """Returns the parts of every class: those that the data set names, otherwise those that its clouds have.

    Parts of other classes must not be counted: absent from truth and answer alike, each would score 1.

    Raises:
        ValueError: a cloud has a part of another class.
    """
    found: dict[int, set[int]] = {}
    for label, parts_N in zip(clouds.labels_n.tolist(), clouds.parts, strict=True):
        found.setdefault(label, set()).update(torch.unique(parts_N).tolist())
    everything = tuple(range(len(dataset.part_names)))
    answer = []
    for label, name in enumerate(dataset.classes):
        seen = found.get(label, set())
        named = dataset.class_parts.get(label)
        strange = sorted(seen - set(named or everything))
        if strange:
            raise ValueError(
                f"{dataset.name}: clouds of class {name!r} have parts of others: "
                f"{[dataset.part_names[part] for part in strange]}"
            )
        answer.append(named or tuple(sorted(seen)) or everything)
    return tuple(answer)
