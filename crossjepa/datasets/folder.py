"""Any folder of `class/file`, and any table of paths and labels."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.files import Entry, from_files
from crossjepa.datasets.sample import Sampling, known_split, read_split
from crossjepa.io import PointCloudError, find_files
from crossjepa.io.text import read_text_file


def load_folder(name: str, path: Path, num_points: int, seed: int) -> Dataset:
    """Reads `class/file`, `class/split/file` (as ModelNet) or `split/class/file`; a class is a folder.

    Raises:
        PointCloudError: there is no class with a readable file.
    """
    by_split = _split_folders(path)
    found = [(split, shape) for split, folder in by_split or [("", path)] for shape in _subfolders(folder)]
    layout = "split/class/file" if by_split else "class/file"
    if not found:
        raise PointCloudError(path, "has no folders; expected a folder for every class")
    classes = sorted({shape.name for _, shape in found})
    entries = [
        Entry(file, classes.index(shape.name), split or own, file.relative_to(path).as_posix())
        for split, shape in found
        for own, folder in _split_folders(shape) or [("all", shape)]
        for file in find_files(folder)
    ]
    if not entries:
        raise PointCloudError(path, "no point cloud or mesh file in its folders")
    empty = sorted(set(range(len(classes))) - {entry.label for entry in entries})
    if empty:
        raise PointCloudError(path / classes[empty[0]], "no point cloud or mesh file in this class")
    if any(entry.split != "all" for entry in entries) and layout == "class/file":
        layout = "class/split/file"
    return from_files(name, layout, classes, entries, sampling=Sampling(num_points, seed))


def _split_folders(path: Path) -> list[tuple[str, Path]]:
    """Returns split and path of every folder in a folder, [] if one of them is not named after a split."""
    folders = _subfolders(path)
    known = [(split, folder) for folder in folders if (split := known_split(folder.name))]
    return known if len(known) == len(folders) else []


def _subfolders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def load_table(name: str, path: Path, num_points: int, seed: int) -> Dataset:
    """Reads a CSV file with the columns `path` (relative to its folder), `label` and, optionally, `split`.

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
    reader, rows = csv.DictReader(io.StringIO(read_text_file(path)), strict=True), []
    try:
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            raise PointCloudError(path, f"has no column {sorted(missing)}; it has {reader.fieldnames}")
        for row in reader:
            if None in row or not all(row[column] for column in columns):
                found = f"line {reader.line_num}: expected {', '.join(columns)}, found {row}"
                raise PointCloudError(path, found)
            rows.append({key: value or "" for key, value in row.items()})
    except csv.Error as error:
        raise PointCloudError(path, f"not a CSV table ({error})") from error
    if not rows:
        raise PointCloudError(path, "has no rows")
    return rows
