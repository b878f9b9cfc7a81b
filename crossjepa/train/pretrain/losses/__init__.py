"""The losses of pretraining: one class each, in float32, whatever the precision of the networks."""

from crossjepa.train.pretrain.losses.contrast import ContrastLoss
from crossjepa.train.pretrain.losses.dense import DenseLoss
from crossjepa.train.pretrain.losses.object import ObjectLoss
from crossjepa.train.pretrain.losses.occupancy import OccupancyLoss, occupancy
from crossjepa.train.pretrain.losses.point_to_point import PointToPointLoss
from crossjepa.train.pretrain.losses.view import ViewLoss

__all__ = [
    "ContrastLoss",
    "DenseLoss",
    "ObjectLoss",
    "OccupancyLoss",
    "PointToPointLoss",
    "ViewLoss",
    "occupancy",
]
