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
    """Reads one variant.

    OBJ-BG and OBJ-ONLY have files of the same name in different folders, so the folder must keep its name.

    Args:
        name: one of `VARIANTS`.
        path: the folder `h5_files`, the one around it, or the one of the variant.

    Raises:
        PointCloudError: a file is missing or damaged; the message names it.
    """
    folder_name, ending = VARIANTS[name]
    candidates = [path / folder_name, path / "h5_files" / folder_name]
    if path.name == folder_name:
        candidates.insert(0, path)
    folder = next((candidate for candidate in candidates if candidate.is_dir()), None)
    if folder is None:
        raise PointCloudError(path, f"has no folder {folder_name}")
    blocks = []
    for split, prefix in (("train", "training"), ("test", "test")):
        file = folder / f"{prefix}_{ending}"
        arrays = read_h5(file, ("data", "label"))
        blocks.append(Block(file, split, arrays["data"], arrays["label"]))
    return from_blocks(name, f"h5_files/{folder_name}", CLASSES, blocks)
