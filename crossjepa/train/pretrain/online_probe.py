"""Cheap scores of the features while the encoder trains.

n clouds, N points, E embedding width
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crossjepa.config import Axis
from crossjepa.config_fields import Precision
from crossjepa.datasets.npz import load_arrays
from crossjepa.io import PointCloudError
from crossjepa.models.evaluation_view import evaluation_view
from crossjepa.models.point_encoder import PointEncoder
from crossjepa.processor import rotate_up_axis
from crossjepa.train.common.rng import normalize_batch

# Fewest clouds of a probe: a fifth of them is held out of its fit.
FEWEST = 5


@dataclass(frozen=True)
class ProbeData:
    """Labeled clouds, all from a training split; a fifth of them is held out when the probe is fitted.

    Attributes:
        points_nN3: (n, N, 3) float32 clouds, y up.
        labels_n: (n,) int64 classes from 0.
    """

    points_nN3: Tensor
    labels_n: Tensor


def read_probe_data(path: str | os.PathLike[str], up_axis: Axis, limit: int, seed: int = 0) -> ProbeData:
    """Reads labeled clouds for a probe.

    Args:
        path: npz with `points` (n, N, 3) and `labels` (n,), see `load_arrays`; rows of the test split are
            skipped.
        up_axis: the axis that points up in the file.
        limit: largest number of clouds, chosen with the seed.
        seed: seed of the choice.

    Returns:
        The clouds.

    Raises:
        PointCloudError: the file is damaged, an array is missing or does not fit, or there are too few
            clouds; the message names the file.
    """
    data = load_arrays("probe", Path(path), up_axis)
    allowed = [row for row, split in enumerate(data.splits) if split != "test"]
    chosen = np.random.default_rng(seed).permutation(allowed)[:limit]
    if len(chosen) < FEWEST:
        raise PointCloudError(path, f"{len(chosen)} clouds to probe with, at least {FEWEST} are needed")
    clouds = [rotate_up_axis(data[row].points_N3, up_axis, "y") for row in chosen]
    _, dense = np.unique(data.labels_n[chosen], return_inverse=True)
    # Clouds that lost points which are not finite repeat others.
    most = max(map(len, clouds), default=0)
    filled = [cloud_N3[np.resize(np.arange(len(cloud_N3)), most)] for cloud_N3 in clouds]
    points_nN3 = torch.from_numpy(np.stack(filled)).float()
    return ProbeData(normalize_batch(points_nN3), torch.from_numpy(dense).long())


@torch.inference_mode()
def encode_all(
    encoder: PointEncoder, points_nN3: Tensor, batch_size: int = 64, precision: Precision = "bfloat16"
) -> Tensor:
    """Returns the (n, E) float32 max+mean features of clouds at the encoder's current size.

    Args:
        encoder: the encoder.
        points_nN3: (n, N, 3) clouds.
        batch_size: clouds per pass.
        precision: of the arithmetic.
    """
    device = next(encoder.parameters()).device
    count = encoder.config.num_points
    enabled, batches = precision == "bfloat16", torch.split(points_nN3[:, :count], batch_size)
    model = evaluation_view(encoder)
    with torch.autocast(device.type, torch.bfloat16, enabled=enabled):
        parts = (model(points_BN3.to(device), pool="max+mean").pooled for points_BN3 in batches)
        return torch.cat([part_BE.float().cpu() for part_BE in parts])


def probe(features_nE: Tensor, labels_n: Tensor) -> dict[str, float]:
    """Scores features by ridge regression and 1-NN, fitted on the first 80 % of the rows.

    Returns:
        "ridge" and "nearest" accuracies on the rest, and the statistics of `spread`.
    """
    cut = int(0.8 * len(features_nE))
    mean_E, std_E = features_nE[:cut].mean(dim=0), features_nE[:cut].std(dim=0) + 1e-6
    scaled = ((features_nE - mean_E) / std_E).double()
    fit, rest = scaled[:cut], scaled[cut:]
    wanted = F.one_hot(labels_n[:cut], int(labels_n.max()) + 1).double() - 1 / (int(labels_n.max()) + 1)
    penalty = 0.1 * cut * torch.eye(fit.shape[1], dtype=torch.float64)
    weight = torch.linalg.solve(fit.T @ fit + penalty, fit.T @ wanted)
    ridge = ((rest @ weight).argmax(dim=1) == labels_n[cut:]).double().mean()
    similarity = F.normalize(rest, dim=1) @ F.normalize(fit, dim=1).T
    nearest = (labels_n[:cut][similarity.argmax(dim=1)] == labels_n[cut:]).double().mean()
    return {"ridge": float(ridge), "nearest": float(nearest), **spread(features_nE)}


def spread(features_nE: Tensor) -> dict[str, float]:
    """Statistics that show a collapse.

    Returns:
        "rank", the exponential of the entropy of the covariance's spectrum (1 when all features lie on a
        line), and "deviation", the mean standard deviation of a channel.
    """
    centered = (features_nE - features_nE.mean(dim=0)).double()
    values = torch.linalg.svdvals(centered).square()
    shares = values / values.sum().clamp_min(1e-12)
    entropy = -(shares * shares.clamp_min(1e-12).log()).sum()
    return {"rank": float(entropy.exp()), "deviation": float(centered.std(dim=0).mean())}
