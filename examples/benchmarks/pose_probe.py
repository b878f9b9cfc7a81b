"""Do features say how an object stands? A linear SVM on features, with and without a coarse grid beside them.

    python examples/benchmarks/pose_probe.py CLOUDS.npz --up-axis z --model WEIGHTS [WEIGHTS ...]

CLOUDS.npz holds `points`, `labels` and `split`; a part of its training split is taken, the test split is not
read. Scores are of cross-validation, best scaling and C. "Turned": all clouds by quarters of a turn about the
vertical axis, at random; features that are the same however an object stands lose nothing.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch import Tensor

from crossjepa import CrossJEPAEncoder
from crossjepa.evaluate.linear import fit_linear_svm
from crossjepa.train.pretrain.losses import occupancy
from crossjepa.train.pretrain.online_probe import encode_all, read_probe_data


def turn_by_quarters(points_nN3: Tensor, seed: int = 0) -> Tensor:
    """Turns each cloud by 0, 90, 180 or 270 degrees about y."""
    quarters_n = np.random.default_rng(seed).integers(0, 4, len(points_nN3))
    turns_433 = torch.tensor(
        [[[c, 0, s], [0, 1, 0], [-s, 0, c]] for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    )
    return points_nN3 @ turns_433[quarters_n].to(points_nN3.dtype)


@torch.inference_mode()
def main() -> None:
    """Prints a row for every set of features."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clouds", metavar="CLOUDS.npz")
    parser.add_argument("--up-axis", choices=("x", "y", "z"), default="y")
    parser.add_argument("--model", nargs="+", default=["crossjepa-base"], help="encoders to compare")
    parser.add_argument("--limit", type=int, default=3000, help="clouds of the training split")
    parser.add_argument("--nodes", type=int, default=4, help="nodes of the grid along each axis")
    options = parser.parse_args()
    data = read_probe_data(options.clouds, options.up_axis, options.limit)
    labels_n = data.labels_n.numpy()

    def show(name: str, features_nE: Tensor) -> None:
        machine = fit_linear_svm(features_nE.numpy(), labels_n, jobs=-1)
        print(
            f"{name:<50} {features_nE.shape[1]:>5} {max(machine.cross_validation.values()):>8.2%}", flush=True
        )

    grid_nL = occupancy(data.points_nN3, options.nodes)
    print(f"{f'features, {len(labels_n)} clouds':<50} {'width':>5} {'SVM, CV':>8}")
    show("grid alone", grid_nL)
    for name in options.model:
        encoder = CrossJEPAEncoder.from_pretrained(name)
        features_nE = encode_all(encoder.network, data.points_nN3)
        show(name, features_nE)
        show(f"{name} and grid", torch.cat([features_nE, grid_nL], dim=1))
        show(f"{name}, turned", encode_all(encoder.network, turn_by_quarters(data.points_nN3)))


if __name__ == "__main__":
    main()
