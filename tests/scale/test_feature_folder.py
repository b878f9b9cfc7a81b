"""Folders of shards: recipes, and which files are left to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.io import scan_folder
from crossjepa.scale.feature_folder import MANIFEST, Block, EncodeOptions, FeatureFolder
from crossjepa.scale.shards import Shard

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")
RECIPE = {"weights": "0123456789abcdef", "pool": "max"}
FILES = [f"{number}.ply" for number in range(10)]


def finish(folder: FeatureFolder, block: Block, failures: int = 0) -> None:
    errors = ["bad"] * failures + [None] * (len(block.names) - failures)
    features = np.zeros((len(block.names) - failures, 2), np.float32)
    Shard(block.names, [None] * len(block.names), features, errors).write(folder.path(block))


def left(folder: FeatureFolder, files: Sequence[str], size: int = 4) -> list[Block]:
    return list(folder.blocks_to_do(files, size)[0])


def test_blocks_keep_their_numbers_whichever_are_done(tmp_path: Path) -> None:
    folder = FeatureFolder(tmp_path / "out", RECIPE)
    blocks = left(folder, FILES)
    assert blocks == [Block(0, FILES[:4]), Block(1, FILES[4:8]), Block(2, FILES[8:])]
    finish(folder, blocks[1], failures=3)
    found, progress = FeatureFolder(tmp_path / "out", RECIPE).blocks_to_do(FILES, 4)
    assert list(found) == [blocks[0], blocks[2]]
    assert (progress.resumed, progress.failures) == (4, 3)
    finish(folder, blocks[0])
    finish(folder, blocks[2])
    assert left(folder, FILES) == []


@pytest.mark.parametrize("size", [4, 3])
def test_files_that_have_come_are_done_in_new_shards(tmp_path: Path, size: int) -> None:
    folder = FeatureFolder(tmp_path, RECIPE)
    for block in left(folder, FILES)[:2]:
        finish(folder, block)
    more = ["00.ply", *FILES, "99.ply"]
    expected = ["00.ply", *FILES[8:], "99.ply"]
    assert [name for block in left(folder, more, size) for name in block.names] == expected
    assert [block.number for block in left(folder, more, size)] == [2, 3][: -(-4 // size)]
    assert left(folder, FILES[2:7], size) == []


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (EncodeOptions(pool="max"), r"pool: max\+mean, not max"),
        (EncodeOptions(normalize=True), "normalize: false, not true"),
        (EncodeOptions(up_axis="z"), "up_axis: y, not z"),
    ],
)
def test_other_options_are_refused(
    tiny: CrossJEPAEncoder, tmp_path: Path, options: EncodeOptions, word: str
) -> None:
    FeatureFolder(tmp_path, EncodeOptions().recipe(tiny))
    FeatureFolder(tmp_path, EncodeOptions(pool=tiny.config.pool, up_axis="y", batch_size=3).recipe(tiny))
    with pytest.raises(ValueError, match=f"holds features of another recipe .{word}.: give the same options"):
        FeatureFolder(tmp_path, options.recipe(tiny))


def test_other_weights_and_processors_are_refused(tiny: CrossJEPAEncoder, tmp_path: Path) -> None:
    FeatureFolder(tmp_path, EncodeOptions().recipe(tiny))
    tiny.processor = tiny.processor.with_outlier_removal()
    with pytest.raises(ValueError, match="processor: "):
        FeatureFolder(tmp_path, EncodeOptions().recipe(tiny))
    tiny.processor = tiny.processor.with_outlier_removal(False)
    with torch.no_grad():
        next(tiny.network.parameters()).add_(1e-3)
    with pytest.raises(ValueError, match=r"weights: [0-9a-f]{12}, not [0-9a-f]{12}"):
        FeatureFolder(tmp_path, EncodeOptions().recipe(tiny))
    with pytest.raises(ValueError, match="dtype: float32, not bfloat16"):
        FeatureFolder(tmp_path, EncodeOptions().recipe(tiny.to(dtype=torch.bfloat16)))


def test_damaged_and_missing_manifests(tmp_path: Path) -> None:
    folder = FeatureFolder(tmp_path, RECIPE)
    finish(folder, left(folder, FILES)[0])
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(ValueError, match=r"_features\.json: is damaged"):
        FeatureFolder(tmp_path, RECIPE)
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(ValueError, match=r"holds shards, but no _features\.json"):
        FeatureFolder(tmp_path, RECIPE)


def test_what_a_killed_run_left_is_removed_and_the_folder_is_no_input(tmp_path: Path) -> None:
    FeatureFolder(tmp_path / "out", RECIPE)
    partial = tmp_path / "out" / ".part-000000.parquet.abc.partial"
    partial.write_bytes(b"half")
    np.save(tmp_path / "out" / "cloud.npy", np.eye(3))
    FeatureFolder(tmp_path / "out", RECIPE)
    assert not partial.exists()
    assert scan_folder(tmp_path).files == []
