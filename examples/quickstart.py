"""Which of these objects are alike? Features of a folder of files, and the nearest neighbor of each.

python examples/quickstart.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import crossjepa
from crossjepa.io import find_files


def main(folder: Path) -> None:
    """Prints each file and the one whose feature is most like it."""
    files = find_files(folder)
    if not files:
        sys.exit(f"{folder}: no point cloud or mesh file in this folder")
    encoder = crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base")
    features = encoder.encode(files)
    print(f"{len(files)} files -> features of shape {features.shape}")

    similarity = encoder.similarity(features, features)  # around 0 for unrelated objects
    np.fill_diagonal(similarity, -np.inf)
    for file, row in zip(files, similarity, strict=True):
        print(f"{file.name:<20} is most like {files[row.argmax()].name:<20} ({row.max():+.2f})")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "files")
