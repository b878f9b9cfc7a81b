"""Any folder of `class/file`, and any table of paths and labels."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import replace
from pathlib import Path

from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.files import Entry, from_files
from crossjepa.datasets.sample import Sampling, known_split, read_split
from crossjepa.io import PointCloudError, scan_folder
from crossjepa.io.folders import is_own_folder, log_left_out
from crossjepa.io.text import read_text_file

_COLUMN_NAMES = {
    **dict.fromkeys(("file", "filename", "file_name", "filepath", "file_path", "paths"), "path"),
    **dict.fromkeys(("class", "category", "labels", "class_name"), "label"),
}


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
    contents = [
        (shape, split or own, scan_folder(folder))
        for split, shape in found
        for own, folder in _split_folders(shape) or [("all", shape)]
    ]
    log_left_out(path, [content for _, _, content in contents])
    entries = [
        Entry(file, classes.index(shape.name), split, file.relative_to(path).as_posix())
        for shape, split, content in contents
        for file in content.files
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
    folders = (entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return sorted(folder for folder in folders if not is_own_folder(folder))


def load_table(name: str, path: Path, num_points: int, seed: int) -> Dataset:
    """Reads a CSV file of `path` (relative to its folder), `label` and, optionally, `split` and `group`.

    Raises:
        PointCloudError: a column or a value is missing; the message gives the line. Or a split is unknown.
    """
    rows = read_table(path, ("path", "label"))
    classes = sorted({row["label"] for row in rows})
    entries = [
        Entry(
            path.parent / (row["path"] if os.sep == "\\" else row["path"].replace("\\", "/")),
            classes.index(row["label"]),
            read_split(row.get("split", ""), path),
            row["path"],
        )
        for row in rows
    ]
    sampling = Sampling(num_points, seed)
    dataset = from_files(
        name, "table", classes, entries, listed_in=path, sampling=sampling, other_files=[path]
    )
    if "group" not in rows[0]:
        return dataset
    return replace(dataset, groups=tuple(row["group"] or row["path"] for row in rows))


def read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Reads a table with a header line, as spreadsheets write it: separated by commas, semicolons or tabs.

    Names of columns may be in any case; `filename` and `class` stand for `path` and `label`.

    Raises:
        PointCloudError: it is missing or damaged, or lacks one of the columns or a value of them.
    """
    text = read_text_file(path)
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text), strict=True, delimiter=separator, skipinitialspace=True)
    rows = []
    try:
        names = [
            _COLUMN_NAMES.get(name.strip().lower(), name.strip().lower()) for name in reader.fieldnames or ()
        ]
        reader.fieldnames = names
        missing = set(columns) - set(names)
        if missing:
            raise PointCloudError(path, f"has no column {sorted(missing)}; it has {names}")
        for row in reader:
            if None in row or not all(row[column] for column in columns):
                found = f"line {reader.line_num}: expected {', '.join(columns)}, found {row}"
                raise PointCloudError(path, found)
            rows.append({key: (value or "").strip() for key, value in row.items()})
    except csv.Error as error:
        raise PointCloudError(path, f"not a CSV table ({error})") from error
    if not rows:
        raise PointCloudError(path, "has no rows")
    return rows
