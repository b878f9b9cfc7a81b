"""Features of any number of files as Parquet shards, on a Ray cluster.

m files of a shard that can be used, E embedding width
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossjepa.defaults import SHARD_SIZE
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.errors import PointCloudError
from crossjepa.locks import in_use
from crossjepa.scale.encode_files import (
    FileReader,
    OnFailure,
    Summary,
    check_numbers,
    encode_block,
    progress_bar,
    unique_names,
)
from crossjepa.scale.feature_folder import EncodeOptions, FeatureFolder
from crossjepa.scale.ray_engine import RayConfig, import_ray, run_on_ray
from crossjepa.scale.shards import read_column, shard_path, text


def encode_on_ray(
    encoder: CrossJEPAEncoder,
    files: Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    options: EncodeOptions | None = None,
    config: RayConfig | None = None,
    *,
    shard_size: int = SHARD_SIZE,
    model: str = "",
    on_failure: OnFailure | None = None,
    progress: bool = False,
) -> Summary:
    """Does what `encode_files` does on the machines of a Ray cluster, which must share files and folder.

    Each task makes one shard, whose name depends on the task alone: if a machine is lost, its tasks are done
    again elsewhere and replace what they may have left, so no row is lost and none is there twice.

    Args:
        encoder: the encoder, which is sent to the workers.
        files: as in `encode_files`.
        folder: as in `encode_files`; one that was begun on one machine may be continued on a cluster.
        options: as in `encode_files`.
        config: which cluster, and how much of it.
        shard_size: files per shard.
        model: as in `encode_files`.
        on_failure: as in `encode_files`.
        progress: show a progress bar.

    Returns:
        Numbers of files.

    Raises:
        ValueError: the folder holds features of other weights or options, or a number is not positive.
        FolderInUseError: another run on this machine writes to the folder.
        ImportError: pyarrow or Ray is not installed.
        ConnectionError: there is no cluster at the address.
    """
    options, config, names = options or EncodeOptions(), config or RayConfig(), unique_names(files)
    check_numbers(options, shard_size)
    import_ray()
    with in_use(folder):
        place = FeatureFolder(Path(folder).absolute(), options.recipe(encoder), model)
        blocks, found = place.blocks_to_do(names, shard_size)
        tasks = [[block.number, list(block.names)] for block in blocks]
        job = EncodeJob(copy.deepcopy(encoder).cpu(), options, config, str(place.folder), str(Path.cwd()))
        started, done, failures = time.monotonic(), found.resumed, found.failures
        with progress_bar(progress, len(names), found.resumed) as bar:
            for report in run_on_ray(job, tasks, config):
                done += report["files"]
                failures += len(report["failures"])
                bar.update(report["files"])
                for name, reason in report["failures"]:
                    if on_failure:
                        on_failure(PointCloudError(name, reason))
        return Summary(done, failures, found.resumed, time.monotonic() - started)


@dataclass
class EncodeJob:
    """What a worker of the cluster does.

    Attributes:
        encoder: the encoder, on the CPU until the worker begins.
        options: what features depend on.
        config: of the cluster.
        folder: of the shards.
        root: folder that relative names of files start from.
    """

    encoder: CrossJEPAEncoder
    options: EncodeOptions
    config: RayConfig
    folder: str
    root: str

    def begin(self) -> None:
        """Moves the encoder to the device of the worker."""
        self.encoder = self.encoder.to(self.config.worker_device())

    def do(self, task: tuple[int, list[str]]) -> dict[str, Any]:
        """Makes the shard of a task, unless a lost worker had finished it."""
        number, names = task
        path = shard_path(Path(self.folder), number)
        if not (path.is_file() and read_column(path, "name") == [text(name) for name in names]):
            reader = FileReader.of(self.encoder, self.options, self.root)
            encode_block(self.encoder, names, map(reader, names), self.options).write(path)
        reasons = zip(names, read_column(path, "error"), strict=True)
        return {"files": len(names), "failures": [pair for pair in reasons if pair[1] is not None]}
