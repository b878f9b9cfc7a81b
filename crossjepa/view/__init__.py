"""What is to be seen: pages that work offline, pictures, and files with colors for other tools."""

from crossjepa.view.page import write_page
from crossjepa.view.picture import draw_scene, write_picture, write_ply
from crossjepa.view.scene import Scene, Shown, make_scene

__all__ = ["Scene", "Shown", "draw_scene", "make_scene", "write_page", "write_picture", "write_ply"]
