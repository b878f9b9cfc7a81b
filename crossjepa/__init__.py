"""Features of 3D point clouds and meshes from pretrained CrossJEPA encoders."""

from crossjepa._version import __version__
from crossjepa.config import EncoderConfig, ModelConfig, ProcessorConfig
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.hub import WeightsError
from crossjepa.io import PointCloudError
from crossjepa.processor import PointCloudProcessor
from crossjepa.registry import list_models

__all__ = [
    "CrossJEPAEncoder",
    "EncoderConfig",
    "ModelConfig",
    "PointCloudError",
    "PointCloudProcessor",
    "ProcessorConfig",
    "WeightsError",
    "__version__",
    "list_models",
]
