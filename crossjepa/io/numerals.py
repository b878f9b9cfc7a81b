"""Numbers as programs and spreadsheets write them: NaN in many spellings, decimal commas, empty cells."""

from __future__ import annotations

import math
import re

# As C libraries, Windows, spreadsheets, pandas and R write values that are missing or not finite.
_MISSING = re.compile(
    r"(|[-+]?nan([({].*)?|[-+]?\d*\.?\d*#.*|n/?a|<na>|nat|none|null|nil|missing|-+|\?|"
    r"#(n/?a.*|value!|num!|div/0!|ref!|null!|name\?))",
    re.IGNORECASE,
)
_LONGEST = 64
_INFINITE = re.compile(r"[-+]?(inf|infinity|unendlich|∞)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[-+]?(\d*|\d{1,3}([. ]\d{3})+),\d+([eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+\.\d*([eE][-+]?\d+)?")
_FORTRAN = re.compile(r"([-+]?\d+\.?\d*|[-+]?\.\d+)[dD]([-+]?\d+)")


def to_number(cell: str) -> float:
    """Returns the number that a cell of a table holds, NaN for an empty one.

    Raises:
        ValueError: it is no number.
    """
    try:
        # Python would also take digits of other scripts and "1_000".
        if cell.isascii() and "_" not in cell:
            return float(cell)
    except ValueError:
        pass
    cell = cell.strip().strip("\"'").strip()
    if len(cell) > _LONGEST:
        raise ValueError("a number of more digits than numbers have")
    if cell.lower() in ("true", "false"):
        return float(cell.lower() == "true")
    if _MISSING.fullmatch(cell) or _INFINITE.fullmatch(cell):
        return math.nan
    if _DECIMAL_COMMA.fullmatch(cell):
        return float(re.sub("[. ]", "", cell.split(",")[0]) + "." + cell.split(",")[1])
    if _THOUSANDS.fullmatch(cell):
        return float(cell.replace(",", ""))
    fortran = _FORTRAN.fullmatch(cell)
    if fortran:
        return float(f"{fortran[1]}e{fortran[2]}")
    if not cell.isascii() or "_" in cell:
        raise ValueError(f"{cell!r} is not a number")
    return float(cell)


def is_number(cell: str) -> bool:
    """Whether a cell holds a number, or one of the signs for none, but not nothing at all."""
    cell = cell.strip()
    if not cell:
        return False
    try:
        to_number(cell)
    except ValueError:
        return False
    return True
