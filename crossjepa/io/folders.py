"""Which files of a folder are clouds and meshes, and what was left out."""

from __future__ import annotations

import logging
import os
import zipfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crossjepa.io.content import format_suffix
from crossjepa.io.read import is_readable
from crossjepa.io.table_layout import why_no_cloud

logger = logging.getLogger(__name__)

# Folders with all of these files were written by `crossjepa`: weights, runs, caches.
_OWN_FOLDERS = (
    ("config.json", "model.safetensors"),
    ("config.json", "log.jsonl"),
    ("recipe.json", "log.jsonl"),
    ("manifest.json", "checksums.npy"),
    ("manifest.json", "done.npy"),
    ("_features.json",),
)
# Suffixes of any text and table, of which few are clouds; the others say that a file is one.
_ANY_TEXT = (".txt", ".csv", ".tsv")


@dataclass(frozen=True)
class FolderContent:
    """The files of a folder and its subfolders.

    Attributes:
        files: the clouds and meshes, sorted.
        suffixes: how many files of each other suffix there are.
        no_clouds: texts and archives that are no clouds, and links that lead nowhere, with the reason.
    """

    files: list[Path]
    suffixes: Counter[str] = field(default_factory=Counter)
    no_clouds: dict[Path, str] = field(default_factory=dict)

    def left_out(self) -> list[str]:
        """Returns a line for each file that seemed to be a cloud, and one that counts the others."""
        lines = [f"{path}: {reason}" for path, reason in self.no_clouds.items()]
        if self.suffixes:
            ordered = sorted(self.suffixes.items(), key=lambda item: (-item[1], item[0]))
            counts = ", ".join(f"{count} {suffix}" for suffix, count in ordered)
            total = sum(self.suffixes.values())
            lines.append(f"{total} file{'s' * (total > 1)} of other formats: {counts}")
        return lines


def scan_folder(folder: str | os.PathLike[str], exclude: Iterable[Path] = ()) -> FolderContent:
    """Lists the clouds and meshes in a folder and its subfolders, and what else is there.

    Linked folders are followed, each once. Hidden files and folders are skipped, and so is what `crossjepa`
    wrote. Texts and tables are examined, since few of them are clouds.

    Args:
        folder: the folder.
        exclude: files to leave out, such as the output of this command.
    """
    excluded = {os.path.realpath(path) for path in exclude}
    found = FolderContent([])
    for path in _walk(Path(folder)):
        if os.path.realpath(path) in excluded:
            continue
        if not path.exists():
            found.no_clouds[path] = "a link that leads nowhere"
        elif not path.is_file():
            found.suffixes["not regular"] += 1
        elif not is_readable(path):
            found.suffixes[path.suffix.lower() or "without a suffix"] += 1
        else:
            reason = _why_left_out(path)
            if reason:
                found.no_clouds[path] = reason
            else:
                found.files.append(path)
    found.files.sort()
    return found


def find_files(folder: str | os.PathLike[str]) -> list[Path]:
    """Lists the clouds and meshes in a folder and its subfolders, sorted, as `scan_folder` does.

    What was left out is logged.
    """
    content = scan_folder(folder)
    log_left_out(folder, [content])
    return content.files


def log_left_out(folder: str | os.PathLike[str], contents: Iterable[FolderContent]) -> None:
    """Logs how many files of a folder are no clouds, and names the first."""
    contents = list(contents)
    others = sum((content.suffixes for content in contents), Counter[str]())
    no_clouds = [line for content in contents for line in content.left_out()[: len(content.no_clouds)]]
    if no_clouds:
        logger.warning("%s: left out %d that are no clouds, such as %s", folder, len(no_clouds), no_clouds[0])
    if others:
        logger.info("%s: left out %s", folder, FolderContent([], others).left_out()[0])


def _walk(root: Path) -> Iterator[Path]:
    """Yields the files of a folder; real folders come before links, so that each keeps its own name."""
    seen, waiting = set[tuple[int, int]](), deque([root])
    while waiting:
        links = deque[Path]()
        while waiting:
            folder = waiting.popleft()
            try:
                status = folder.stat()
                entries = sorted(folder.iterdir())
            except OSError:  # no permission, or gone
                continue
            is_known = (status.st_dev, status.st_ino) in seen
            if is_known or (folder != root and is_own_folder(folder)):
                continue
            if status.st_ino:  # some file systems do not number files
                seen.add((status.st_dev, status.st_ino))
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not entry.is_dir():
                    yield entry
                elif entry.is_symlink():
                    links.append(entry)
                else:
                    waiting.append(entry)
        waiting = links


def is_own_folder(folder: Path) -> bool:
    """Whether a folder holds weights, a run or a cache that `crossjepa` wrote."""
    return any(all((folder / mark).is_file() for mark in marks) for marks in _OWN_FOLDERS)


def _why_left_out(path: Path) -> str:
    """Returns why a file of a readable format is no cloud, "" if it may be one."""
    suffix = format_suffix(path)
    if suffix == ".npz" and path.suffix.lower() != ".gz":
        return "features or predictions of crossjepa" if _is_own_output(path) else ""
    return why_no_cloud(path) if suffix in _ANY_TEXT and path.stat().st_size else ""


def _is_own_output(path: Path) -> bool:
    """Whether an npz is what `crossjepa encode` or `crossjepa predict` wrote."""
    try:
        with zipfile.ZipFile(path) as archive:
            keys = {name.removesuffix(".npy") for name in archive.namelist()}
    except Exception:  # reading it will tell
        return False
    kinds = ({"files", "features"}, {"files", "classes", "probabilities"}, {"part_names"})
    return any(keys >= kind for kind in kinds) or (bool(keys) and all(is_readable(Path(key)) for key in keys))
