"""The one error type of unusable input."""

from __future__ import annotations

import os

_LONGEST = 500


class PointCloudError(ValueError):
    """An input that cannot be used.

    Attributes:
        source: name of the file, or "array".
        reason: why it cannot be used.
    """

    def __init__(self, source: str | os.PathLike[str], reason: str) -> None:
        # Parts of the reason come from the file: it must not flood a terminal, nor steer one.
        reason = "".join(sign if sign.isprintable() else "?" for sign in reason)
        reason = reason if len(reason) <= _LONGEST else reason[: _LONGEST - 3] + "..."
        super().__init__(f"{os.fspath(source)}: {reason}")
        self.source = os.fspath(source)
        self.reason = reason

    def __reduce__(self) -> tuple[type[PointCloudError], tuple[str, str]]:
        return PointCloudError, (self.source, self.reason)
