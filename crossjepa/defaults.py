"""Defaults and choices of options of heavy modules: help shows them without loading those."""

from typing import Literal, TypeAlias

# Encoding to a folder: files per shard.
SHARD_SIZE = 1024

# Search: directions from which views are predicted, in degrees, and the cosine from which on two files count
# as the same object (see examples/benchmarks/duplicates.py).
AZIMUTHS = tuple(30.0 * number for number in range(12))
ELEVATIONS = (10.0, 35.0)
DUPLICATE_SIMILARITY = 0.75

# Transfer of parts: nearest labeled points that vote.
TRANSFER_NEIGHBORS = 5

# Pages and pictures: points shown of each file.
SHOWN_POINTS = 4096

# Caches: the image teacher, and what is taken of its output.
DEFAULT_TEACHER = "vit_base_patch14_dinov2.lvd142m"
Embedding: TypeAlias = Literal["cls", "patch", "both", "layers"]

# Mean and deviation of features: most objects they are taken over.
CENTER_OBJECTS = 2000

# Exported models: what they put out.
Output: TypeAlias = Literal["tokens", "points", "scores"]
