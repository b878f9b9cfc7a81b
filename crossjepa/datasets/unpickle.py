"""Pickles of numpy arrays, read without running anything that they name.

Published few-shot splits are pickles, and a pickle is a program. Here the names that such files need become
small stand-ins that collect bytes, type and shape; every other name is refused. Not even numpy's own code
for pickles sees the content.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.io import PointCloudError


def read_pickle(path: Path) -> Any:
    """Reads a pickle of lists, tuples, dicts, numbers, texts and numeric numpy arrays.

    Args:
        path: the file.

    Returns:
        Its content, with `Array` in place of numpy arrays and scalars; `as_array` turns them into arrays.

    Raises:
        PointCloudError: it is missing or damaged, or names anything else, which is not run.
    """
    if not path.is_file():
        raise PointCloudError(path, "no such file")
    try:
        with path.open("rb") as file:
            return _Unpickler(file).load()
    except Exception as error:  # a damaged pickle can fail in any way
        raise PointCloudError(path, f"not a pickle of numpy arrays ({error})") from error


def as_array(value: Any) -> NDArray[Any]:
    """Turns what `read_pickle` found into an array.

    Raises:
        ValueError: it is neither an array nor numbers.
    """
    if isinstance(value, Array):
        return value.to_numpy()
    if isinstance(value, (int, float)) or (isinstance(value, (list, tuple)) and value):
        return np.array([as_array(item) for item in value] if not isinstance(value, (int, float)) else value)
    raise ValueError(f"expected an array, found {type(value).__name__}")


class _Inert:
    """Something that a pickle may hold but not change."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError(f"state for {type(self).__name__}")


class _Call(_Inert):
    """A function that a pickle may call."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)


class Dtype(_Inert):
    """A numeric type."""

    __slots__ = ("dtype",)

    def __init__(self, code: Any, *_: Any) -> None:
        text = code.decode("ascii") if isinstance(code, bytes) else code
        dtype = np.dtype(text) if isinstance(text, str) and len(text) <= 8 else None
        if dtype is None or dtype.kind not in "biuf":
            raise pickle.UnpicklingError(f"type {code!r} is not a number's")
        self.dtype = dtype

    def __setstate__(self, state: Any) -> None:
        order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError(f"byte order {order!r}")
        self.dtype = self.dtype if order in "=|" else np.dtype(f"{order}{self.dtype.str[1:]}")


class Array(_Inert):
    """Bytes, type and shape of an array; empty until its state comes."""

    __slots__ = ("content", "dtype", "fortran", "shape")

    def __init__(self) -> None:
        self.content, self.dtype, self.shape, self.fortran = b"", np.dtype("f4"), (0,), False

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        self.fill(shape, dtype, bool(fortran), content)

    def fill(self, shape: Any, dtype: Any, fortran: bool, content: Any) -> None:
        """Takes the parts of an array after comparing them with each other."""
        if isinstance(content, str):  # written by Python 2
            content = content.encode("latin1")
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        valid = isinstance(dtype, Dtype) and isinstance(content, (bytes, bytearray))
        if not valid or not all(isinstance(size, int) and size >= 0 for size in shape):
            raise pickle.UnpicklingError("an array without numbers or shape")
        if math.prod(shape) * dtype.dtype.itemsize != len(content):
            raise pickle.UnpicklingError(f"an array of shape {shape} with {len(content)} bytes")
        self.content, self.dtype, self.shape, self.fortran = bytes(content), dtype.dtype, shape, fortran

    def to_numpy(self) -> NDArray[Any]:
        """Returns the array."""
        return np.frombuffer(self.content, self.dtype).reshape(self.shape, order="F" if self.fortran else "C")


def _reconstruct(*_: Any) -> Array:
    return Array()


def _scalar(dtype: Any, content: Any) -> Array:
    array = Array()
    array.fill((), dtype, False, content)
    return array


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> Array:
    array = Array()
    array.fill(shape, dtype, order == "F", content)
    return array


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    """As `codecs.encode`, which protocol 2 uses for bytes, for its one harmless codec."""
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"codec {codec!r}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _reconstruct,
    ("numpy", "dtype"): Dtype,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not run")
        return _Call(_ALLOWED[module, name])

    def persistent_load(self, identity: Any) -> Any:
        raise pickle.UnpicklingError("it refers to something outside the file")
