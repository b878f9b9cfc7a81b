"""Views of meshes and clouds, without system libraries."""

from crossjepa.train.render.camera import RIGS, View, rig
from crossjepa.train.render.images import color_histogram, contact_sheet, resize_images, save_png
from crossjepa.train.render.shading import render_mesh
from crossjepa.train.render.splat import render_cloud

__all__ = [
    "RIGS",
    "View",
    "color_histogram",
    "contact_sheet",
    "render_cloud",
    "render_mesh",
    "resize_images",
    "rig",
    "save_png",
]
