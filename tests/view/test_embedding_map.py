"""Maps of collections: what is on them. See test_embedding_map_browser.py for the page."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossjepa import CrossJEPAEncoder
from crossjepa.io import PointCloud, read
from crossjepa.view.embedding_map import EmbeddingMap, make_map, shape_picture, write_map
from tests.conftest import SAMPLES
from tests.helpers.finetune_data import write_folder

pytest.importorskip("sklearn", reason="maps need the extra `view`")


def test_every_file_has_a_place_a_cluster_and_a_picture(base: CrossJEPAEncoder, tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data", 3)
    bad = data / "horse" / "bad.off"
    bad.write_text("OFF\n3 1 0\n")
    files = sorted(path for path in data.rglob("*.*"))
    found = make_map(base, files)
    assert [error.source for error in found.errors] == [str(bad)]
    assert len(found.names) == len(found.pictures) == len(found.places_n2) == len(found.clusters_n) == 9
    assert set(found.folders) == {"desk_lamp", "horse", "table"}
    assert "horse/00.xyz" in found.names
    clusters = {(folder, number) for folder, number in zip(found.folders, found.clusters_n, strict=True)}
    assert len(clusters) == 3, "one cluster per folder"
    with Image.open(io.BytesIO(found.pictures[0])) as image:
        alpha = np.asarray(image)[..., 3]
    assert set(np.unique(alpha)) == {0, 255}


def test_pictures_of_meshes_and_clouds() -> None:
    mesh = shape_picture(read(SAMPLES / "horse.obj"), size=64)
    assert (mesh < 250).any(axis=2).mean() > 0.1
    flat_N3 = np.random.default_rng(0).uniform(-1, 1, (500, 3)) * (1, 0.02, 1)
    lying = shape_picture(PointCloud(flat_N3), "y", size=64)
    standing = shape_picture(PointCloud(flat_N3), "x", size=64)
    low, high = (np.ptp(np.nonzero((image < 250).any(axis=2))[0]) for image in (lying, standing))
    assert low < high
    red = shape_picture(PointCloud(flat_N3, np.array([[1, 0, 0]] * 500, np.float32)), size=64)
    assert (red[..., 0].astype(int) - red[..., 1]).max() > 100


def test_names_are_text_on_the_page(tmp_path: Path) -> None:
    pytest.importorskip("plotly", reason="pages need the extra `view`")
    found = EmbeddingMap(
        ("<img src=x>", "b"),
        ("", ""),
        np.zeros((2, 2)),
        np.zeros(2, np.int64),
        (b"png", b"png"),
        "PCA",
        "<m>",
    )
    write_map(tmp_path / "map.html", found)
    page = (tmp_path / "map.html").read_text("utf-8")
    assert "Map of 2 shapes" in page
    assert "&lt;m&gt;" in page
    assert "<img src=x>" not in page


def test_nothing_to_show(base: CrossJEPAEncoder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file could be used"):
        make_map(base, [tmp_path / "none.ply"])
