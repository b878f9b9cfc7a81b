"""Features of 3D point clouds and meshes from pretrained CrossJEPA encoders."""

from typing import TYPE_CHECKING

from crossjepa._lazy import lazy_names
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

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
