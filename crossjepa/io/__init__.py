"""Readers of point cloud and mesh files; whatever is wrong with a file, they raise one type of error."""

from crossjepa.errors import PointCloudError, PointCloudWarning
from crossjepa.io.appearance import Appearance
from crossjepa.io.folders import FolderContent, find_files, scan_folder
from crossjepa.io.read import READABLE_SUFFIXES, is_readable, read
from crossjepa.io.shapes import MAX_POINTS, Mesh, PointCloud, as_cloud, validate_mesh, validate_points

__all__ = [
    "MAX_POINTS",
    "READABLE_SUFFIXES",
    "Appearance",
    "FolderContent",
    "Mesh",
    "PointCloud",
    "PointCloudError",
    "PointCloudWarning",
    "as_cloud",
    "find_files",
    "is_readable",
    "read",
    "scan_folder",
    "validate_mesh",
    "validate_points",
]
