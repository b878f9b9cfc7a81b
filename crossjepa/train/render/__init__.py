"""Views of meshes and clouds, without system libraries."""

from crossjepa.train.render.camera import RIGS, View, rig
from crossjepa.train.render.colors import color_histogram
from crossjepa.train.render.preview import contact_sheet, save_png
from crossjepa.train.render.shading import render_mesh
from crossjepa.train.render.splat import render_cloud

__all__ = [
    "RIGS",
    "View",
    "color_histogram",
    "contact_sheet",
    "render_cloud",
    "render_mesh",
    "rig",
    "save_png",
]
