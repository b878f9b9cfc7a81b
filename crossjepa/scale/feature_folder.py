"""A folder of shards: which recipe it is of, and which files are still to be encoded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from crossjepa._version import __version__
from crossjepa.config import Axis, Pooling
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.files import remove_partials, write_json
from crossjepa.model_files import weights_digest
from crossjepa.scale.shards import read_column, shard_path, shards, text

# The underscore lets readers of Parquet folders pass over it.
MANIFEST = "_features.json"


@dataclass(frozen=True)
class EncodeOptions:
    """Options of `CrossJEPAEncoder.encode` that features depend on.

    Attributes:
        pool: pooling of tokens; the one of the weights by default.
        normalize: scale every feature to unit length.
        up_axis: the axis that points up in the data; the one of the weights by default.
        batch_size: clouds per pass through the network.
    """

    pool: Pooling | None = None
    normalize: bool = False
    up_axis: Axis | None = None
    batch_size: int = 32

    def recipe(self, encoder: CrossJEPAEncoder) -> dict[str, Any]:
        """Returns all that features depend on but the rounding of their last digits."""
        return {
            "weights": weights_digest(encoder.network),
            "dtype": str(next(encoder.network.parameters()).dtype).removeprefix("torch."),
            "processor": json.loads(json.dumps(asdict(encoder.processor.config))),
            "pool": self.pool or encoder.config.pool,
            "normalize": self.normalize,
            "up_axis": self.up_axis or encoder.processor.config.up_axis,
        }


class Block(NamedTuple):
    """The files of one shard.

    Attributes:
        number: of the shard.
        names: the files.
    """

    number: int
    names: Sequence[str]


@dataclass
class Progress:
    """How far a folder is.

    Attributes:
        resumed: files in finished shards.
        failures: those of them that could not be used.
        next_number: of a shard that does not exist yet.
    """

    resumed: int = 0
    failures: int = 0
    next_number: int = 0


class FeatureFolder:
    """A folder of shards of one recipe.

    Args:
        folder: the folder; created if it does not exist.
        recipe: what the features depend on.
        model: name of the weights, for information.

    Raises:
        ValueError: the folder holds features of another recipe; the message says what differs.
    """

    def __init__(self, folder: Path, recipe: Mapping[str, Any], model: str = "") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        manifest = folder / MANIFEST
        if manifest.is_file():
            _require_same(folder, _read_recipe(manifest), recipe)
        elif any(shards(folder)):
            raise ValueError(f"{folder}: holds shards, but no {MANIFEST}, which would say of which recipe")
        else:
            write_json(manifest, {"crossjepa": __version__, "model": model, "recipe": dict(recipe)})
        remove_partials(folder)

    def blocks_to_do(self, files: Sequence[str], size: int) -> tuple[Iterator[Block], Progress]:
        """Divides the files that are in no finished shard into blocks.

        As long as the files are the same, a block has the same number in every run, so whoever makes its
        shard once more replaces it. If files have come or gone meanwhile, those that are in no shard follow
        in shards of their own.

        Args:
            files: names of all files, each once.
            size: files per shard.

        Returns:
            The blocks, and how far the folder is.
        """
        progress, done, is_same = Progress(), set[int](), True
        for number, path in shards(self.folder):
            names = read_column(path, "name")
            expected = files[number * size : (number + 1) * size]
            is_same = is_same and names == [text(name) for name in expected]
            done.add(number)
            progress.failures += sum(error is not None for error in read_column(path, "error"))
            progress.resumed += len(names)
            progress.next_number = number + 1
        if is_same:
            return self._same_blocks(files, size, done), progress
        return self._new_blocks(files, size, progress), progress

    def _same_blocks(self, files: Sequence[str], size: int, done: set[int]) -> Iterator[Block]:
        for number in range(-(-len(files) // size)):
            if number not in done:
                yield Block(number, files[number * size : (number + 1) * size])

    def _new_blocks(self, files: Sequence[str], size: int, progress: Progress) -> Iterator[Block]:
        known = {name for _, path in shards(self.folder) for name in read_column(path, "name")}
        left = [name for name in files if text(name) not in known]
        for place, start in enumerate(range(0, len(left), size)):
            yield Block(progress.next_number + place, left[start : start + size])

    def path(self, block: Block) -> Path:
        """Returns the path of the shard of a block."""
        return shard_path(self.folder, block.number)


def _read_recipe(manifest: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(manifest.read_text(encoding="utf-8"))["recipe"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{manifest}: is damaged; remove the folder, or give another one") from error


def _require_same(folder: Path, found: Mapping[str, Any], recipe: Mapping[str, Any]) -> None:
    other = [name for name in recipe if found.get(name) != recipe[name]]
    if other:
        shown = "; ".join(f"{name}: {_short(found.get(name))}, not {_short(recipe[name])}" for name in other)
        raise ValueError(
            f"{folder}: holds features of another recipe ({shown}): give the same options, or another folder"
        )


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) else json.dumps(value)
