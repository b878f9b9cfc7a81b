"""ModelNet40 and ModelNet10 in the four layouts in which they are distributed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from crossjepa.datasets.arrays import Block, from_blocks
from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.files import Entry, from_files, read_json, read_lines
from crossjepa.datasets.folder import load_folder
from crossjepa.datasets.h5 import read_h5
from crossjepa.datasets.npz import load_arrays
from crossjepa.datasets.sample import Sample, cloud_sample
from crossjepa.datasets.unpickle import as_array, read_pickle
from crossjepa.io import PointCloudError
from crossjepa.io.text import read_numbers

MODELNET10 = (
    "bathtub", "bed", "chair", "desk", "dresser", "monitor", "night_stand", "sofa", "table", "toilet",
)  # fmt: skip


def load_modelnet10(path: Path, num_points: int, seed: int) -> Dataset:
    """Reads ModelNet10, or its ten classes out of a folder of ModelNet40's ply_hdf5_2048."""
    dataset = load_modelnet("modelnet10", path, num_points, seed)
    if not set(MODELNET10) < set(dataset.classes):
        return dataset
    return dataset.keep_classes([dataset.classes.index(shape) for shape in MODELNET10])


def load_modelnet(name: str, path: Path, num_points: int, seed: int) -> Dataset:
    """Reads ModelNet40 or 10: `ply_hdf5_2048`, `normal_resampled`, a tree of files, or an npz."""
    if path.suffix.lower() == ".npz":
        return load_arrays(name, path, "z")
    if (path / "shape_names.txt").is_file() or any(path.glob("ply_data_*.h5")):
        return _load_h5(name, path)
    if (path / f"{name}_shape_names.txt").is_file():
        folders = any((path / shape).is_dir() for shape in read_lines(path / f"{name}_shape_names.txt"))
        return _load_text(name, path) if folders else _load_dat(name, path)
    # The original meshes stand on the xy plane; the point sets made from them were turned to y up.
    return replace(load_folder(name, path, num_points, seed), up_axis="z")


def _load_h5(name: str, path: Path) -> Dataset:
    blocks, lists = [], [path / "shape_names.txt"]
    classes = read_lines(lists[0])
    for split in ("train", "test"):
        lists.append(path / f"{split}_files.txt")
        # The lists name files under the folder that they had on their author's machine.
        for file in (path / Path(line).name for line in read_lines(lists[-1])):
            arrays = read_h5(file, ("data", "label"), ("normal",))
            names = _original_names(file, len(arrays["data"]))
            normals = arrays.get("normal")
            blocks.append(Block(file, split, arrays["data"], arrays["label"], names, normals))
    return from_blocks(name, "ply_hdf5_2048", classes, blocks, other_files=lists)


def _original_names(file: Path, count: int) -> list[str] | None:
    """Reads `ply_data_train_0_id2file.json`, which the original archive has beside `ply_data_train0.h5`."""
    path = file.with_name(f"{file.stem[:-1]}_{file.stem[-1]}_id2file.json")
    if not path.is_file():
        return None
    names = read_json(path)
    if not isinstance(names, list) or len(names) != count:
        raise PointCloudError(path, f"expected a list of {count} names")
    return [Path(str(name)).stem for name in names]


def _load_text(name: str, path: Path) -> Dataset:
    classes, entries, lists = _listed(name, path)
    files = [replace(entry, path=path / classes[entry.label] / f"{entry.name}.txt") for entry in entries]
    return from_files(name, "normal_resampled", classes, files, _read, listed_in=lists[1], other_files=lists)


def _load_dat(name: str, path: Path) -> Dataset:
    """Reads the pickles that Point-BERT and its successors make of normal_resampled."""
    classes, entries, lists = _listed(name, path)
    blocks = []
    for split in ("train", "test"):
        found = sorted(path.glob(f"{name}_{split}_*pts*.dat"))
        if not found:
            raise PointCloudError(
                path, f"has neither folders of classes nor a {name}_{split}_8192pts_fps.dat"
            )
        names = [entry.name for entry in entries if entry.split == split]
        blocks.append(_dat_block(found[0], split, names))
    return from_blocks(name, "normal_resampled, pickled", classes, blocks, other_files=lists)


def _dat_block(path: Path, split: str, names: list[str]) -> Block:
    content = read_pickle(path)
    try:
        shapes, labels = content
        points = [as_array(shape) for shape in shapes]
        normals = [shape[:, 3:6] for shape in points] if points[0].shape[1] >= 6 else None
        return Block(path, split, points, as_array(labels), names, normals)
    except PointCloudError:
        raise
    except (ValueError, TypeError, IndexError, RecursionError) as error:
        raise PointCloudError(path, f"not a list of clouds and a list of labels ({error})") from error


def _listed(name: str, path: Path) -> tuple[list[str], list[Entry], list[Path]]:
    """Reads the list of classes and the lists of splits of normal_resampled; paths are left open."""
    lists = [path / f"{name}_{part}.txt" for part in ("shape_names", "train", "test")]
    classes, entries = read_lines(lists[0]), []
    numbers = {shape: number for number, shape in enumerate(classes)}
    for split, file in zip(("train", "test"), lists[1:], strict=True):
        for line, entry in enumerate(read_lines(file), start=1):
            shape = entry.rsplit("_", 1)[0]
            if shape not in numbers:
                raise PointCloudError(file, f"line {line}: {entry!r} belongs to no class of {lists[0].name}")
            entries.append(Entry(path, numbers[shape], split, entry))
    return classes, entries, lists


def _read(path: Path) -> Sample:
    """Reads x,y,z,nx,ny,nz lines."""
    table = read_numbers(path)
    return cloud_sample(str(path), table, table[:, 3:6] if table.shape[1] >= 6 else None)
