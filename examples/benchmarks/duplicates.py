"""From which similarity on two files are the same object: the threshold of `crossjepa duplicates`.

    python examples/benchmarks/duplicates.py FOLDER [--model crossjepa-base] [--shapes 100]

Each mesh of FOLDER is compared with itself, changed as files of the same object differ, and with the most
similar other mesh. A row of the table: lowest, 1st and 5th percentile, and median of the cosines.

    resampled     points drawn on the surface with another seed, as a cloud
    few points    the same with 512 points
    re-exported   vertices rounded to four digits and in another order, faces in another order
    rescaled      other units, another place
    subdivided    every triangle cut into four
    others        the most similar other mesh; some are duplicates of each other indeed

Then, for some thresholds: how many changed meshes are found, and how many meshes have another above it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from crossjepa import CrossJEPAEncoder
from crossjepa.io import Mesh, PointCloud, find_files, read
from crossjepa.ops.mesh_sampling import sample_surface

THRESHOLDS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def resampled(mesh: Mesh, rng: np.random.Generator, count: int = 1024) -> PointCloud:
    """Draws points on the surface."""
    return PointCloud(sample_surface(mesh.vertices_V3, mesh.faces_F3, count, rng)[0])


def re_exported(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Rounds and reorders."""
    order_V = rng.permutation(len(mesh.vertices_V3))
    place_V = np.argsort(order_V)
    digits = 3 - int(np.floor(np.log10(np.ptp(mesh.vertices_V3))))
    faces_F3 = place_V[mesh.faces_F3][rng.permutation(len(mesh.faces_F3))]
    return Mesh(np.round(mesh.vertices_V3, digits)[order_V], faces_F3)


def rescaled(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Changes the unit and the place."""
    return Mesh(25.4 * mesh.vertices_V3 + rng.normal(0, 100, 3), mesh.faces_F3)


def subdivided(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Cuts every triangle at the middles of its edges."""
    corners_F33 = mesh.vertices_V3[mesh.faces_F3]
    middles_F33 = (corners_F33 + np.roll(corners_F33, -1, axis=1)) / 2
    a, b, c = corners_F33.swapaxes(0, 1)
    ab, bc, ca = middles_F33.swapaxes(0, 1)
    faces = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    vertices_V3 = np.concatenate([np.stack(face, axis=1) for face in faces]).reshape(-1, 3)
    return Mesh(vertices_V3, np.arange(len(vertices_V3)).reshape(-1, 3))


CHANGES: dict[str, Callable[[Mesh, np.random.Generator], Mesh | PointCloud]] = {
    "resampled": resampled,
    "few points": lambda mesh, rng: resampled(mesh, rng, 512),
    "re-exported": re_exported,
    "rescaled": rescaled,
    "subdivided": subdivided,
}


def show(name: str, cosine_n: NDArray[np.floating]) -> None:
    """Prints a row of the table."""
    print(f"{name:<12} " + " ".join(f"{value:>7.3f}" for value in np.percentile(cosine_n, [0, 1, 5, 50])))


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("--model", default="crossjepa-base")
    parser.add_argument("--shapes", type=int, default=100)
    options = parser.parse_args()
    encoder, rng = CrossJEPAEncoder.from_pretrained(options.model), np.random.default_rng(0)
    files = find_files(options.folder)
    chosen = np.linspace(0, len(files) - 1, min(options.shapes, len(files))).astype(int)
    meshes = [mesh for mesh in (read(files[row]) for row in chosen) if isinstance(mesh, Mesh)]
    features_nE = encoder.encode(meshes, progress=False)
    print(f"{len(meshes):>4} meshes  {'min':>8} {'1 %':>7} {'5 %':>7} {'50 %':>7}")
    found = []
    for name, change in CHANGES.items():
        changed_nE = encoder.encode([change(mesh, rng) for mesh in meshes], progress=False)
        found.append(encoder.similarity_pairwise(features_nE, changed_nE))
        show(name, found[-1])
    others_nn = encoder.similarity(features_nE, features_nE)
    np.fill_diagonal(others_nn, -1)
    show("others", others_nn.max(axis=1))
    same = np.concatenate(found)
    print(f"\n{'similarity':<12} {'found':>7} {'others':>7}")
    for threshold in THRESHOLDS:
        shares = (same >= threshold).mean(), (others_nn.max(axis=1) >= threshold).mean()
        print(f"{threshold:<12} {shares[0]:>7.1%} {shares[1]:>7.1%}")


if __name__ == "__main__":
    main()
