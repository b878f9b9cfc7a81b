"""ScanObjectNN in its three usual variants."""

from __future__ import annotations

from pathlib import Path

from crossjepa.datasets.arrays import Block, from_blocks
from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.h5 import read_h5
from crossjepa.io import PointCloudError

CLASSES = (
    "bag", "bin", "box", "cabinet", "chair", "desk", "display", "door",
    "shelf", "table", "bed", "pillow", "sink", "sofa", "toilet",
)  # fmt: skip
# Folder of a variant, and what its file names end in.
VARIANTS = {
    "scanobjectnn-obj-bg": ("main_split", "objectdataset.h5"),
    "scanobjectnn-obj-only": ("main_split_nobg", "objectdataset.h5"),
    "scanobjectnn-pb-t50-rs": ("main_split", "objectdataset_augmentedrot_scale75.h5"),
}


def load_scanobjectnn(name: str, path: Path) -> Dataset:
    """Reads one of `VARIANTS` out of the folder `h5_files`, the one around it, or the one of the variant.

    OBJ-BG and OBJ-ONLY have files of the same name in different folders, so the folder must keep its name.
    """
    folder_name, ending = VARIANTS[name]
    candidates = [path, path / folder_name, path / "h5_files" / folder_name]
    folder = next((each for each in candidates if each.name == folder_name and each.is_dir()), None)
    if folder is None:
        raise PointCloudError(path, f"has no folder {folder_name}")
    blocks = []
    for split, prefix in (("train", "training"), ("test", "test")):
        file = folder / f"{prefix}_{ending}"
        arrays = read_h5(file, ("data", "label"))
        blocks.append(Block(file, split, arrays["data"], arrays["label"]))
    return from_blocks(name, f"h5_files/{folder_name}", CLASSES, blocks)
