"""Columns by their names."""

from __future__ import annotations

import pytest

from crossjepa.io.columns import find_columns, is_header


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        ("x,y,z", [0, 1, 2]),
        ("Z,Y,X,x_std,y_std,z_std", [2, 1, 0]),
        ("nx,ny,nz,x,y,z", [3, 4, 5]),
        ("id;X [m];Y [m];Z [m]", [1, 2, 3]),
        ("X mm,Y mm,Z mm", [0, 1, 2]),
        ("x_axis,y_axis,z_axis", [0, 1, 2]),
        ("XCoord,YCoord,ZCoord", [0, 1, 2]),
        ("vx,vy,vz,posX,posY,posZ", [3, 4, 5]),
        ("world_x,world_y,world_z,local_x,local_y,local_z", [0, 1, 2]),
        ("velocity_x,velocity_y,velocity_z,position_x,position_y,position_z", [3, 4, 5]),
        ("position[0],position[1],position[2]", [0, 1, 2]),
        ("rgb_0,rgb_1,rgb_2,xyz_0,xyz_1,xyz_2", [3, 4, 5]),
        ("Points:1,Points:2,Points:3", [0, 1, 2]),
        ("scan_x,scan_y,scan_z", [0, 1, 2]),
        ("UTM_Easting,UTM_Northing,Height", [0, 1, 2]),
        ("E [m],N [m],H [m]", [0, 1, 2]),
        ("X,Y,Elevation", [0, 1, 2]),
        ("Punkt,Rechtswert,Hochwert,H\u00f6he", [1, 2, 3]),
    ],
)
def test_columns_are_found(names: str, columns: list[int]) -> None:
    assert find_columns(names.replace(";", ",").split(",")) == columns


@pytest.mark.parametrize(
    "names",
    ["a,b,c", "nx,ny,nz", "vx,vy,vz", "lon,lat,alt", "r,theta,phi", "x_min,y_min,z_min",
     "Normals:0,Normals:1,Normals:2",
     "t,e,n", "x,y", "f0,f1,f2", "0,1,2", "range,azimuth,elevation", "azimuth,elevation angle,east,north",
     "x,y,z,x,y,z", "x1,y1,z1,x2,y2,z2", "field_x,field_y,field_z", "", "x" * 10_000],
)  # fmt: skip
def test_names_that_do_not_say_which(names: str) -> None:
    with pytest.raises(ValueError, match="its columns are"):
        find_columns(names.split(","))


def test_words_of_comments() -> None:
    assert is_header(["LFID", "SHOTNUMBER", "TIME"])
    assert not is_header(["scanned", "in", "the", "garden"])
