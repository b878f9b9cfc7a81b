"""ShapeNetPart: the HDF5 files of PointNet, and the text benchmark with normals."""

from __future__ import annotations

from pathlib import Path

from crossjepa.datasets.arrays import Block, from_blocks
from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.files import Entry, from_files, read_json, read_lines
from crossjepa.datasets.h5 import read_h5
from crossjepa.datasets.sample import Sample, cloud_sample
from crossjepa.io import PointCloudError
from crossjepa.io.text import read_numbers

# The 50 parts are numbered through the classes in this order, in both layouts.
PART_COUNTS = {
    "Airplane": 4, "Bag": 2, "Cap": 2, "Car": 4, "Chair": 4, "Earphone": 3, "Guitar": 3, "Knife": 2,
    "Lamp": 4, "Laptop": 2, "Motorbike": 6, "Mug": 2, "Pistol": 3, "Rocket": 3, "Skateboard": 3, "Table": 3,
}  # fmt: skip
PART_NAMES = tuple(f"{shape}/{part}" for shape, count in PART_COUNTS.items() for part in range(count))
SPLITS = ("train", "val", "test")
_LIST = "train_hdf5_file_list.txt"
_MAP = "synsetoffset2category.txt"


def load_shapenetpart(path: Path) -> Dataset:
    """Reads `hdf5_data`, or `shapenetcore_partanno_segmentation_benchmark_v0_normal`."""
    if (path / "hdf5_data").is_dir():
        path = path / "hdf5_data"
    if (path / _MAP).is_file() or (path / "train_test_split").is_dir():
        return _load_text(path)
    if not (path / _LIST).is_file() and not any(path.glob("*.h5")):
        raise PointCloudError(path, f"has neither {_LIST} nor {_MAP}")
    return _load_h5(path)


def _load_h5(path: Path) -> Dataset:
    lists = [path / "all_object_categories.txt"]
    classes = list(_synsets(lists[0]))
    blocks = []
    for split in SPLITS:
        lists.append(path / f"{split}_hdf5_file_list.txt")
        for file in (path / Path(line).name for line in read_lines(lists[-1])):
            arrays = read_h5(file, ("data", "label", "pid"))
            blocks.append(Block(file, split, arrays["data"], arrays["label"], parts=arrays["pid"]))
    return from_blocks("shapenetpart", "hdf5_data", classes, blocks, part_names=PART_NAMES, other_files=lists)


def _load_text(path: Path) -> Dataset:
    synsets = _synsets(path / _MAP)
    classes = list(synsets)
    numbers = {synset: number for number, synset in enumerate(synsets.values())}
    entries, lists = [], [path / _MAP]
    for split in SPLITS:
        lists.append(path / "train_test_split" / f"shuffled_{split}_file_list.json")
        for item in _split_list(lists[-1]):
            synset, _, name = item.partition("/")
            if synset not in numbers:
                raise PointCloudError(lists[-1], f"{item!r} belongs to no class of {_MAP}")
            entries.append(Entry(path / synset / f"{name}.txt", numbers[synset], split, item))
    return from_files(
        "shapenetpart", "benchmark_v0_normal", classes, entries, _read_text, listed_in=lists[1],
        part_names=PART_NAMES, other_files=lists,
    )  # fmt: skip


def _synsets(path: Path) -> dict[str, str]:
    """Reads lines of a class and its synset, such as "Airplane 02691156"."""
    synsets = {}
    for number, line in enumerate(read_lines(path), start=1):
        fields = line.split()
        if len(fields) != 2 or fields[0] not in PART_COUNTS:
            raise PointCloudError(path, f"line {number}: {line!r} is not a class and synset of ShapeNetPart")
        synsets[fields[0]] = fields[1]
    return synsets


def _split_list(path: Path) -> list[str]:
    """Reads a JSON list of "shape_data/synset/name" and returns "synset/name"."""
    items = read_json(path)
    if not isinstance(items, list) or not all(
        isinstance(item, str) and item.count("/") == 2 for item in items
    ):
        raise PointCloudError(path, "expected a list of shape_data/synset/name")
    return [item.split("/", 1)[1] for item in items]


def _read_text(path: Path) -> Sample:
    """Reads "x y z nx ny nz part" lines."""
    table = read_numbers(path)
    if table.shape[1] != 7:
        raise PointCloudError(path, f"{table.shape[1]} numbers per line, expected x y z nx ny nz part")
    return cloud_sample(str(path), table, table[:, 3:6], table[:, 6], len(PART_NAMES))
