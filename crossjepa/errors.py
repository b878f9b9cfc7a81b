"""The errors that crossjepa raises on purpose; all of them are a `CrossJEPAError`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST, _LONGEST_NAME = 500, 1000


class CrossJEPAError(Exception):
    """Base class: `except crossjepa.CrossJEPAError` catches every error of this library's own."""


class _AboutSource(Exception):
    """An error or warning about one source: the message is its name and the reason.

    Workers of a `torch.utils.data.DataLoader` hand an error on as the text of its traceback, whose last line
    is the message.
    """

    def __init__(self, source: str | os.PathLike[str], reason: str | None = None) -> None:
        self.source = os.fsdecode(source)
        if reason is None:
            message = self.source.rstrip().rpartition("\n")[2].removeprefix(f"{_name(self)}: ")
            self.source, _, reason = message.partition(": ")
        # Parts of the reason come from the file: it must not flood a terminal, nor steer one.
        self.reason = _printable(reason, _LONGEST)
        super().__init__(f"{_printable(self.source, _LONGEST_NAME)}: {self.reason}")

    def __reduce__(self) -> tuple[type[_AboutSource], tuple[str, str]]:
        """Lets it travel between processes."""
        return type(self), (self.source, self.reason)


class _SourceError(_AboutSource, CrossJEPAError):
    """An error about one source."""


class PointCloudError(_SourceError, ValueError):
    """An input that cannot be used.

    Attributes:
        source: name of the file, or of what is in memory, such as "array".
        reason: why it cannot be used.
    """


class PointCloudWarning(_AboutSource, UserWarning):
    """An input was read without a part of it that cannot be used, or is probably not what it should be.

    Attributes:
        source: name of the file, or of what is in memory, such as "array".
        reason: what was left out, or what is suspect.
    """


@contextmanager
def errors_about(source: str | os.PathLike[str]) -> Iterator[None]:
    """Turns whatever error the use of an input raises into one that names the input.

    One input in thousands can fail in ways that no reader foresaw, and must not cost the others.
    """
    try:
        yield
    except PointCloudError:
        raise
    except MemoryError as error:
        raise PointCloudError(source, "needs more memory than there is") from error
    except Exception as error:
        raise PointCloudError(source, f"cannot be used ({what(error)})") from error


def what(error: BaseException) -> str:
    """Returns the type of an error of another library and, if it says something, its message."""
    name = type(error).__name__
    return f"{name}: {error}" if str(error) else name


class WeightsError(_SourceError, OSError):
    """Weights that cannot be found or do not match their config.

    Attributes:
        source: name, folder or file.
        reason: why they cannot be loaded.
    """


def _name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _printable(text: str, longest: int) -> str:
    shown = "".join(sign if sign.isprintable() else "?" for sign in text)
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."


class FolderInUseError(_SourceError, OSError):
    """A folder that another run on this machine uses.

    Attributes:
        source: the folder.
        reason: which process uses it, and what to do.
    """


class SearchIndexError(_SourceError, ValueError):
    """An index that cannot be used as asked.

    Attributes:
        source: the folder of the index.
        reason: why, and what to do.
    """


class WorkerError(CrossJEPAError, RuntimeError):
    """A process that worked for this one ended before its work was done; the message says what to do."""


class NoHeadError(CrossJEPAError, ValueError):
    """A prediction that the model has no head for; the message says how to get one."""


class DatasetNotFoundError(CrossJEPAError, FileNotFoundError):
    """A data set that is not at its path; the message says where to get it."""
