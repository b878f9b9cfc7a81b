"""Readers of point cloud and mesh files; whatever is wrong with a file, they raise one type of error."""

from crossjepa.errors import PointCloudError
from crossjepa.io.appearance import Appearance
from crossjepa.io.read import READABLE_SUFFIXES, find_files, read
from crossjepa.io.shapes import MAX_POINTS, Mesh, PointCloud, validate_mesh, validate_points

__all__ = [
    "MAX_POINTS",
    "READABLE_SUFFIXES",
    "Appearance",
    "Mesh",
    "PointCloud",
    "PointCloudError",
    "find_files",
    "read",
    "validate_mesh",
    "validate_points",
]
