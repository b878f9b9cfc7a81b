"""Point-BERT's few-shot splits of ModelNet40: pickles, which are not run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from crossjepa.datasets.arrays import Block, from_blocks
from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.unpickle import as_array, read_pickle
from crossjepa.io import PointCloudError

NAME = "modelnet40-fewshot"
_SETTING = re.compile(r"(\d+)way_?(\d+)shot")


def find_folds(path: Path) -> dict[tuple[int, int], list[Path]]:
    """Returns the files of every (way, shot), in the order of their numbers.

    Args:
        path: the folder `ModelNetFewshot`, one of its settings such as `5way_10shot`, or one fold.

    Raises:
        PointCloudError: there are none.
    """
    settings = [path.parent] if path.is_file() else [path, *(entry for entry in path.iterdir())]
    folds: dict[tuple[int, int], list[Path]] = {}
    for folder in settings:
        match = _SETTING.fullmatch(folder.name)
        files = [path] if path.is_file() else list(folder.glob("*.pkl")) if match else []
        if match and files:
            folds[int(match[1]), int(match[2])] = sorted(files, key=lambda file: (len(file.stem), file.stem))
    if not folds:
        raise PointCloudError(path, "has no folders such as 5way_10shot with 0.pkl in them")
    return dict(sorted(folds.items()))


def load_fold(path: Path) -> Dataset:
    """Reads one fold, such as `5way_10shot/0.pkl`: its support as split "train", its queries as "test".

    It holds `{"train": [(points, label, class of ModelNet40), ...], "test": [...]}`.

    Raises:
        PointCloudError: the file is missing, damaged, or holds more than arrays.
    """
    content = read_pickle(path)
    if not isinstance(content, dict) or not {"train", "test"} <= set(content):
        raise PointCloudError(path, "expected a dict with 'train' and 'test'")
    blocks = [_block(path, split, content[split]) for split in ("train", "test")]
    labels = np.concatenate([block.labels for block in blocks if block.labels is not None])
    classes = [f"way {number}" for number in range(int(labels.max(initial=-1)) + 1)]
    if sorted(set(labels.tolist())) != list(range(len(classes))) or len(classes) > 1000:
        raise PointCloudError(path, f"labels {sorted(set(labels.tolist()))[:20]} do not count from 0")
    return from_blocks(NAME, f"fold {path.parent.name}/{path.name}", classes, blocks)


def _block(path: Path, split: str, items: Any) -> Block:
    try:
        points = [as_array(item[0]) for item in items]
        labels = np.array([int(as_array(item[1]).reshape(())) for item in items], np.int64)
        has_normals = points and points[0].shape[1] >= 6
        normals = [cloud[:, 3:6] for cloud in points] if has_normals else None
        return Block(path, split, points, labels, normals=normals)
    except PointCloudError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, RecursionError) as error:
        raise PointCloudError(path, f"{split!r} is not a list of (points, label, class) ({error})") from error
