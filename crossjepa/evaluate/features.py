"""Features of a data set: extracted once, and cached under the hash of everything that they depend on.

n clouds, N points, E embedding width
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crossjepa._version import __version__
from crossjepa.config import Axis, Pooling
from crossjepa.datasets import Dataset
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.files import write_npz
from crossjepa.model_files import weights_digest

Points = NDArray[np.float64]
Features = NDArray[np.float32]


class Extractor(Protocol):
    """Source of features."""

    @property
    def name(self) -> str:
        """Its name in results."""
        ...

    @property
    def pooling(self) -> str:
        """Pooling of tokens, "" if there are none."""
        ...

    def describe(self) -> dict[str, Any]:
        """Returns everything that `extract` depends on besides the clouds, as plain JSON values."""
        ...

    def extract(
        self, clouds: Iterable[Points], up_axis: Axis, *, batch_size: int = 32, progress: bool | None = None
    ) -> Features:
        """Extracts features with all columns, as the cache keeps them.

        Args:
            clouds: (N_i, 3) clouds, which are taken one batch at a time.
            up_axis: the axis that points up in them.
            batch_size: clouds per batch.
            progress: show a progress bar; by default for longer work.

        Returns:
            (n, A) float32, one row per cloud.
        """
        ...

    def select(self, features_nA: Features) -> Features:
        """Returns the (n, E) columns of its pooling."""
        ...

    def pooled(self, pool: Pooling) -> Extractor:
        """Returns the same with another pooling of tokens, itself if it pools none."""
        ...


@dataclass(frozen=True, eq=False)
class EncoderFeatures:
    """Features of a trained or untrained encoder.

    Attributes:
        encoder: the model.
        name: its name in results.
        pool: pooling of tokens, the encoder's own by default.
        trained: whether the weights come from training; fine-tuning treats random ones otherwise.
    """

    encoder: CrossJEPAEncoder
    name: str
    pool: Pooling | None = None
    trained: bool = True

    @property
    def pooling(self) -> Pooling:
        """Pooling of tokens."""
        return self.pool or self.encoder.config.pool

    def describe(self) -> dict[str, Any]:
        """Returns the hash of the weights, and the preprocessing."""
        return {
            "kind": "encoder",
            "weights": weights_digest(self.encoder),
            "dtype": str(self.encoder.dtype),
            "encoder": asdict(self.encoder.config),
            "processor": self.encoder.model_config.to_dict()["processor"],
        }

    def extract(
        self, clouds: Iterable[Points], up_axis: Axis, *, batch_size: int = 32, progress: bool | None = None
    ) -> Features:
        """Returns the (n, 2C) maxima and means of the tokens: one pass serves every pooling."""
        return self.encoder.encode(
            clouds, pool="max+mean", batch_size=batch_size, up_axis=up_axis, progress=progress
        )

    def select(self, features_nA: Features) -> Features:
        """Returns the columns of the pooling: (n, 2C), or (n, C) for "max" and "mean"."""
        width = self.encoder.num_features
        columns = {"max": slice(0, width), "mean": slice(width, None), "max+mean": slice(None)}
        return features_nA[:, columns[self.pooling]]

    def pooled(self, pool: Pooling) -> EncoderFeatures:
        """Returns the same with another pooling of tokens."""
        return replace(self, pool=pool)


@dataclass(frozen=True)
class Transform:
    """A change of the clouds before their preprocessing.

    Attributes:
        name: everything that distinguishes it, including numbers and seed.
        apply: returns the changed (M, 3) points, given (N, 3) points and their place in the whole data set.
    """

    name: str
    apply: Callable[[Points, int], Points]


@dataclass(frozen=True, eq=False)
class Clouds:
    """The clouds of a data set, read one at a time.

    Attributes:
        dataset: the data set.
        transform: a change of its clouds.
    """

    dataset: Dataset
    transform: Transform | None = None

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[Points]:
        for index, place in enumerate(self.dataset.indices_n.tolist()):
            points_N3 = self.dataset[index].points_N3
            yield self.transform.apply(points_N3, place) if self.transform else points_N3


class FeatureCache:
    """A folder of features, under the hash of weights, data and preprocessing.

    Args:
        folder: the folder, created when it is needed; `default_cache()` is the usual one.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def load(self, key: str, count: int) -> Features | None:
        """Returns the (count, E) features of a key; None if there are none, or the file is damaged."""
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as archive:
                features: Features = archive["features"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        usable = features.dtype == np.float32 and features.ndim == 2 and len(features) == count
        return features if usable else None

    def save(self, key: str, features: Features, facts: dict[str, Any]) -> None:
        """Writes features, completely or not at all, and the facts that they depend on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = {"features": features, "facts": np.array(json.dumps(facts))}
        write_npz(self.folder / f"{key}.npz", arrays)


def default_cache() -> Path:
    """Returns the folder `features` in `$CROSSJEPA_CACHE`, or in `crossjepa` in the user's cache folder."""
    own = os.environ.get("CROSSJEPA_CACHE")
    base = (
        Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crossjepa"
    )
    return base / "features"


def extract_features(
    extractor: Extractor,
    dataset: Dataset,
    *,
    transform: Transform | None = None,
    cache: FeatureCache | None = None,
    batch_size: int = 32,
    progress: bool | None = None,
) -> Features:
    """Extracts the features of every sample, or takes them from the cache.

    Args:
        extractor: source of the features.
        dataset: the clouds.
        transform: a change of the clouds before their preprocessing.
        cache: where to keep them; nowhere by default.
        batch_size: clouds per batch.
        progress: show a progress bar; by default when there are more than four batches.

    Returns:
        (n, E) float32, in the order of the data set.

    Raises:
        PointCloudError: a file of the data set is damaged; the message names it and the reason.
    """
    return cached_features(
        extractor, lambda: Clouds(dataset, transform), len(dataset), dataset.up_axis,
        feature_facts(extractor, dataset, transform.name if transform else ""), cache=cache,
        batch_size=batch_size, progress=progress,
    )  # fmt: skip


def cached_features(
    extractor: Extractor,
    clouds: Callable[[], Iterable[Points]],
    count: int,
    up_axis: Axis,
    facts: dict[str, Any],
    *,
    cache: FeatureCache | None = None,
    batch_size: int = 32,
    progress: bool | None = None,
) -> Features:
    """Extracts the features of clouds, or takes them from the cache.

    Args:
        extractor: source of the features.
        clouds: returns the clouds; called only if their features are not in the cache.
        count: number of clouds (n).
        up_axis: the axis that points up in them.
        facts: everything that the features depend on, as plain JSON values, see `feature_facts`.
        cache, batch_size, progress: as in `extract_features`.

    Returns:
        (n, E) float32.
    """
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    found = cache.load(key, count) if cache else None
    if found is not None:
        return extractor.select(found)
    features = extractor.extract(clouds(), up_axis, batch_size=batch_size, progress=progress)
    if cache:
        cache.save(key, features, facts)
    return extractor.select(features)


def feature_facts(extractor: Extractor, dataset: Dataset, change: str) -> dict[str, Any]:
    """Returns what the features of a data set depend on; `change` names what was done to its clouds."""
    return {
        "crossjepa": __version__,
        "extractor": extractor.describe(),
        "data": dataset.checksum(),
        "data_set": f"{dataset.name}, {dataset.layout}",
        "samples": hashlib.sha256(dataset.indices_n.astype("<i8").tobytes()).hexdigest(),
        "up_axis": dataset.up_axis,
        "transform": change,
        **({"meshes": "points where fixed lines cross them"} if dataset.sampling else {}),
    }
