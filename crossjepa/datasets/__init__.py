"""Readers of data sets, one file a data set; all give one type of sample."""

from crossjepa.datasets.check import Check, check
from crossjepa.datasets.fewshot import find_folds, load_fold
from crossjepa.datasets.locate import DatasetNotFoundError, detect, list_datasets, load
from crossjepa.datasets.sample import Dataset, Sample
from crossjepa.datasets.sources import SOURCES

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
