"""Any folder of `class/file`, and any table of paths and labels."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.files import Entry, from_files
from crossjepa.datasets.sample import Sampling, known_split, read_split
from crossjepa.io import PointCloudError, find_files


def load_folder(name: str, path: Path, num_points: int, seed: int) -> Dataset:
    """Reads `class/file`, `class/split/file` (as ModelNet) or `split/class/file`; a class is a folder.

    Args:
        name: registered name.
        path: the folder.
        num_points: points sampled on a mesh.
        seed: seed of that sampling.

    Raises:
        PointCloudError: there is no class with a readable file.
    """
    folders = _subfolders(path)
    splits = [known_split(folder.name) for folder in folders]
    if folders and all(splits):
        found = [
            (split or "", shape)
            for split, folder in zip(splits, folders, strict=True)
            for shape in _subfolders(folder)
        ]
        layout = "split/class/file"
    else:
        found, layout = [("", shape) for shape in folders], "class/file"
    if not found:
        raise PointCloudError(path, "has no folders; expected a folder for every class")
    classes = sorted({shape.name for _, shape in found})
    entries = [
        Entry(file, classes.index(shape.name), split or own, file.relative_to(path).as_posix())
        for split, shape in found
        for own, file in _files(shape)
    ]
    if not entries:
        raise PointCloudError(path, "no point cloud or mesh file in its folders")
    empty = sorted(set(range(len(classes))) - {entry.label for entry in entries})
    if empty:
        raise PointCloudError(path / classes[empty[0]], "no point cloud or mesh file in this class")
    if any(entry.split != "all" for entry in entries) and layout == "class/file":
        layout = "class/split/file"
    return from_files(name, layout, classes, entries, sampling=Sampling(num_points, seed))


def _files(shape: Path) -> Iterator[tuple[str, Path]]:
    """Yields the split and path of every file of a class."""
    folders = _subfolders(shape)
    splits = [known_split(folder.name) for folder in folders]
    if folders and all(splits):
        for split, folder in zip(splits, folders, strict=True):
            yield from ((split or "", file) for file in find_files(folder))
    else:
        yield from (("all", file) for file in find_files(shape))


def _subfolders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def load_table(name: str, path: Path, num_points: int, seed: int) -> Dataset:
    """Reads a CSV file with the columns `path`, `label` and, optionally, `split`.

    Args:
        name: registered name.
        path: the table; the paths in it are relative to its folder.
        num_points: points sampled on a mesh.
        seed: seed of that sampling.

    Raises:
        PointCloudError: a column or a value is missing; the message gives the line. Or a split is unknown.
    """
    rows = read_table(path, ("path", "label"))
    classes = sorted({row["label"] for row in rows})
    entries = [
        Entry(
            path.parent / row["path"],
            classes.index(row["label"]),
            read_split(row.get("split", ""), path),
            row["path"],
        )
        for row in rows
    ]
    sampling = Sampling(num_points, seed)
    return from_files(name, "table", classes, entries, listed_in=path, sampling=sampling, other_files=[path])


def read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Reads a CSV file with a header line.

    Raises:
        PointCloudError: it is missing or damaged, or lacks one of the columns or a value of them.
    """
    if not path.is_file():
        raise PointCloudError(path, "no such file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise PointCloudError(path, f"has no column {sorted(missing)}; it has {reader.fieldnames}")
            rows = []
            for row in reader:
                if None in row or not all(row[column] for column in columns):
                    raise PointCloudError(
                        path, f"line {reader.line_num}: expected {', '.join(columns)}, found {row}"
                    )
                rows.append({key: value or "" for key, value in row.items()})
    except (UnicodeDecodeError, csv.Error) as error:
        raise PointCloudError(path, f"not a CSV table ({error})") from error
    if not rows:
        raise PointCloudError(path, "has no rows")
    return rows
