"""Features of 3D point clouds and meshes from pretrained CrossJEPA encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossjepa._version import __version__
from crossjepa.config import (
    EncoderConfig,
    HeadConfig,
    ModelConfig,
    PredictorConfig,
    ProcessorConfig,
    ViewPredictionConfig,
)
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.errors import (
    CrossJEPAError,
    DatasetNotFoundError,
    NoHeadError,
    PointCloudError,
    WeightsError,
)
from crossjepa.model import CrossJEPA
from crossjepa.prediction import PartPrediction, Prediction
from crossjepa.processor import PointCloudProcessor
from crossjepa.registry import list_models

if TYPE_CHECKING:
    from crossjepa.sklearn import CrossJEPAClassifier as CrossJEPAClassifier

# Not CrossJEPAClassifier: a star import must not need scikit-learn.
__all__ = [
    "CrossJEPA",
    "CrossJEPAEncoder",
    "CrossJEPAError",
    "DatasetNotFoundError",
    "EncoderConfig",
    "HeadConfig",
    "ModelConfig",
    "NoHeadError",
    "PartPrediction",
    "PointCloudError",
    "PointCloudProcessor",
    "Prediction",
    "PredictorConfig",
    "ProcessorConfig",
    "ViewPredictionConfig",
    "WeightsError",
    "__version__",
    "list_models",
]


def __getattr__(name: str) -> object:
    """Imports what needs scikit-learn on request."""
    if name == "CrossJEPAClassifier":
        from crossjepa.sklearn import CrossJEPAClassifier

        return CrossJEPAClassifier
    raise AttributeError(f"module 'crossjepa' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), "CrossJEPAClassifier"])
