"""Evaluation by named protocols: what was done is part of the result."""

from crossjepa.datasets.part_metrics import PartScores, most_likely_parts, part_scores, shape_iou
from crossjepa.evaluate.baselines import ShapeDistributions, untrained_encoder
from crossjepa.evaluate.features import (
    EncoderFeatures,
    Extractor,
    FeatureCache,
    default_cache,
    extract_features,
)
from crossjepa.evaluate.linear import LinearMachine, fit_linear_svm
from crossjepa.evaluate.protocols import PROTOCOLS, list_protocols
from crossjepa.evaluate.run import evaluate, evaluate_folds, find_extractor
from crossjepa.evaluate.segmentation import evaluate_parts
from crossjepa.result import Result

__all__ = [
    "PROTOCOLS",
    "EncoderFeatures",
    "Extractor",
    "FeatureCache",
    "LinearMachine",
    "PartScores",
    "Result",
    "ShapeDistributions",
    "default_cache",
    "evaluate",
    "evaluate_folds",
    "evaluate_parts",
    "extract_features",
    "find_extractor",
    "fit_linear_svm",
    "list_protocols",
    "most_likely_parts",
    "part_scores",
    "shape_iou",
    "untrained_encoder",
]
