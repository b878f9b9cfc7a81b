"""Pickles of numpy arrays, read by an unpickler that knows no other names.

Published few-shot splits are pickles, and a pickle is a program. As in "Restricting Globals" of Python's
manual, `find_class` allows what arrays of numbers need and refuses everything else. What it allows is not
numpy's own: there, the state of a dtype may declare bytes of the file to be pointers to objects.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.io import PointCloudError


def read_pickle(path: Path) -> Any:
    """Reads a pickle of lists, tuples, dicts, numbers, texts and numeric numpy arrays.

    `as_array` makes arrays of what it returns in place of arrays and scalars.

    Raises:
        PointCloudError: the file is missing or damaged, or names anything else, which is not run.
    """
    if not path.is_file():
        raise PointCloudError(path, "no such file")
    try:
        with path.open("rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except Exception as error:  # a damaged pickle can fail in any way
        raise PointCloudError(path, f"not a pickle of numpy arrays ({error})") from error


def as_array(value: Any) -> NDArray[Any]:
    """Returns numbers out of `read_pickle` as an array; raises ValueError if it holds none."""
    value = [as_array(item) for item in value] if isinstance(value, (list, tuple)) else value
    array = value.array if isinstance(value, _Array) else np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected numbers, found {type(value).__name__}")
    return array


class _Dtype:
    __slots__ = ("dtype",)

    def __init__(self, code: str, *_: Any) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in "biuf":
            raise pickle.UnpicklingError(f"type {code!r} is not numeric")

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    __slots__ = ("array",)

    def __init__(self, *_: Any) -> None:
        self.array: NDArray[Any] = np.zeros(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        self.array = _from_buffer(content, dtype, shape, "F" if fortran else "C")


def _from_buffer(content: Any, dtype: _Dtype, shape: Any, order: Any = "C", *_: Any) -> NDArray[Any]:
    content = content.encode("latin1") if isinstance(content, str) else content  # written by Python 2
    return np.frombuffer(content, dtype.dtype).reshape(shape, order=order)


def _encode(text: str, codec: str = "latin1") -> bytes:
    if codec not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"codec {codec!r}")
    return text.encode("latin1")


_MODULES = re.compile(r"numpy|_codecs|numpy\._?core\.(multiarray|numeric)")
_ALLOWED: dict[str, Callable[..., Any]] = {
    "ndarray": _Array,
    "_reconstruct": _Array,
    "dtype": _Dtype,
    "scalar": lambda dtype, content: _from_buffer(content, dtype, ()),
    "_frombuffer": _from_buffer,
    "encode": _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if not _MODULES.fullmatch(module) or name not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not run")
        # A pickle may set attributes of what it is given: of this function, and of nothing else.
        return lambda *arguments: _ALLOWED[name](*arguments)
