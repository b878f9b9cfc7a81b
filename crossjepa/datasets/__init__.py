"""Data sets: one type for all sources, one file for every layout."""

from crossjepa.datasets.catalog import SOURCES
from crossjepa.datasets.concat import concat
from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.detect import detect, list_datasets, load
from crossjepa.datasets.fewshot import find_folds, load_fold
from crossjepa.datasets.open import open_dataset
from crossjepa.datasets.sample import Sample
from crossjepa.datasets.verify import Check, check
from crossjepa.errors import DatasetNotFoundError

__all__ = [
    "SOURCES",
    "Check",
    "Dataset",
    "DatasetNotFoundError",
    "Sample",
    "check",
    "concat",
    "detect",
    "find_folds",
    "list_datasets",
    "load",
    "load_fold",
    "open_dataset",
]
