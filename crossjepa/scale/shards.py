"""Parquet shards of features: one row per file, with its digest and, if it could not be used, its error.

n files, E embedding width
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossjepa.files import atomic_write, member_name

_SHARD = re.compile(r"part-(\d+)\.parquet")


class Features(NamedTuple):
    """Features of files.

    Attributes:
        names: the files, as they were named on the command line or in the call.
        features: (n, E) float32, one row per file, NaN for those that could not be used.
        errors: why a file could not be used, None for all others.
    """

    names: list[str]
    features: NDArray[np.float32]
    errors: list[str | None]


@dataclass(frozen=True)
class Shard:
    """What one shard holds.

    Attributes:
        names: the files.
        digests: SHA-256 of their bytes, None for those that cannot be read.
        features_mE: (m, E) float32 features of those without an error.
        errors: why a file could not be used, None for all others.
    """

    names: Sequence[str]
    digests: Sequence[str | None]
    features_mE: NDArray[np.float32]
    errors: Sequence[str | None]

    def write(self, path: Path) -> None:
        """Writes the shard, completely or not at all."""
        arrow, parquet = import_arrow()
        width = self.features_mE.shape[1]
        # NaN and not null: many readers of Parquet cannot read fixed-size lists of which some are null.
        features_nE = np.full((len(self.names), width), np.nan, np.float32)
        features_nE[[error is None for error in self.errors]] = self.features_mE
        columns = {
            "name": arrow.array(map(text, self.names), arrow.string()),
            "digest": arrow.array(self.digests, arrow.string()),
            "feature": arrow.FixedSizeListArray.from_arrays(arrow.array(features_nE.ravel()), width),
            "error": arrow.array([error and text(error) for error in self.errors], arrow.string()),
        }
        table = arrow.table(columns)
        atomic_write(path, lambda file: parquet.write_table(table, file, compression="zstd"))


def text(name: str) -> str:
    """Returns a name as Parquet can hold it: what is not UTF-8 becomes \\udce9 and the like."""
    return member_name(name)


def shard_path(folder: Path, number: int) -> Path:
    """Returns the path of a shard."""
    return folder / f"part-{number:06d}.parquet"


def shards(folder: Path) -> Iterator[tuple[int, Path]]:
    """Yields number and path of the shards of a folder, in order."""
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _SHARD.fullmatch(path.name))]
    yield from sorted(found)


def read_column(path: Path, column: str) -> list[str | None]:
    """Returns the texts of a column of a shard.

    Raises:
        ValueError: the file is damaged.
    """
    return list(_read(path, [column])[column].to_pylist())


def read_features(folder: str | os.PathLike[str]) -> Features:
    """Reads what `crossjepa encode -o FOLDER` wrote, finished or not, into memory.

    Collections that are larger than memory are read with `pyarrow.dataset`, polars, DuckDB and the like.

    Args:
        folder: the folder of Parquet shards.

    Returns:
        Names, features and errors, in the order of the files.

    Raises:
        ValueError: the folder holds no shards, or one of them is damaged; the message names it.
        ImportError: pyarrow is not installed.

    Example:
        >>> from crossjepa.scale.encode_files import encode_files
        >>> encoder = crossjepa.CrossJEPAEncoder.from_pretrained("crossjepa-base")
        >>> encode_files(encoder, ["chair.obj", "horse.obj"], "features").failures
        0
        >>> names, features, errors = crossjepa.read_features("features")
        >>> names, features.shape, errors
        (['chair.obj', 'horse.obj'], (2, 576), [None, None])
    """
    names, parts, errors = list[str](), list[NDArray[np.float32]](), list[str | None]()
    for _, path in shards(Path(folder)):
        table = _read(path, ["name", "feature", "error"])
        column = table["feature"].combine_chunks()
        names += table["name"].to_pylist()
        errors += table["error"].to_pylist()
        parts.append(column.flatten().to_numpy().reshape(len(column), column.type.list_size))
    if not parts:
        raise ValueError(f"{os.fspath(folder)}: holds no shards of features (part-000000.parquet and so on)")
    return Features(names, np.concatenate(parts), errors)


def _read(path: Path, columns: list[str]) -> dict[str, Any]:
    arrow, parquet = import_arrow()
    try:
        table = parquet.ParquetFile(path).read(columns=columns)
        return {name: table[name] for name in columns}
    except (arrow.ArrowException, KeyError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path}: is not a shard of features, or is damaged ({reason})") from error


def import_arrow() -> tuple[Any, Any]:
    """Returns the modules pyarrow and pyarrow.parquet.

    Raises:
        ImportError: they are not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("Parquet shards need pyarrow: pip install 'crossjepa[scale]'") from error
    return pyarrow, pyarrow.parquet
