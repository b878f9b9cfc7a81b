"""Features of 3D point clouds and meshes from pretrained CrossJEPA encoders."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from crossjepa._version import __version__

if TYPE_CHECKING:
    from crossjepa.config import (
        EncoderConfig,
        HeadConfig,
        ModelConfig,
        OutlierRemovalConfig,
        PredictorConfig,
        ProcessorConfig,
        TeacherConfig,
        ViewPredictionConfig,
    )
    from crossjepa.config_similarity import SimilarityConfig
    from crossjepa.encoder import CrossJEPAEncoder
    from crossjepa.errors import (
        CrossJEPAError,
        DatasetNotFoundError,
        FolderInUseError,
        NoHeadError,
        PointCloudError,
        PointCloudWarning,
        SearchIndexError,
        WeightsError,
        WorkerError,
    )
    from crossjepa.model import CrossJEPA
    from crossjepa.prediction import PartPrediction, Prediction
    from crossjepa.processor import PointCloudProcessor
    from crossjepa.registry import list_models
    from crossjepa.scale.shards import read_features
    from crossjepa.sklearn import CrossJEPAClassifier as CrossJEPAClassifier

# Not CrossJEPAClassifier: a star import must not need scikit-learn.
__all__ = [
    "CrossJEPA",
    "CrossJEPAEncoder",
    "CrossJEPAError",
    "DatasetNotFoundError",
    "EncoderConfig",
    "FolderInUseError",
    "HeadConfig",
    "ModelConfig",
    "NoHeadError",
    "OutlierRemovalConfig",
    "PartPrediction",
    "PointCloudError",
    "PointCloudProcessor",
    "PointCloudWarning",
    "Prediction",
    "PredictorConfig",
    "ProcessorConfig",
    "SearchIndexError",
    "SimilarityConfig",
    "TeacherConfig",
    "ViewPredictionConfig",
    "WeightsError",
    "WorkerError",
    "__version__",
    "list_models",
    "read_features",
]


# Modules by name, imported when one of their names is asked for: the package itself needs no torch.
_HOMES = {
    "config": "EncoderConfig HeadConfig ModelConfig OutlierRemovalConfig PredictorConfig ProcessorConfig "
    "TeacherConfig ViewPredictionConfig",
    "config_similarity": "SimilarityConfig",
    "encoder": "CrossJEPAEncoder",
    "errors": "CrossJEPAError DatasetNotFoundError FolderInUseError NoHeadError PointCloudError "
    "PointCloudWarning SearchIndexError WeightsError WorkerError",
    "model": "CrossJEPA",
    "prediction": "PartPrediction Prediction",
    "processor": "PointCloudProcessor",
    "registry": "list_models",
    "scale.shards": "read_features",
    "sklearn": "CrossJEPAClassifier",
}


def __getattr__(name: str) -> object:
    """Imports a public name, or a module of the package, when it is asked for."""
    for home, names in _HOMES.items():
        if name in names.split():
            return getattr(import_module(f"crossjepa.{home}"), name)
    if not name.startswith("_") and find_spec(f"crossjepa.{name}"):
        return import_module(f"crossjepa.{name}")
    raise AttributeError(f"module 'crossjepa' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "CrossJEPAClassifier"})
