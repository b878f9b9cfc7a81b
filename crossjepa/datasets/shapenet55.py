"""ShapeNet55 as Point-BERT passes it on: one npy per shape, and two lists."""

from __future__ import annotations

from pathlib import Path

from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.files import Entry, from_files, read_lines
from crossjepa.io import PointCloudError

NAME = "shapenet55"


def load_shapenet55(path: Path) -> Dataset:
    """Reads `shapenet_pc/synset-name.npy` and the lists in `ShapeNet-55`; classes are synsets."""
    lists = [path / "ShapeNet-55" / f"{split}.txt" for split in ("train", "test")]
    found = []
    for file in lists:
        for line, item in enumerate(read_lines(file), start=1):
            if "-" not in item or "/" in item or not item.endswith(".npy"):
                raise PointCloudError(file, f"line {line}: {item!r} is not of the form synset-name.npy")
            found.append((file.stem, item))
    classes = sorted({item.split("-")[0] for _, item in found})
    numbers = {synset: number for number, synset in enumerate(classes)}
    entries = [
        Entry(path / "shapenet_pc" / item, numbers[item.split("-")[0]], split, Path(item).stem)
        for split, item in found
    ]
    return from_files(NAME, "npy", classes, entries, listed_in=lists[0], other_files=lists)
