"""Colors of gltf and glb files: base colors of materials, their textures, and colors of vertices.

V vertices, F faces
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.appearance import GAMMA, Appearance, valid_uv
from crossjepa.io.gltf_buffers import Tree, item, read_accessor, read_uri, read_view
from crossjepa.io.images import decode_texture

logger = logging.getLogger(__name__)

# Texels of a transparent material are holes if they are less opaque than this; otherwise they are opaque.
HOLE = 0.25
_DAMAGE = (PointCloudError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)


class Painter:
    """Collects the appearance of the primitives of a file, and their textures.

    Args:
        tree: the parsed file.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.textures: list[NDArray[np.uint8]] = []
        self.numbers: dict[tuple[str, str], int] = {}
        self.used = False

    def paint(self, primitive: dict[str, Any], faces_F3: NDArray[np.int64]) -> Appearance:
        """Returns the appearance of a primitive; colors that cannot be read are logged and stay white."""
        try:
            with np.errstate(all="ignore"):
                return self._paint(primitive, faces_F3)
        except _DAMAGE as error:
            logger.warning("%s: the colors of a part are ignored (%s)", self.tree.path, error)
            return Appearance.of_corners(np.ones((len(faces_F3), 3, 3), np.float32))

    def finished(self, parts: list[Appearance]) -> Appearance | None:
        """Concatenates the parts; None if none of them has any color."""
        if not self.used:
            return None
        return Appearance(
            np.concatenate([part.colors_F33 for part in parts]),
            np.concatenate([part.texture_F for part in parts]),
            np.concatenate([part.uv_F32 for part in parts]),
            tuple(self.textures),
        )

    def _paint(self, primitive: dict[str, Any], faces_F3: NDArray[np.int64]) -> Appearance:
        attributes = primitive["attributes"]
        colors_F33 = np.ones((len(faces_F3), 3, 3))
        if "COLOR_0" in attributes:
            colors = read_accessor(self.tree, attributes["COLOR_0"])
            if colors.dtype.kind == "u":
                colors = colors / np.iinfo(colors.dtype).max
            colors_F33 = colors_F33 * np.asarray(colors[:, :3], np.float64)[faces_F3]
            self.used = True
        if "material" not in primitive:
            return Appearance.of_corners(np.clip(colors_F33, 0, 1) ** GAMMA)
        material = item(self.tree, "materials", primitive["material"])
        factor_4, texture = _base(material)
        self.used = True
        painted = Appearance.of_corners(np.clip(colors_F33 * factor_4[:3], 0, 1) ** GAMMA)
        mode = material.get("alphaMode", "OPAQUE")
        if mode != "OPAQUE" and factor_4[3] < 0.05:
            number, uv_F32 = self._add(("invisible", ""), np.zeros((1, 1, 4), np.uint8)), painted.uv_F32
        elif texture is None:
            return painted
        else:
            uv_F32 = self._places(attributes, texture)[faces_F3]
            number = self._texture(texture, mode, float(material.get("alphaCutoff", 0.5)))
        return replace(painted, texture_F=np.full(len(faces_F3), number, np.int64), uv_F32=uv_F32)

    def _add(self, key: tuple[str, str], texels_HW4: NDArray[np.uint8]) -> int:
        if key not in self.numbers:
            self.textures.append(texels_HW4)
            self.numbers[key] = len(self.textures) - 1
        return self.numbers[key]

    def _texture(self, texture: dict[str, Any], mode: str, cutoff: float) -> int:
        """Returns the number of a texture, -1 if its image cannot be read."""
        source = item(self.tree, "textures", texture["index"])
        webp = source.get("extensions", {}).get("EXT_texture_webp", {})
        image = webp.get("source", source.get("source"))
        found = item(self.tree, "images", int(image))
        view = found.get("bufferView")
        # Images often share their content, which is decoded once.
        key = (f"view {view}" if view is not None else f"uri {found['uri']}", mode)
        if key in self.numbers:
            return self.numbers[key]
        try:
            is_embedded = view is not None
            content = (
                read_view(self.tree, view) if is_embedded else read_uri(self.tree.path, str(found["uri"]))
            )
            texels_HW4 = decode_texture(content, opaque=mode == "OPAQUE")
        except (ValueError, OSError) as error:
            logger.warning("%s: image %s: %s", self.tree.path, image, error)
            self.numbers[key] = -1
            return -1
        if mode != "OPAQUE":
            hole = cutoff if mode == "MASK" else HOLE
            texels_HW4[..., 3] = np.where(texels_HW4[..., 3] < 255 * hole, 0, 255)
        return self._add(key, texels_HW4)

    def _places(self, attributes: dict[str, Any], texture: dict[str, Any]) -> NDArray[np.float32]:
        moved = texture.get("extensions", {}).get("KHR_texture_transform", {})
        channel = moved.get("texCoord", texture.get("texCoord", 0))
        uv_V2 = read_accessor(self.tree, attributes[f"TEXCOORD_{channel}"])[:, :2].astype(np.float64)
        cosine, sine = np.cos(moved.get("rotation", 0.0)), np.sin(moved.get("rotation", 0.0))
        uv_V2 = uv_V2 * np.array(moved.get("scale", (1, 1)), np.float64)
        uv_V2 = uv_V2 @ np.array([[cosine, -sine], [sine, cosine]])
        uv_V2 = uv_V2 + np.array(moved.get("offset", (0, 0)), np.float64)
        return valid_uv(uv_V2)


def _base(material: dict[str, Any]) -> tuple[NDArray[np.float64], dict[str, Any] | None]:
    """Returns the linear base color with its opacity, and the reference to the texture."""
    pbr = material.get("pbrMetallicRoughness", {})
    factor, texture = pbr.get("baseColorFactor", (1, 1, 1, 1)), pbr.get("baseColorTexture")
    glossy = material.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
    if glossy:
        factor, texture = glossy.get("diffuseFactor", (1, 1, 1, 1)), glossy.get("diffuseTexture")
    factor_4 = np.array(factor, np.float64).reshape(4)
    glow_3 = np.array(material.get("emissiveFactor", (0, 0, 0)), np.float64).reshape(3)
    # Materials that emit light are often black otherwise.
    if glow_3.any() and texture is None:
        texture = material.get("emissiveTexture")
        factor_4[:3] = glow_3 if texture else np.maximum(factor_4[:3], glow_3)
    return factor_4, texture
