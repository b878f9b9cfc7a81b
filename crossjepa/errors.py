"""The errors that crossjepa raises on purpose; all of them are a `CrossJEPAError`."""

from __future__ import annotations

import os

_LONGEST = 500


class CrossJEPAError(Exception):
    """Base class: `except crossjepa.CrossJEPAError` catches every error of this library's own."""


class _SourceError(CrossJEPAError):
    """An error about one source: the message is its name and the reason."""

    def __init__(self, source: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(source)}: {reason}")
        self.source = os.fspath(source)
        self.reason = reason

    def __reduce__(self) -> tuple[type[_SourceError], tuple[str, str]]:
        """Lets the error travel between processes."""
        return type(self), (self.source, self.reason)


class PointCloudError(_SourceError, ValueError):
    """An input that cannot be used.

    Attributes:
        source: name of the file, or of what is in memory, such as "array".
        reason: why it cannot be used.
    """

    def __init__(self, source: str | os.PathLike[str], reason: str) -> None:
        super().__init__(source, _presentable(reason))


class PointCloudWarning(UserWarning):
    """An input was read without a part of it that cannot be used, or is probably not what it should be.

    Attributes:
        source: name of the file, or of what is in memory, such as "array".
        reason: what was left out, or what is suspect.
    """

    def __init__(self, source: str | os.PathLike[str], reason: str) -> None:
        self.source, self.reason = os.fspath(source), _presentable(reason)
        super().__init__(f"{self.source}: {self.reason}")

    def __reduce__(self) -> tuple[type[PointCloudWarning], tuple[str, str]]:
        """Lets the warning travel between processes."""
        return type(self), (self.source, self.reason)


def _presentable(reason: str) -> str:
    """Parts of a reason come from the file: it must not flood a terminal, nor steer one."""
    reason = "".join(sign if sign.isprintable() else "?" for sign in reason)
    return reason if len(reason) <= _LONGEST else reason[: _LONGEST - 3] + "..."


class WeightsError(_SourceError, OSError):
    """Weights that cannot be found or do not match their config.

    Attributes:
        source: name, folder or file.
        reason: why they cannot be loaded.
    """


class NoHeadError(CrossJEPAError, ValueError):
    """A prediction that the model has no head for; the message says how to get one."""


class DatasetNotFoundError(CrossJEPAError, FileNotFoundError):
    """A data set that is not at its path; the message says where to get it."""
