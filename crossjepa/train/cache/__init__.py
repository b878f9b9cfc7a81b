"""Embeddings of a frozen teacher for views of every object: computed once, read in every epoch."""

from crossjepa.datasets.cameras import POSE_FIELDS
from crossjepa.hashing import recipe_hash
from crossjepa.train.cache.arrays import FloatRows, from_bfloat16, to_bfloat16
from crossjepa.train.cache.build import default_workers, make_cache
from crossjepa.train.cache.cache import ARRAYS, HISTOGRAM_BINS, Cache, Cameras, Views, open_cache
from crossjepa.train.cache.dense import DenseConfig
from crossjepa.train.cache.join import join_teachers
from crossjepa.train.cache.layout import finish_cache, start_cache
from crossjepa.train.cache.manifest import partial_folder
from crossjepa.train.cache.recipe import CacheConfig
from crossjepa.train.cache.verify import CacheReport, check_cache

__all__ = [
    "ARRAYS",
    "HISTOGRAM_BINS",
    "POSE_FIELDS",
    "Cache",
    "CacheConfig",
    "CacheReport",
    "Cameras",
    "DenseConfig",
    "FloatRows",
    "Views",
    "check_cache",
    "default_workers",
    "finish_cache",
    "from_bfloat16",
    "join_teachers",
    "make_cache",
    "open_cache",
    "partial_folder",
    "recipe_hash",
    "start_cache",
    "to_bfloat16",
]
