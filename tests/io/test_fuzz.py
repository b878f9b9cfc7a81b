"""Damaged files give a usable shape or a PointCloudError, and nothing else.

`CROSSJEPA_FUZZ=1000` damages each file that many times instead of 40.
"""

from __future__ import annotations

import base64
import gzip
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossjepa.io import Mesh, PointCloudError, PointCloudWarning, read
from tests.helpers import io_writers as writers
from tests.helpers.io_shapes import FACES, VERTICES, gltf_with_uri
from tests.io.test_ply_body import cloud_of_any_types, every_extra

FUZZ = int(os.environ.get("CROSSJEPA_FUZZ", "40"))
XYZ = writers.xyz_columns(VERTICES)
FILES: dict[str, bytes] = {
    "a.off": writers.off(VERTICES, FACES),
    "a.obj": writers.obj(VERTICES, FACES),
    "b.stl": writers.stl_binary(VERTICES, FACES),
    "a.stl": writers.stl_ascii(VERTICES, FACES[:2]),
    "a.ply": writers.ply(VERTICES, FACES),
    "l.ply": writers.ply(VERTICES, FACES, "binary_little_endian"),
    "b.ply": writers.ply(VERTICES, FACES, "binary_big_endian", "float", "uint uint"),
    "e.ply": every_extra("ascii"),
    "x.ply": every_extra("binary_little_endian"),
    "a.glb": writers.glb(*writers.gltf_tree(VERTICES, FACES, scale=[1, 2, 3])),
    "a.gltf": gltf_with_uri(
        "data:application/octet-stream;base64,"
        + base64.b64encode(writers.gltf_tree(VERTICES, FACES)[1]).decode()
    ).encode(),
    "a.npz": writers.npz(vertices=VERTICES, faces=FACES),
    "a.npy": writers.npy(VERTICES),
    "a.xyz": writers.rows(VERTICES).encode(),
    "a.csv": b"x,y,z\n" + writers.rows(VERTICES, ",").encode(),
    "a.txt": writers.rows(VERTICES, ";").encode(),
    "a.pts": b"4\n" + writers.rows(VERTICES).encode(),
    "n.csv": b",id,X [m],Y [m],Z [m],name\n"
    + b"".join(b'%d,7,%g,%g,%g,"a, b"\n' % (row, *xyz) for row, xyz in enumerate(VERTICES.tolist())),
    "g.asc": b"//X;Y;Z\n4\n" + writers.rows(VERTICES, ";").replace(".", ",").encode(),
    "u.tsv": ("x\ty\tz\n" + writers.rows(VERTICES, "\t")).encode("utf-16"),
    "s.npy": writers.npy(writers.structured_from(VERTICES)),
    "v.ply": cloud_of_any_types("binary_little_endian", lists=True),
    "w.ply": cloud_of_any_types("ascii", lists=True),
    "a.xyz.gz": gzip.compress(writers.rows(VERTICES).encode(), mtime=0),
    "a.pcd": writers.pcd(XYZ),
    "b.pcd": writers.pcd(XYZ, "binary"),
    "c.pcd": writers.pcd(XYZ, "binary_compressed"),
}
SNIPPETS = [
    b"nan",
    b"-1",
    b"9" * 30,
    b"9" * 5000,
    b"1e999",
    b"\n",
    b"#",
    b" ",
    b"\0",
    b"\xff\xff\xff\xff",
    b"[" * 2000,
]
Damage = Callable[[bytes], bytes]


def _flip(places: list[tuple[float, int]]) -> Damage:
    def damage(content: bytes) -> bytes:
        changed = bytearray(content)
        for place, value in places:
            changed[int(place * len(content))] ^= value
        return bytes(changed)

    return damage


def _cut(places: tuple[float, float]) -> Damage:
    def damage(content: bytes) -> bytes:
        start, end = sorted(int(place * len(content)) for place in places)
        return content[:start] + content[end:]

    return damage


def _insert(place: float, snippet: bytes) -> Damage:
    return lambda content: (
        content[: int(place * len(content))] + snippet + content[int(place * len(content)) :]
    )


places = st.floats(0, 1, exclude_max=True)
damages = st.one_of(
    st.lists(st.tuples(places, st.integers(1, 255)), min_size=1, max_size=4).map(_flip),
    places.map(lambda place: lambda content: content[: int(place * len(content))]),
    st.tuples(places, places).map(_cut),
    st.builds(_insert, places, st.one_of(st.sampled_from(SNIPPETS), st.binary(min_size=1, max_size=8))),
)


@pytest.mark.parametrize("name", FILES)
@given(damage=damages)
@settings(
    max_examples=FUZZ,
    deadline=20_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
def test_damaged_files(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Damage) -> None:
    path = tmp_path / name
    path.write_bytes(damage(FILES[name]))
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", PointCloudWarning)
        try:
            shape = read(path)
        except PointCloudError as error:
            assert error.reason
            assert len(error.reason) <= 500
            assert error.reason.isprintable()
            assert "(unexpected" not in error.reason
            return
        finally:
            assert not [record for record in caplog.records if "cross themselves" not in record.message]
    points_N3 = shape.vertices_V3 if isinstance(shape, Mesh) else shape.points_N3
    assert points_N3.ndim == 2
    assert points_N3.shape[1] == 3
    assert len(points_N3) >= 1
    assert np.isfinite(points_N3).all()
    if isinstance(shape, Mesh):
        assert shape.faces_F3.shape[1] == 3
        assert 0 <= shape.faces_F3.min() <= shape.faces_F3.max() < len(points_N3)


@pytest.mark.parametrize("name", FILES)
def test_undamaged_files(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    read(tmp_path / name)
