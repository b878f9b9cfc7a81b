"""Views of meshes and clouds, without system libraries."""

from crossjepa.train.render.camera import RIGS, View, rig
from crossjepa.train.render.shading import color_histogram, render_mesh

__all__ = ["RIGS", "View", "color_histogram", "render_mesh", "rig"]
