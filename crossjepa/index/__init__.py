"""Search by shape and by picture; needs the extra `search`."""

from crossjepa.index.build import IndexReport, ViewGrid, build_index, prune_index, remove_from_index
from crossjepa.index.duplicates import group_duplicates
from crossjepa.index.pictures import Picture, read_picture
from crossjepa.index.search import Match, ShapeIndex
from crossjepa.index.sheet import write_sheet

__all__ = [
    "IndexReport",
    "Match",
    "Picture",
    "ShapeIndex",
    "ViewGrid",
    "build_index",
    "group_duplicates",
    "prune_index",
    "read_picture",
    "remove_from_index",
    "write_sheet",
]
