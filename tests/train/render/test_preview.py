"""Contact sheets of rendered files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crossjepa.datasets.renderings import read_picture
from crossjepa.train.render.preview import PREVIEW_SIZE, write_preview
from crossjepa.train.render.render_files import render_files
from crossjepa.train.render.views import RenderConfig
from tests.conftest import SAMPLES

CONFIG = RenderConfig(rig="mvcnn12", image_size=PREVIEW_SIZE, stored_points=256)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures of a mesh, a cloud, and a cloud with colors."""
    folder = tmp_path_factory.mktemp("views")
    generator = np.random.default_rng(0)
    points_N3 = generator.normal(size=(200, 3))
    np.save(folder / "plain.npy", points_N3)
    rows = ["ply", "format ascii 1.0", f"element vertex {len(points_N3)}"]
    rows += [f"property float {name}" for name in "xyz"]
    rows += [f"property uchar {name}" for name in ("red", "green", "blue")]
    rows += ["end_header", *(f"{x} {y} {z} 250 20 20" for x, y, z in points_N3)]
    (folder / "red.ply").write_text("\n".join(rows) + "\n")
    files = [SAMPLES / "chair.obj", folder / "plain.npy", folder / "red.ply"]
    result = render_files(files, folder / "out", CONFIG)
    assert not result.errors
    return result.folders


def sheet_of(folders: list[Path], path: Path, views: int | None = None) -> NDArray[np.uint8]:
    write_preview(path, folders, views=views)
    with Image.open(path) as file:
        return np.asarray(file)


def holds(sheet: NDArray[np.uint8], picture: NDArray[np.uint8]) -> bool:
    """Whether a picture is somewhere on a sheet."""
    windows = np.lib.stride_tricks.sliding_window_view(sheet[..., 0], picture.shape[:2])
    probe = picture[..., 0].std(axis=1).argmax()
    lines, columns = np.nonzero((windows[:, :, probe] == picture[probe, :, 0]).all(axis=2))
    return any(
        (sheet[line : line + len(picture), column : column + picture.shape[1]] == picture).all()
        for line, column in zip(lines, columns, strict=True)
    )


def test_pictures_of_meshes_and_colored_clouds_are_shown_as_they_are(
    folders: list[Path], tmp_path: Path
) -> None:
    sheet = sheet_of(folders, tmp_path / "sheet.png", views=1)
    chair, plain, red = (read_picture(folder / "00.png") for folder in folders)
    assert holds(sheet, chair)
    assert holds(sheet, red)
    assert not holds(sheet, plain), "a cloud is drawn as round points"
    blue = (sheet[..., 2].astype(int) - sheet[..., 0]) > 60
    assert blue.mean() > 0.01


def test_all_views_or_as_many_as_are_wanted(folders: list[Path], tmp_path: Path) -> None:
    everything = sheet_of(folders[:1], tmp_path / "all.png")
    for number in (0, 5, 11):
        assert holds(everything, read_picture(folders[0] / f"{number:02d}.png"))
    three = sheet_of(folders[:1], tmp_path / "three.png", views=3)
    shown = [holds(three, read_picture(folders[0] / f"{number:02d}.png")) for number in range(12)]
    assert np.flatnonzero(shown).tolist() == [0, 4, 8]
    assert three.shape[1] > 3 * PREVIEW_SIZE + 2 * 4, "gaps between the pictures"
    assert three.shape[0] > PREVIEW_SIZE + 20, "a name below"


def test_nothing_rendered_gives_no_sheet(tmp_path: Path) -> None:
    write_preview(tmp_path / "sheet.png", [])
    assert not list(tmp_path.iterdir())
