"""Views of meshes and clouds, without system libraries."""

from crossjepa.train.render.camera import RIGS, View, rig
from crossjepa.train.render.preview import contact_sheet, save_png
from crossjepa.train.render.projection import RENDERERS, Renderer, check_renderer
from crossjepa.train.render.shading import color_histogram, render_mesh
from crossjepa.train.render.splat import render_cloud

__all__ = [
    "RENDERERS",
    "RIGS",
    "Renderer",
    "View",
    "check_renderer",
    "color_histogram",
    "contact_sheet",
    "render_cloud",
    "render_mesh",
    "rig",
    "save_png",
]
