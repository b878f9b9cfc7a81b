"""Clouds and meshes of other libraries: real ones where they are installed, their interfaces otherwise."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crossjepa import PointCloudError, PointCloudWarning
from crossjepa.batching import as_inputs
from crossjepa.io import Mesh, PointCloud
from crossjepa.processor import load
from tests.helpers.io_shapes import FACES, VERTICES
from tests.helpers.io_writers import structured_from


class Open3DTensor:
    """As Open3D's own tensors: no array, but on a device and with `numpy`."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values

    def cpu(self) -> Open3DTensor:
        return self

    def numpy(self) -> NDArray[Any]:
        return self.values


class Frame:
    """As a table of pandas: it is iterated over by names."""

    def __init__(self, **columns: NDArray[Any] | list[Any]) -> None:
        self.data = columns
        self.columns = list(columns)

    def __iter__(self) -> Any:
        return iter(self.columns)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return np.asarray(self.data[name])

    def __len__(self) -> int:
        return len(next(iter(self.data.values())))

    def to_numpy(self) -> NDArray[Any]:
        return np.array([list(column) for column in self.data.values()], object).T


class LasData:
    """As laspy: `points` are integers that are not scaled."""

    points = np.zeros(4, [("X", "i4"), ("Y", "i4"), ("Z", "i4")])
    xyz = VERTICES


X, Y, Z = VERTICES.T
CLOUDS: dict[str, Any] = {
    "Open3D": SimpleNamespace(points=VERTICES),
    "Open3D on a device": SimpleNamespace(point=SimpleNamespace(positions=Open3DTensor(VERTICES))),
    "PyTorch Geometric": SimpleNamespace(pos=torch.from_numpy(VERTICES), y=torch.zeros(1)),
    "PyVista": SimpleNamespace(points=VERTICES, faces=np.zeros(0, int), n_strips=0),
    "trimesh": SimpleNamespace(vertices=VERTICES),
    "Open3D mesh without triangles": SimpleNamespace(vertices=VERTICES, triangles=np.zeros((0, 3), int)),
    "laspy": LasData(),
    "pandas": Frame(label=["a", "b", "c", "d"], Z=Z, X=X, Y=Y),
    "pyntcloud": SimpleNamespace(points=Frame(x=X, y=Y, z=Z), xyz=VERTICES, mesh=None),
    "mapping": {"coord": VERTICES, "color": np.zeros((4, 3))},
    "structured": structured_from(VERTICES),
    "table of objects": VERTICES.astype(object),
    "list of rows": VERTICES.tolist(),
    "bfloat16": torch.from_numpy(VERTICES).to(torch.bfloat16),
}
CORNERS = Frame(v1=FACES[:, 0], v2=FACES[:, 1], v3=FACES[:, 2])
MESHES: dict[str, Any] = {
    "trimesh": SimpleNamespace(vertices=VERTICES, faces=FACES),
    "Open3D": SimpleNamespace(vertices=VERTICES, triangles=FACES.astype(np.int32)),
    "Open3D on a device": SimpleNamespace(
        vertex=SimpleNamespace(positions=Open3DTensor(VERTICES)),
        triangle=SimpleNamespace(indices=Open3DTensor(FACES)),
    ),
    "PyVista": SimpleNamespace(points=VERTICES, faces=np.hstack([np.full((4, 1), 3), FACES]).ravel()),
    "PyTorch Geometric": SimpleNamespace(
        pos=torch.from_numpy(VERTICES), face=torch.from_numpy(FACES.T.copy())
    ),
    "mapping": {"vertices": VERTICES, "triangles": FACES},
    "pyntcloud": SimpleNamespace(points=Frame(x=X, y=Y, z=Z), xyz=VERTICES, mesh=CORNERS),
}


@pytest.mark.parametrize("library", CLOUDS)
def test_clouds(library: str) -> None:
    cloud = load(CLOUDS[library])
    assert isinstance(cloud, PointCloud)
    np.testing.assert_array_equal(cloud.points_N3, VERTICES)


@pytest.mark.parametrize("library", MESHES)
def test_meshes(library: str) -> None:
    mesh = load(MESHES[library])
    assert isinstance(mesh, Mesh)
    np.testing.assert_array_equal(mesh.vertices_V3, VERTICES)
    np.testing.assert_array_equal(mesh.faces_F3, FACES)


def test_polygons_of_vtk() -> None:
    polygons: Any = SimpleNamespace(points=VERTICES, faces=np.array([4, 0, 1, 2, 3, 3, 0, 1, 2]))
    mesh = load(polygons)
    assert isinstance(mesh, Mesh)
    assert mesh.faces_F3.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 2]]


@pytest.mark.parametrize("library", CLOUDS)
def test_one_object_is_one_input(library: str) -> None:
    if library == "list of rows":
        return
    inputs, single = as_inputs(CLOUDS[library])
    assert single
    assert len(list(inputs)) == 1


@pytest.mark.parametrize(
    ("sources", "count"),
    [
        (np.stack([VERTICES, VERTICES]), 2),
        (torch.zeros(3, 4, 3), 3),
        (np.array(["a.obj", "b.obj"]), 2),
        (np.array(["a.obj", VERTICES, "b.obj"], object), 3),
        ([VERTICES, "a.obj"], 2),
        (iter([VERTICES]), 1),
    ],
)
def test_several_inputs(sources: Any, count: int) -> None:
    inputs, single = as_inputs(sources)
    assert not single
    assert len(list(inputs)) == count


def named(name: str, **attributes: Any) -> Any:
    return type(name, (), attributes)()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (named("DataBatch", pos=VERTICES, to_data_list=None), "DataBatch: .*to_data_list"),
        (named("UnstructuredGrid", points=VERTICES), "extract_surface"),
        (named("MultiBlock", combine=None, __iter__=lambda self: iter([])), "combine"),
        (named("PointCloud2", fields=[], data=b""), "read_points_numpy"),
        (named("Meshes", verts_list=None), "verts_list"),
        (named("Path3D", vertices=VERTICES, entities=[]), "curves"),
        (named("Data", pos=None), "Data: this Data has no positions"),
        (named("Thing"), r"not Thing; give an \(N, 3\) array of its coordinates"),
        (named("Lazy", points=property(lambda self: 1 / 0)), "Lazy: cannot be read .ZeroDivisionError"),
        (b"solid", "the name of the file"),
        (7, "not int"),
        (None, "not NoneType"),
        (Frame(a=X, b=Y, c=Z), "Frame: its columns are 'a', 'b', 'c'"),
        (Frame(x=X, y=Y, z=["a", "b", "c", "d"]), "Frame: cannot be read"),
        ({"a": VERTICES, "b": VERTICES}, "dict: has no array named points"),
        ([[0, 0, 0], [1, 1]], "array: is no array of numbers"),
        (torch.zeros(4, 3).to_sparse(), "array: is no array of numbers"),
        (torch.zeros(4, 3, device="meta"), "array: is no array of numbers"),
        (torch.nested.nested_tensor([torch.zeros(2, 3), torch.zeros(3, 3)]), "array: "),
        (VERTICES.T, "array: shape .3, 4.: coordinates are in rows; transpose it to 4x3"),
        (torch.zeros(3, 1024), "transpose it to 1024x3"),
        (np.zeros((6, 1024)), "transpose it to 1024x6"),
        (np.array([["x", "y", "z"]]), "real numbers"),
    ],
)  # fmt: skip
def test_refusals(value: Any, words: str) -> None:
    with pytest.raises(PointCloudError, match=words):
        load(value)


def test_masked_rows_are_left_out() -> None:
    masked = np.ma.masked_array(np.vstack([VERTICES, [[9, 9, 9]]]), mask=False)
    masked[4, 1] = np.ma.masked
    for array in (masked, masked.astype(np.float32)):
        with pytest.warns(PointCloudWarning, match="array: 1 of 5 points are not finite"):
            cloud = load(array)
        assert isinstance(cloud, PointCloud)
        np.testing.assert_array_equal(cloud.points_N3, VERTICES)
    whole = np.ma.masked_array(np.arange(12).reshape(4, 3), mask=False)
    whole[2] = np.ma.masked
    with pytest.warns(PointCloudWarning, match="1 of 4"):
        cloud = load(whole)
    assert isinstance(cloud, PointCloud)
    assert cloud.points_N3.tolist() == [[0, 1, 2], [3, 4, 5], [9, 10, 11]]


def test_scenes_of_trimesh() -> None:
    trimesh = pytest.importorskip("trimesh")
    box = trimesh.creation.box()
    scene = trimesh.Scene()
    scene.add_geometry(box)
    scene.add_geometry(box, transform=trimesh.transformations.translation_matrix([3, 0, 0]))
    mesh = load(scene)
    assert isinstance(mesh, Mesh)
    assert len(mesh.faces_F3) == 24
    assert np.ptp(mesh.vertices_V3, axis=0).tolist() == [4, 1, 1]
    cloud = load(trimesh.Scene([trimesh.PointCloud(VERTICES)]))
    assert isinstance(cloud, PointCloud)
    np.testing.assert_array_equal(cloud.points_N3, VERTICES)
    np.testing.assert_array_equal(load(trimesh.PointCloud(VERTICES)).points_N3, VERTICES)  # type: ignore[union-attr]
    with pytest.raises(PointCloudError, match="Scene"):
        load(trimesh.Scene())


def test_tables_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"name": list("abcd"), "x": X, "y": Y, "z": Z})
    frame.loc[4] = ["e", 1.0, None, 1.0]
    with pytest.warns(PointCloudWarning, match="DataFrame: 1 of 5"):
        cloud = load(frame)
    assert isinstance(cloud, PointCloud)
    np.testing.assert_array_equal(cloud.points_N3, VERTICES)
    unnamed = load(pandas.DataFrame(VERTICES))
    assert isinstance(unnamed, PointCloud)
    np.testing.assert_array_equal(unnamed.points_N3, VERTICES)
    nullable = load(pandas.DataFrame(VERTICES, columns=list("xyz")).convert_dtypes())
    assert isinstance(nullable, PointCloud)
    np.testing.assert_array_equal(nullable.points_N3, VERTICES)


def test_a_cloud_remembers_which_rows_were_left_out_before() -> None:
    with pytest.warns(PointCloudWarning, match="1 of 5"):
        first = load(np.vstack([VERTICES[:1] * np.nan, VERTICES]))
    assert isinstance(first, PointCloud)
    again = load(first)
    assert again.valid_M is not None
    assert again.valid_M.tolist() == [False, True, True, True, True]
    worse = PointCloud(np.where(VERTICES == 3, np.nan, VERTICES), valid_M=first.valid_M)
    with pytest.warns(PointCloudWarning, match="1 of 4"):
        last = load(worse)
    assert last.valid_M is not None
    assert last.valid_M.tolist() == [False, True, True, True, False]
