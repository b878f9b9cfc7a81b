"""The scene of a glTF file: where its nodes, skins and instances put the primitives of its meshes.

V vertices, I instances, J joints
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.io.gltf_buffers import Tree, item, read_accessor
from crossjepa.io.shapes import MAX_POINTS

_INSTANCING = "EXT_mesh_gpu_instancing"
_TRANSFORMS = {"matrix", "translation", "rotation", "scale"}
# A small file can place primitives very often, even such that hold nothing.
_MOST_PLACED = 100_000


@dataclass(frozen=True, eq=False)
class Placed:
    """A primitive of a mesh, and where it is.

    Attributes:
        primitive: its JSON.
        matrices_I44: (I, 4, 4) transform of each of its instances; only one without an extension.
        joints_J44: (J, 4, 4) transforms of the joints of its skin, which then replace those of instances.
        weights: weights of its morph targets.
    """

    primitive: dict[str, Any]
    matrices_I44: NDArray[np.float64]
    joints_J44: NDArray[np.float64] | None
    weights: list[float]

    def positions(self, tree: Tree) -> NDArray[np.float64]:
        """Returns the (I, V, 3) positions of all instances.

        Raises:
            ValueError: it does not follow the specification of glTF, or would have too many points.
        """
        attributes = self.primitive["attributes"]
        positions_V3 = read_accessor(tree, attributes["POSITION"])
        if positions_V3.shape[1] != 3:
            raise ValueError(f"positions have {positions_V3.shape[1]} components instead of 3")
        # A scene may repeat a mesh many times, so a small file can ask for very much.
        if len(positions_V3) * len(self.matrices_I44) > MAX_POINTS:
            raise ValueError(f"{len(self.matrices_I44)} instances of {len(positions_V3)} points")
        with np.errstate(all="ignore"):
            positions_V3 = self._morphed(tree, positions_V3.astype(np.float64))
            if self.joints_J44 is not None and "JOINTS_0" in attributes:
                return _skinned(tree, attributes, self.joints_J44, positions_V3)[None]
            linear_I33, shift_I3 = self.matrices_I44[:, :3, :3], self.matrices_I44[:, :3, 3]
            return positions_V3 @ linear_I33.swapaxes(1, 2) + shift_I3[:, None]

    def _morphed(self, tree: Tree, positions_V3: NDArray[np.float64]) -> NDArray[np.float64]:
        targets = self.primitive.get("targets", [])
        active = [(target, weight) for target, weight in zip(targets, self.weights, strict=False) if weight]
        if len(active) * len(positions_V3) > 10 * MAX_POINTS:
            raise ValueError(f"{len(active)} morph targets of {len(positions_V3)} points")
        for target, weight in active:
            if "POSITION" in target:
                positions_V3 = positions_V3 + float(weight) * read_accessor(tree, target["POSITION"])
        return positions_V3


def placed_primitives(tree: Tree) -> Iterator[Placed]:
    """Walks over the scene and yields each primitive of each mesh.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: the tree does not follow the specification of glTF.
    """
    matrices = _global_matrices(tree)
    nodes = {index: item(tree, "nodes", index) for index in matrices}
    meshes = {index: item(tree, "meshes", node["mesh"]) for index, node in nodes.items() if "mesh" in node}
    if sum(len(mesh["primitives"]) for mesh in meshes.values()) > _MOST_PLACED:
        raise ValueError(f"its nodes place more than {_MOST_PLACED} primitives")
    for index, mesh in meshes.items():
        node, matrix_44 = nodes[index], matrices[index]
        joints_J44 = _joints(tree, node["skin"], matrices) if "skin" in node else None
        instancing = node.get("extensions", {}).get(_INSTANCING)
        matrices_I44 = matrix_44[None] if instancing is None else matrix_44 @ _instances(tree, instancing)
        weights = node.get("weights", mesh.get("weights", []))
        for primitive in mesh["primitives"]:
            yield Placed(primitive, matrices_I44, joints_J44, weights)


def _global_matrices(tree: Tree) -> dict[int, NDArray[np.float64]]:
    """Returns the (4, 4) transform of every node of the scene, in the order of the tree."""
    waiting = [(index, np.eye(4)) for index in _roots(tree)]
    matrices: dict[int, NDArray[np.float64]] = {}
    while waiting:
        index, parent_44 = waiting.pop()
        node = item(tree, "nodes", index)
        if index in matrices:
            raise ValueError(f"node {index} has two parents")
        matrices[index] = parent_44
        if not _TRANSFORMS.isdisjoint(node):
            with np.errstate(all="ignore"):
                matrices[index] = parent_44 @ _matrix(node)
        waiting += [(child, matrices[index]) for child in reversed(node.get("children", []))]
    return matrices


def _roots(tree: Tree) -> list[int]:
    if tree.json.get("scenes"):
        return list(reversed(item(tree, "scenes", tree.json.get("scene", 0)).get("nodes", [])))
    nodes = tree.json.get("nodes", [])
    children = {child for node in nodes for child in node.get("children", [])}
    return [index for index in reversed(range(len(nodes))) if index not in children]


def _matrix(node: dict[str, Any]) -> NDArray[np.float64]:
    """Returns the (4, 4) transform of a node: its matrix, or its translation, rotation and scale."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    names, usual = ("translation", "rotation", "scale"), ((0, 0, 0), (0, 0, 0, 1), (1, 1, 1))
    parts = [
        np.array(node.get(name, value), np.float64).reshape(1, len(value))
        for name, value in zip(names, usual, strict=True)
    ]
    return np.asarray(_compose(*parts)[0])


def _compose(
    translation_I3: NDArray[np.float64], rotation_I4: NDArray[np.float64], scale_I3: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns (I, 4, 4) transforms; quaternions of another length than 1 are normalized."""
    length_I1 = np.linalg.norm(rotation_I4, axis=1, keepdims=True)
    x, y, z, w = np.where(length_I1 > 0, rotation_I4 / np.where(length_I1 > 0, length_I1, 1), (0, 0, 0, 1)).T
    rotation_33I = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrices_I44 = np.tile(np.eye(4), (len(x), 1, 1))
    matrices_I44[:, :3, :3] = np.moveaxis(rotation_33I, 2, 0) * scale_I3[:, None]
    matrices_I44[:, :3, 3] = translation_I3
    return matrices_I44


def _instances(tree: Tree, extension: dict[str, Any]) -> NDArray[np.float64]:
    """Returns the (I, 4, 4) transforms of a node's instances, relative to the node."""
    attributes = extension["attributes"]
    usual = {"TRANSLATION": (0, 0, 0), "ROTATION": (0, 0, 0, 1), "SCALE": (1, 1, 1)}
    found = {name: read_accessor(tree, attributes[name]) for name in usual if name in attributes}
    counts = {len(values) for values in found.values()}
    if len(counts) != 1:
        raise ValueError(f"{_INSTANCING} has attributes of different lengths, or none")
    count = counts.pop()
    for name, values in found.items():
        if values.shape[1] != len(usual[name]):
            raise ValueError(f"{_INSTANCING} has a {name} of {values.shape[1]} components")
    return _compose(
        *(
            np.asarray(found.get(name, np.broadcast_to(np.array(value), (count, len(value)))), np.float64)
            for name, value in usual.items()
        )
    )


def _joints(tree: Tree, index: object, matrices: dict[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Returns the (J, 4, 4) transforms from the mesh to the scene that the joints of a skin stand for."""
    skin = item(tree, "skins", index)
    joints_J44 = np.stack([_global_matrix(tree, joint, matrices) for joint in skin["joints"]])
    if "inverseBindMatrices" not in skin:
        return joints_J44
    inverses_J16 = np.asarray(read_accessor(tree, skin["inverseBindMatrices"]), np.float64)
    if inverses_J16.shape[1] != 16 or len(inverses_J16) < len(joints_J44):
        raise ValueError(f"a skin of {len(joints_J44)} joints has {len(inverses_J16)} inverse bind matrices")
    with np.errstate(all="ignore"):
        return np.asarray(joints_J44 @ inverses_J16[: len(joints_J44)].reshape(-1, 4, 4).swapaxes(1, 2))


def _global_matrix(tree: Tree, index: int, matrices: dict[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Returns the transform of a joint, which need not be in the scene that is shown."""
    if index in matrices:
        return matrices[index]
    parents = {
        child: parent
        for parent, node in enumerate(tree.json.get("nodes", []))
        for child in node.get("children", [])
    }
    matrix_44, seen = _matrix(item(tree, "nodes", index)), {index}
    while index in parents:
        index = parents[index]
        if index in seen:
            raise ValueError(f"node {index} is its own parent")
        seen.add(index)
        matrix_44 = _matrix(item(tree, "nodes", index)) @ matrix_44
    return matrix_44


def _skinned(
    tree: Tree, attributes: dict[str, Any], joints_J44: NDArray[np.float64], positions_V3: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Blends the transforms of the joints of every vertex; of a vertex without weights, its first joint's."""
    blended_V34 = np.zeros((len(positions_V3), 3, 4))
    total_V = np.zeros(len(positions_V3))
    first_V = np.zeros(len(positions_V3), np.int64)
    sets = sum(1 for name in attributes if name.startswith("JOINTS_"))
    for number in range(sets):
        joints_V4 = read_accessor(tree, attributes[f"JOINTS_{number}"])
        weights_V4 = read_accessor(tree, attributes[f"WEIGHTS_{number}"])
        if joints_V4.shape != (len(positions_V3), 4) or weights_V4.shape != joints_V4.shape:
            raise ValueError(f"joints of shape {joints_V4.shape} for {len(positions_V3)} points")
        if joints_V4.dtype.kind not in "iu" or (joints_V4 >= len(joints_J44)).any() or (joints_V4 < 0).any():
            raise ValueError(
                f"a vertex is moved by a joint that is none of the {len(joints_J44)} of its skin"
            )
        if weights_V4.dtype.kind == "u":
            weights_V4 = weights_V4 / np.iinfo(weights_V4.dtype).max
        for joint_V, weight_V in zip(joints_V4.T, weights_V4.T, strict=True):
            blended_V34 += weight_V[:, None, None] * joints_J44[joint_V, :3]
            total_V += weight_V
        first_V = joints_V4[:, 0].astype(np.int64) if number == 0 else first_V
    free_V = ~(total_V > 0)
    blended_V34[free_V], total_V[free_V] = joints_J44[first_V[free_V], :3], 1
    moved_V3 = np.einsum("vij,vj->vi", blended_V34[..., :3], positions_V3) + blended_V34[..., 3]
    return np.asarray(moved_V3 / total_V[:, None])
