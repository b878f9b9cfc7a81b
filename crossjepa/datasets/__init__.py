"""Readers of data sets, one file a data set; all give one type of sample."""

from crossjepa.datasets.catalog import SOURCES
from crossjepa.datasets.dataset import Dataset, Sample
from crossjepa.datasets.detect import detect, list_datasets, load
from crossjepa.datasets.fewshot import find_folds, load_fold
from crossjepa.datasets.verify import Check, check
from crossjepa.errors import DatasetNotFoundError

__all__ = [
    "SOURCES",
    "Check",
    "Dataset",
    "DatasetNotFoundError",
    "Sample",
    "check",
    "detect",
    "find_folds",
    "list_datasets",
    "load",
    "load_fold",
]
