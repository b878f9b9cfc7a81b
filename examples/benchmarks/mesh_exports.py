"""How much features change when only the description of a mesh does: its faces, their order, their cut.

    python examples/benchmarks/mesh_exports.py FILE ... [--model crossjepa-base]

Prints the lowest and the mean cosine, over the files, between the features of a mesh as it is and of the same
surface described in other ways; last, as a scale, with points of another seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa import CrossJEPAEncoder
from crossjepa.io import Mesh, read
from crossjepa.processor import sample_mesh


def descriptions(mesh: Mesh) -> Iterator[tuple[str, Mesh]]:
    """Yields other descriptions of the same surface."""
    vertices_V3, faces_F3, rng = mesh.vertices_V3, mesh.faces_F3, np.random.default_rng(0)
    yield "faces in another order", Mesh(vertices_V3, rng.permutation(faces_F3))
    order_V = rng.permutation(len(vertices_V3))
    yield "vertices in another order", Mesh(vertices_V3[order_V], order_V.argsort()[faces_F3])
    yield "faces that begin elsewhere", Mesh(vertices_V3, np.roll(faces_F3, 1, axis=1))
    yield "faces turned around", Mesh(vertices_V3, faces_F3[:, ::-1])
    yield (
        "no vertex shared",
        Mesh(vertices_V3[faces_F3].reshape(-1, 3), np.arange(faces_F3.size).reshape(-1, 3)),
    )
    yield "each face cut into four", _subdivided(vertices_V3, faces_F3)
    yield "each face cut into three", _split(vertices_V3, faces_F3)
    yield "each face there twice", Mesh(vertices_V3, np.concatenate([faces_F3, faces_F3]))
    half_F3 = faces_F3[: len(faces_F3) // 2, ::-1]
    yield "half of the faces with back sides", Mesh(vertices_V3, np.concatenate([faces_F3, half_F3]))
    yield "float32", Mesh(vertices_V3.astype(np.float32).astype(np.float64), faces_F3)
    size = np.ptp(vertices_V3, axis=0).max()
    yield "six digits", Mesh(np.round(vertices_V3 / size, 6), faces_F3)


def _subdivided(vertices_V3: NDArray[np.float64], faces_F3: NDArray[np.int64]) -> Mesh:
    middles_F33 = (vertices_V3[faces_F3] + vertices_V3[np.roll(faces_F3, -1, axis=1)]) / 2
    a, b, c = faces_F3.T
    ab, bc, ca = (len(vertices_V3) + np.arange(faces_F3.size).reshape(-1, 3)).T
    corners = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    faces = np.concatenate([np.stack(corner, axis=1) for corner in corners])
    return Mesh(np.concatenate([vertices_V3, middles_F33.reshape(-1, 3)]), faces)


def _split(vertices_V3: NDArray[np.float64], faces_F3: NDArray[np.int64]) -> Mesh:
    weights_F3 = np.random.default_rng(0).dirichlet((1, 1, 1), len(faces_F3))
    centers_F3 = (vertices_V3[faces_F3] * weights_F3[..., None]).sum(axis=1)
    center_F = len(vertices_V3) + np.arange(len(faces_F3))
    a, b, c = faces_F3.T
    corners = [(a, b, center_F), (b, c, center_F), (c, a, center_F)]
    faces = np.concatenate([np.stack(corner, axis=1) for corner in corners])
    return Mesh(np.concatenate([vertices_V3, centers_F3]), faces)


def main() -> None:
    """Prints the cosines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--model", default="crossjepa-base")
    options = parser.parse_args()
    encoder = CrossJEPAEncoder.from_pretrained(options.model)
    cosines: dict[str, list[float]] = {}
    for file in options.files:
        mesh = read(file)
        if not isinstance(mesh, Mesh):
            parser.error(f"{file} is a point cloud")
        others = dict(descriptions(mesh))
        count = encoder.processor.config.num_points
        seeds = [sample_mesh(mesh, count, seed) for seed in (1, 2, 3)]
        features = encoder.encode([mesh, *others.values(), *seeds], normalize=True)
        for name, cosine in zip([*others, *["another seed"] * 3], features[1:] @ features[0], strict=True):
            cosines.setdefault(name, []).append(float(cosine))
    print("| the same surface | lowest cosine | mean |\n|---|---|---|")
    for name, values in cosines.items():
        print(f"| {name} | {min(values):.4f} | {np.mean(values):.4f} |")


if __name__ == "__main__":
    main()
