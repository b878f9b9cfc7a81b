"""Part labels of a few shapes, carried over to others of their kind by the nearest features of points.

N points, M labeled points of all shapes, C encoder width
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.defaults import TRANSFER_NEIGHBORS
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.processor import Input

_CHUNK = 4096


class PartTransfer:
    """Labeled shapes whose parts others get.

    Args:
        encoder: makes features of points.
        shapes: labeled clouds or meshes, one or more of a kind.
        parts: (N,) part of every point or vertex of each shape; those below 0 are unlabeled.
        neighbors: nearest labeled points that vote for the part of a point.
        up_axis: the axis that points up in all shapes; the one of the weights by default.

    Raises:
        PointCloudError: a shape cannot be used.
        ValueError: there are no labels, or not one for every point of a shape.

    Example:
        >>> encoder = crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base")
        >>> vertices = crossjepa.io.read("chair.obj").vertices_V3
        >>> is_leg = (vertices[:, 1] < np.median(vertices[:, 1])).astype(int)
        >>> transfer = crossjepa.part_transfer.PartTransfer(encoder, ["chair.obj"], [is_leg])
        >>> bool((transfer.predict("chair.obj") == is_leg).mean() > 0.9)
        True
    """

    def __init__(
        self,
        encoder: CrossJEPAEncoder,
        shapes: Sequence[Input],
        parts: Sequence[NDArray[np.integer]],
        *,
        neighbors: int = TRANSFER_NEIGHBORS,
        up_axis: Axis | None = None,
    ) -> None:
        if neighbors < 1:
            raise ValueError(f"neighbors must be at least 1, not {neighbors}")
        if len(shapes) != len(parts):
            raise ValueError(f"{len(shapes)} shapes, but parts of {len(parts)}")
        self.encoder, self.neighbors, self.up_axis = encoder, neighbors, up_axis
        features, labels = [], []
        for number, (shape, parts_N) in enumerate(zip(shapes, parts, strict=True)):
            features_NC = encoder.encode_points(shape, up_axis=up_axis)
            parts_N = np.asarray(parts_N)
            if parts_N.shape != (len(features_NC),):
                raise ValueError(
                    f"shape {number} has {len(features_NC)} points, but parts of shape {parts_N.shape}"
                )
            is_used_N = np.isfinite(features_NC).all(axis=1) & (parts_N >= 0)
            features.append(features_NC[is_used_N])
            labels.append(parts_N[is_used_N].astype(np.int64))
        known_MC, self.parts_M = np.concatenate(features), np.concatenate(labels)
        if not len(known_MC):
            raise ValueError("no point has a label")
        self.mean_C, self.std_C = known_MC.mean(axis=0), known_MC.std(axis=0) + 1e-6
        self.known_MC = self._standardized(known_MC)

    def _standardized(self, features_NC: NDArray[np.float32]) -> torch.Tensor:
        scaled_NC = torch.from_numpy((features_NC - self.mean_C) / self.std_C)
        return torch.nn.functional.normalize(scaled_NC, dim=1)

    def predict(self, shape: Input) -> NDArray[np.int64]:
        """Returns the (N,) part of every point or vertex of a shape, -1 for those that are not finite.

        Raises:
            PointCloudError: the shape cannot be used.
        """
        features_NC = self.encoder.encode_points(shape, up_axis=self.up_axis)
        found_N = np.full(len(features_NC), -1, np.int64)
        is_finite_N = np.isfinite(features_NC).all(axis=1)
        query_NC = self._standardized(features_NC[is_finite_N])
        found_N[is_finite_N] = np.concatenate([self._vote(chunk) for chunk in torch.split(query_NC, _CHUNK)])
        return found_N

    def _vote(self, query_QC: torch.Tensor) -> NDArray[np.int64]:
        """Returns the (Q,) parts with the largest sum of similarities among the nearest labeled points."""
        count = min(self.neighbors, len(self.known_MC))
        similarity_QK, near_QK = (query_QC @ self.known_MC.T).topk(count, dim=1)
        parts_QK = torch.from_numpy(self.parts_M)[near_QK]
        votes_QP = torch.zeros(len(query_QC), int(self.parts_M.max()) + 1)
        votes_QP.scatter_add_(1, parts_QK, 1 + similarity_QK)
        return np.asarray(votes_QP.argmax(dim=1).numpy())
