"""Features of any number of files as Parquet shards, on this machine.

m files of a shard that can be used, E embedding width
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import Any

from crossjepa.defaults import SHARD_SIZE
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.errors import PointCloudError
from crossjepa.hashing import file_digest
from crossjepa.locks import in_use
from crossjepa.preparation import Answer, Preparation
from crossjepa.processor import Prepared
from crossjepa.scale.feature_folder import Block, EncodeOptions, FeatureFolder, Progress
from crossjepa.scale.shards import Shard, import_arrow
from crossjepa.workers import map_ahead


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        files: rows in all shards.
        failures: those of them that could not be used, in this run or before it.
        resumed: those of them that earlier runs have written.
        seconds: how long this run took, without loading the model.
    """

    files: int
    failures: int
    resumed: int
    seconds: float

    @property
    def clouds_per_second(self) -> float:
        """Files of this run per second."""
        return (self.files - self.resumed) / max(self.seconds, 1e-9)


OnFailure = Callable[[PointCloudError], object]


def encode_files(
    encoder: CrossJEPAEncoder,
    files: Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    options: EncodeOptions | None = None,
    *,
    workers: int = 0,
    shard_size: int = SHARD_SIZE,
    model: str = "",
    on_failure: OnFailure | None = None,
    progress: bool = False,
) -> Summary:
    """Writes features of files as Parquet shards, which appear one by one; a killed run is resumed.

    Every shard has the columns name, digest (SHA-256 of the file), feature (fixed-size list of float32) and
    error (null if the file could be used). Memory does not grow with the number of files but for their names.

    Args:
        encoder: the encoder.
        files: the files; those that are given twice are encoded once.
        folder: where to; files in its finished shards are not encoded again.
        options: what features depend on.
        workers: processes that read files while the network works, 0 for none.
        shard_size: files per shard.
        model: name of the weights, which the manifest of the folder records.
        on_failure: called with the error of each file that cannot be used.
        progress: show a progress bar.

    Returns:
        Numbers of files.

    Raises:
        ValueError: the folder holds features of other weights or options, or a number is not positive.
        FolderInUseError: another run on this machine writes to the folder.
        WorkerError: a worker process was killed.
        ImportError: pyarrow is not installed.
    """
    options, names = options or EncodeOptions(), unique_names(files)
    check_numbers(options, shard_size)
    with in_use(folder):
        place = FeatureFolder(Path(folder), options.recipe(encoder), model)
        blocks, found = place.blocks_to_do(names, shard_size)
        started, made = time.monotonic(), Progress(found.resumed, found.failures)
        with progress_bar(progress, len(names), found.resumed) as bar:
            for block, shard in _encode_blocks(encoder, blocks, options, workers, on_failure, bar):
                shard.write(place.path(block))
                made.resumed += len(block.names)
                made.failures += len(block.names) - len(shard.features_mE)
        return Summary(made.resumed, made.failures, found.resumed, time.monotonic() - started)


def check_numbers(options: EncodeOptions, shard_size: int) -> None:
    """Refuses what could not be worked with, before any work is done.

    Raises:
        ValueError: a number is not positive.
        ImportError: pyarrow is not installed.
    """
    import_arrow()
    if options.batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {options.batch_size}")
    if shard_size < 1:
        raise ValueError(f"shard_size must be at least 1, not {shard_size}")


def unique_names(files: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Returns the names of files, each once, in their order."""
    return list(dict.fromkeys(os.fsdecode(file) for file in files))


@dataclass(frozen=True)
class FileReader:
    """A function that reads a file and its digest, and can be sent to worker processes.

    Attributes:
        preparation: prepares what was read.
        root: folder that relative names start from; the current one by default.
    """

    preparation: Preparation
    root: str = ""

    def __call__(self, name: str) -> tuple[str | None, Answer]:
        """Returns SHA-256 of the file, None if it cannot be read, and what is prepared of it."""
        path = str(Path(self.root) / name) if self.root else name
        answer = self.preparation((path, path))
        try:
            return file_digest(Path(path)), answer
        except OSError:
            return None, answer

    @classmethod
    def of(cls, encoder: CrossJEPAEncoder, options: EncodeOptions, root: str = "") -> FileReader:
        """Returns the reader for an encoder."""
        return cls(Preparation(encoder.processor, options.up_axis, points_only=True), root)


def encode_block(
    encoder: CrossJEPAEncoder,
    names: Sequence[str],
    read: Iterator[tuple[str | None, Answer]],
    options: EncodeOptions,
    on_failure: OnFailure | None = None,
    done: Callable[[], object] = lambda: None,
) -> Shard:
    """Makes one shard.

    Args:
        encoder: the encoder.
        names: the files.
        read: what was read of them; may go on to those of the next shards.
        options: what features depend on.
        on_failure: called with the error of each file that cannot be used.
        done: called for each file.

    Returns:
        The shard.
    """
    digests, errors = list[str | None](), list[str | None]()

    def clouds() -> Iterator[Prepared]:
        for name in names:
            digest, answer = next(read)
            digests.append(digest)
            errors.append(None)
            try:
                yield answer.unwrap(name)
            except PointCloudError as error:
                errors[-1] = error.reason
                if on_failure:
                    on_failure(error)
            done()

    features_mE = encoder.encode(
        clouds(), pool=options.pool, normalize=options.normalize, batch_size=options.batch_size,
        progress=False,
    )  # fmt: skip
    return Shard(names, digests, features_mE, errors)


def _encode_blocks(
    encoder: CrossJEPAEncoder,
    blocks: Iterator[Block],
    options: EncodeOptions,
    workers: int,
    on_failure: OnFailure | None,
    bar: Any,
) -> Iterator[tuple[Block, Shard]]:
    """Yields shards; files of the next ones are read meanwhile."""
    blocks, ahead = tee(blocks)
    names = (name for block in ahead for name in block.names)
    reader = FileReader.of(encoder, options)
    with closing(map_ahead(reader, names, workers=workers, ahead=options.batch_size)) as read:
        for block in blocks:
            yield block, encode_block(encoder, block.names, read, options, on_failure, bar.update)


def progress_bar(show: bool, total: int, done: int) -> Any:
    """Returns a bar over files, of which some are done."""
    from tqdm.auto import tqdm

    return tqdm(total=total, initial=done, unit="file", desc="encode", disable=not show)
