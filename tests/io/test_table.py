"""Tables of points in the dialects of many programs: the right columns, or an error that shows the header."""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudWarning
from crossjepa.io import PointCloud, read
from tests.helpers.io_shapes import read_cloud, reason_of, write

POINTS = np.array([[1, 2, 3], [-4.5, 5e-3, 6], [7.25, -8, 9.5], [0, 0.5, 1e-3]])
FEW = POINTS[:2]


def table(header: str, columns: str, separator: str = ",", decimal: str = ".") -> str:
    """Writes POINTS: in `columns`, x, y, z are coordinates, i counts rows, t is a time, and T a text."""
    made: dict[str, Callable[[int], str]] = {
        **{axis: lambda row, k=k: repr(float(POINTS[row, k])) for k, axis in enumerate("xyz")},  # type: ignore[misc]
        "i": str, "t": lambda row: f"16000000{row}0.25", "T": lambda _: "table top", "_": lambda _: "",
        "n": lambda row: f"0.{row}1", "c": lambda row: str(100 + 7 * row),
    }  # fmt: skip
    rows = [separator.join(made[name](row).replace(".", decimal) for name in columns) for row in range(4)]
    return "\n".join([header, *rows] if header else rows) + "\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.xyz", "1 2 3\n-4.5 5e-3 6\n"),
        ("a.XYZ", "1 2 3\r\n-4.5 5e-3 6"),
        ("a.xyz", "1 2 3\r-4.5 5e-3 6\r"),
        ("a.xyz", "\ufeff1\t2\t3\n\n   -4.5   0.005 6  \n"),
        ("a.txt", "1\t\t2\t\t3\n-4.5\t\t5e-3\t\t6\n"),
        ("a.xyz", "# x y z\n1 2 3 # first\n# between\n-4.5 5e-3 6\n"),
        ("a.xyz", "//X Y Z R\n1 2 3 9\n-4.5 5e-3 6 9\n"),
        ("a.txt", "1,2,3,0,0,1\n-4.5,5e-3,6,1,0,0\n"),
        ("a.csv", "1;2;3\n-4.5;5e-3;6\n"),
        ("a.csv", "1,2,3,\n-4.5,5e-3,6,\n"),
        ("a.csv", "z;x;label;y\n3;1;7;2\n6;-4.5;7;0.005\n"),
        ("a.csv", '"the label","X","Y","Z"\n7,1,2,3\n7, -4.5, 5e-3, 6\n'),
        ("a.csv", "east,north,up\n1,2,3\n-4.5,5e-3,6\n"),
        ("a.pts", "2\n1 2 3 100 0 0 0\n-4.5 5e-3 6 100 0 0 0\n"),
        ("a.pts", "1 2 3\n-4.5 5e-3 6\n"),
        ("a.xyz", "scanned in the cathedral\n1 2 3\n-4.5 5e-3 6\n"),
        ("a.tsv", "x\tname\ty\tz\n1\ta\t2\t3\n-4.5\t\t5e-3\t6\n"),
        ("a.csv", "x|y|z\n1|2|3\n-4.5|5e-3|6\n"),
        ("a.csv", "sep=;\nx;y;z\n1;2;3\n-4.5;5e-3;6\n"),
        ("a.csv", "x,y,z\nm,m,m\n1,2,3\n-4.5,5e-3,6\n"),
        ("a.csv", "x,y,z\n1,2,3\n-4.5,5e-3,6\n,,\n"),
        ("a.csv", "Scanner 3000\nDate: 2020-01-02\n\nx,y,z\n1,2,3\n-4.5,5e-3,6\n"),
        ("a.csv", "x,y,z\n1,2,3\nx,y,z\n-4.5,5e-3,6\n"),
        ("a.txt", "1.0D+00 2 3\n-4.5d0 5d-3 6\n"),
        ("a.asc", "// exported\n//X Y Z\n2\n1 2 3\n-4.5 5e-3 6\n"),
        ("a.xyzrgb", "1 2 3 255 0 0\n-4.5 5e-3 6 0 0 0\n"),
        ("a.csv", 'label,x,y,z\n"a, or b",1,2,3\n"c",-4.5,5e-3,6\n'),
        ("a.csv", 'x,y,z\n"1,0","2,0","3,0"\n"-4,5","0,005","6,0"\n'),
        ("a.csv", "x,y,z,color\n1,2,3,#ff0000\n-4.5,5e-3,6,#00ff00\n"),
    ],
)
def test_forms(tmp_path: Path, name: str, text: str) -> None:
    np.testing.assert_array_equal(read_cloud(write(tmp_path, name, text)), FEW)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (",x,y,z", "ixyz"),
        ("t,x,y,z", "txyz"),
        ("z,label,x,y", "zTxy"),
        ("Normals:0,Normals:1,Normals:2,Points:0,Points:1,Points:2", "nnnxyz"),
        ('"Points_0","Points_1","Points_2","Points_Magnitude"', "xyzn"),
        ("intensity,laser_id,azimuth,Points_m_XYZ:0,Points_m_XYZ:1,Points_m_XYZ:2", "cicxyz"),
        ("id,X [m],Y [m],Z [m]", "ixyz"),
        ("t,X (mm),Y (mm),Z (mm)", "txyz"),
        ("frame,pos_x,pos_y,pos_z", "ixyz"),
        ("frame,px,py,pz", "ixyz"),
        ("vx,vy,vz,x_coord,y_coord,z_coord", "nnnxyz"),
        ("Name,Northing,Easting,Elevation", "iyxz"),
        ("P,N,E,Z,D", "iyxzT"),
        ("id,X,Y,Height", "ixyz"),
        ("t,.pose.position.x,.pose.position.y,.pose.position.z,.pose.orientation.x", "txyzn"),
        ("Gr\u00f6\u00dfe,x,y,z", "cxyz"),
        ("%time,field.header.seq,field.point.x,field.point.y,field.point.z", "tixyz"),
        ("X\u5750\u6807,Y\u5750\u6807,Z\u5750\u6807", "xyz"),
        ("# t,x,y,z", "txyz"),
        ("#t x y z", "txyz"),
        ("// first\n# made by hand\n# t x y z", "txyz"),
        ("% id; X; Y; Z", "ixyz"),
        ("time stamp,x,y,z,", "txyz_"),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_are_found_by_their_names(tmp_path: Path, header: str, columns: str, separator: str) -> None:
    if not header.startswith(("#", "/", "%")):
        header = header.replace(",", separator)
    text = table(header, columns, separator)
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.csv", text)), POINTS)
    if separator != ",":
        text = table(header, columns, separator, decimal=",")
        np.testing.assert_array_equal(read_cloud(write(tmp_path, "b.csv", text)), POINTS)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("t x y z", "txyz"),
        ("id X [m] Y [m] Z [m]", "ixyz"),
        ("X (m) Y (m) Z (m) intensity", "xyzc"),
        ('"x" "y" "z"', "ixyz"),  # R: names of rows have no header
        ("x y z", "ixyz"),
        ("x,y,z", "xyz"),
        ("", "ixyz"),  # pandas without a header
        ("", "xyzT"),
        ("", "xyzccc"),
        ("4", "xyzccc"),
        ("# 4 points", "xyz"),
    ],
)
def test_columns_between_spaces(tmp_path: Path, header: str, columns: str) -> None:
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.txt", table(header, columns, " "))), POINTS)


@pytest.mark.parametrize("separator", [" ", "\t", ";"])
def test_decimal_commas_without_names(tmp_path: Path, separator: str) -> None:
    text = table("", "xyz", separator, decimal=",")
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.xyz", text)), POINTS)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "a.csv", table("Gr\u00f6\u00dfe;x;y;z", "cxyz", ";").encode(encoding))
    np.testing.assert_array_equal(read_cloud(path), POINTS)


def test_utf_16_of_the_other_order(tmp_path: Path) -> None:
    content = codecs.BOM_UTF16_BE + table("x,y,z", "xyz").encode("utf-16-be")
    np.testing.assert_array_equal(read_cloud(write(tmp_path, "a.csv", content)), POINTS)


@pytest.mark.parametrize(
    "sign",
    ["nan", "NaN", "-nan", "-nan(ind)", "nan(0x8000000)", "1.#QNAN", "-1.#IND", "1.#INF00", "inf",
     "-Infinity", "", "NA", "#N/A", "null", "None", "1e999"],
)  # fmt: skip
def test_rows_that_are_not_finite_are_left_out_and_counted(tmp_path: Path, sign: str) -> None:
    rows = ["x,y,z,t", "1,2,3,5", f"1,2,{sign},5", "-4.5,5e-3,6,5", f"{sign},0,0,5"]
    path = write(tmp_path, "a.csv", "\n".join(rows))
    with pytest.warns(PointCloudWarning, match="2 of 4 points are not finite and were left out") as caught:
        shape = read(path)
    assert len(caught) == 1
    assert str(caught[0].message).startswith(f"{path}: ")
    assert isinstance(shape, PointCloud)
    np.testing.assert_array_equal(shape.points_N3, FEW)
    assert shape.valid_M is not None
    assert shape.valid_M.tolist() == [True, False, True, False]


def test_nan_without_names_and_between_spaces(tmp_path: Path) -> None:
    path = write(tmp_path, "a.xyz", "1 2 3\n0 0 1.#QNAN\n-nan(ind) -nan(ind) -nan(ind)\n-4.5 5e-3 6\n")
    with pytest.warns(PointCloudWarning, match="2 of 4 points"):
        np.testing.assert_array_equal(read_cloud(path), FEW)


def test_several_scans_in_one_file(tmp_path: Path) -> None:
    path = write(tmp_path, "a.pts", "1\n1 2 3 9\n1\n-4.5 5e-3 6 9\n")
    np.testing.assert_array_equal(read_cloud(path), FEW)
    assert "promises 2 points, but 1" in reason_of(write(tmp_path, "b.pts", "2\n1 2 3\n1\n-4.5 5e-3 6\n"))


def test_more_points_than_promised_are_all_used(tmp_path: Path) -> None:
    path = write(tmp_path, "a.pts", "1\n1 2 3\n-4.5 5e-3 6\n")
    with pytest.warns(PointCloudWarning, match="promises 1 points, but 2 follow"):
        np.testing.assert_array_equal(read_cloud(path), FEW)


@pytest.mark.parametrize(
    ("header", "columns", "words"),
    [
        ("a,b,c", "xyz", "line 1: its columns are 'a', 'b', 'c'"),
        ("intensity,ring,time,value", "cixt", "'intensity', 'ring', 'time', 'value'"),
        ("nx,ny,nz,label", "nnnT", "'nx', 'ny', 'nz', 'label'"),
        ("lon,lat,alt", "xyz", "longitude and latitude are angles"),
        ("X,Y,X", "xyz", "'X', 'Y', 'X'"),
        ("x,y,z,x,y,z", "xyzxyz", "several of them"),
        ("x1,y1,z1,x2,y2,z2", "xyzxyz", "several of them"),
        ("# LFID SHOTNUMBER TIME CLON CLAT", "iitxy", "'LFID', 'SHOTNUMBER', 'TIME'"),
        ("time of the scan,,,", "txyz", "line 1"),
        ("my scan of the garden", "txyz", "does not name the 4 columns"),
        ("", "txyz", "looks like times"),
        ("", "Txyz", "is not a line of numbers; name the columns"),
    ],
)
def test_names_that_say_nothing_are_shown(tmp_path: Path, header: str, columns: str, words: str) -> None:
    assert words in reason_of(write(tmp_path, "a.csv", table(header, columns)))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.xyz", "1 2 3\n\n# c\n4 5 six\n", "line 4: '4 5 six'"),
        ("a.xyz", "1 2 3\n4 5\n", "line 2: 2 numbers, expected 3"),
        ("a.xyz", "1 2 3\n4 5 6 7 8 9\n", "line 2: 6 numbers, expected 3"),
        ("a.xyz", "1 2\n3 4\n", "line 1: 2 numbers"),
        ("a.xyz", "?? !! --\n1 2 3\n", "line 1"),
        ("a.xyz", "some words\nand some more\n", "line 1: 'some words'"),
        ("a.csv", "1,2,,3\n4,5,,6\n", "none of its 2 points is finite"),
        ("a.csv", "x,y,z\n1,2,3\n4;5;6\n", "line 3"),
        ("a.csv", "x,y,z,name\n1,2,3,a\nSmith, John,1,2,3\n", "line 3: 5 columns, expected 4"),
        ("a.csv", "x,y,z\n", "no points"),
        ("a.xyz", "# nothing\n\n", "no points"),
        ("a.pts", "3\n1 2 3\n4 5 6\n", "promises 3 points, but 2"),
        ("a.xyz", "1 nan 3\ninf 0 0\n", "none of its 2 points is finite"),
        ("a.xyz", "1 2 1e200\n", "1e100"),
        ("a.xyz", b"1 2 3\n\xff\xfe 5 6\n", "line 2"),
        ("a.xyz", b"1 2 3\n\0\0", "zero bytes"),
        ("a.csv", "x,y,z\n0,5,1,25,3,5\n1,5,2,25,4,5\n", "line 1: 'x,y,z' does not name the 6 columns"),
        ("a.csv", "0,5,1,25,3,005\n1,5,2,25,4,05\n", "decimal commas also separate"),
        ("a.asc", "ncols 4\nnrows 2\n1 2 3 4\n5 6 7 8\n", "gdal_translate"),
        ("a.txt", ("1 " * 600 + "\n") * 3, "transpose"),
        ("a.txt", ("1.5 " * 100_000 + "\n") * 3, "transpose"),
        ("a.txt", "word " * 100_000, "letters is no point"),
        ("a.csv", ("9" * 30_000 + ",1,2,3\n") * 3, "finite"),
        ("a.csv", '1,2,3\n4,5,6\n7,"8,9\n', "line 3"),
        ("a.xyz", "2\ncomment\nH 0 0 0\nO 0 0 1\n", "line 2"),
    ],
)
def test_refusals(tmp_path: Path, name: str, text: str | bytes, words: str) -> None:
    assert words in reason_of(write(tmp_path, name, text))


def test_plain_tables_warn_of_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(write(tmp_path, "a.xyz", table("", "xyz", " ")))
