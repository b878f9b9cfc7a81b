"""The parts of a glTF file: its JSON tree, its buffers, and the typed arrays (accessors) in them."""

from __future__ import annotations

import base64
import json
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.content import format_suffix, read_content
from crossjepa.io.images import IS_URL, is_regular
from crossjepa.io.shapes import MAX_POINTS

_JSON_CHUNK, _BINARY_CHUNK = 0x4E4F534A, 0x004E4942
_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
# Required extensions that leave the geometry as it is, or that are applied.
_KNOWN = re.compile(
    r"(KHR_(materials|texture|lights|xmp|audio|mesh_quantization|animation_pointer|techniques_webgl)"
    r"|EXT_(texture|lights|mesh_gpu_instancing|mesh_features|instance_features|structural_metadata)"
    r"|MSFT_(texture|packing)|CESIUM_(RTC|primitive_outline)|AGI_stk_metadata|VRM).*"
)
_DRACO = "KHR_draco_mesh_compression"


@dataclass
class Tree:
    """A parsed file: its JSON tree, the binary chunk of a glb file, and what has been read of it."""

    path: Path
    json: dict[str, Any]
    chunk: bytes | None
    buffers: dict[int, bytes] = field(default_factory=dict)
    accessors: dict[int, NDArray[Any]] = field(default_factory=dict)


def open_tree(path: Path) -> Tree:
    """Parses the JSON of a glTF file, text or binary.

    Raises:
        PointCloudError: the file is truncated, or needs an extension that is not supported.
        ValueError, RecursionError: the file is not JSON.
    """
    content, chunk = read_content(path), None
    if format_suffix(path) == ".glb" or content[:4] == b"glTF":
        content, chunk = _chunks(path, content)
    tree = json.loads(content)
    if not isinstance(tree, dict):
        raise PointCloudError(path, "not readable glTF (its JSON is not an object)")
    version = tree.get("asset", {}).get("version", "2.0")
    if not str(version).startswith("2"):
        raise PointCloudError(path, f"glTF version {str(version)[:20]} is not supported, only 2")
    for name in tree.get("extensionsRequired", []):
        if "compression" in str(name):
            raise _compressed(path, str(name))
        if not _KNOWN.fullmatch(str(name)):
            raise PointCloudError(path, f"needs the extension {str(name)[:60]}, which is not supported")
    return Tree(path, tree, chunk)


def check_uncompressed(tree: Tree, primitive: dict[str, Any]) -> None:
    """Refuses a primitive whose positions are there in compressed form only.

    Raises:
        PointCloudError: they are; the message says how to convert the file.
    """
    accessor = item(tree, "accessors", primitive["attributes"]["POSITION"])
    if _DRACO in primitive.get("extensions", {}) and "bufferView" not in accessor:
        raise _compressed(tree.path, _DRACO)


def _compressed(path: Path, extension: str) -> PointCloudError:
    return PointCloudError(
        path,
        f"is compressed ({extension[:60]}), which is not supported; convert it: "
        f"npx @gltf-transform/cli copy {path.name} uncompressed.glb",
    )


def _chunks(path: Path, content: bytes) -> tuple[bytes, bytes | None]:
    if content[:4] != b"glTF":
        raise PointCloudError(path, "has no glTF header")
    if len(content) < 20:
        raise PointCloudError(path, "truncated: ends inside its header")
    version, length, json_length, kind = struct.unpack("<4xIIII", content[:20])
    if version != 2 or kind != _JSON_CHUNK:
        raise PointCloudError(path, f"glTF version {version} is not supported, only 2")
    if length > len(content) or 20 + json_length > length:
        raise PointCloudError(path, f"truncated: its header promises {length} bytes, it has {len(content)}")
    rest = content[20 + json_length : length]
    if len(rest) < 8:
        return content[20 : 20 + json_length], None
    chunk_length, kind = struct.unpack("<II", rest[:8])
    if kind != _BINARY_CHUNK or chunk_length > len(rest) - 8:
        raise PointCloudError(
            path, f"truncated: a chunk promises {chunk_length} bytes, {len(rest) - 8} follow"
        )
    return content[20 : 20 + json_length], rest[8 : 8 + chunk_length]


def item(tree: Tree, kind: str, index: object) -> dict[str, Any]:
    """Returns an entry of one of the lists of the tree.

    Raises:
        ValueError: there is no such entry; negative numbers have none.
    """
    entries = tree.json.get(kind, [])
    if not isinstance(index, int) or not 0 <= index < len(entries):
        raise ValueError(f"there is no entry {index!r} among its {kind}"[:200])
    entry: dict[str, Any] = entries[index]
    return entry


def read_accessor(tree: Tree, index: int) -> NDArray[Any]:
    """Returns the (count, components) array that an accessor describes, which must not be changed.

    Raises:
        PointCloudError: the accessor is larger than its buffer.
        ValueError, TypeError, KeyError, AttributeError: the accessor does not follow the specification of
            glTF.
    """
    accessor = item(tree, "accessors", index)
    if index not in tree.accessors:
        tree.accessors[index] = _read_accessor(tree, accessor)
    return tree.accessors[index]


def _read_accessor(tree: Tree, accessor: dict[str, Any]) -> NDArray[Any]:
    count, width = _whole(accessor, "count"), _WIDTHS[accessor["type"]]
    if count > 3 * MAX_POINTS:
        raise PointCloudError(tree.path, f"an accessor counts {count} entries, more than are accepted")
    dtype = np.dtype(_COMPONENTS[accessor["componentType"]])
    sparse = accessor.get("sparse")
    if "bufferView" in accessor:
        values = _view(tree, accessor, dtype, count, width)
    elif sparse is None:
        raise ValueError("an accessor has no data")
    else:
        # Zeros but for some entries: of a morph target, whose mesh has at least as many bytes as entries.
        view = item(tree, "bufferViews", sparse["values"]["bufferView"])
        if count > len(_buffer(tree, view)):
            raise ValueError(f"an accessor of {count} entries has no data")
        values = np.zeros((count, width), dtype)
    if sparse is not None:
        values = values.copy()
        values[_sparse_rows(tree, sparse, count)] = _view(
            tree, sparse["values"], dtype, _whole(sparse, "count"), width
        )
    if accessor.get("normalized") and dtype.kind in "iu":
        return np.maximum(values / np.iinfo(dtype).max, -1)
    return values


def _sparse_rows(tree: Tree, sparse: dict[str, Any], count: int) -> NDArray[np.int64]:
    indices = sparse["indices"]
    dtype = np.dtype(_COMPONENTS[indices["componentType"]])
    rows = _view(tree, indices, dtype, _whole(sparse, "count"), 1)[:, 0]
    if dtype.kind != "u" or (len(rows) and rows.max() >= count):
        raise ValueError("a sparse accessor replaces entries that do not exist")
    return rows.astype(np.int64)


def read_view(tree: Tree, index: object) -> bytes:
    """Returns the bytes of a buffer view, such as an image.

    Raises:
        ValueError: the view does not exist, or is larger than its buffer.
    """
    view = item(tree, "bufferViews", index)
    buffer = _buffer(tree, view)
    start, length = _whole(view, "byteOffset", 0), _whole(view, "byteLength")
    if start + length > len(buffer):
        raise ValueError(f"buffer view {index} is larger than its buffer")
    return buffer[start : start + length]


def _view(tree: Tree, source: dict[str, Any], dtype: np.dtype[Any], count: int, width: int) -> NDArray[Any]:
    view = item(tree, "bufferViews", source["bufferView"])
    buffer = _buffer(tree, view)
    start, length = _whole(view, "byteOffset", 0), _whole(view, "byteLength")
    offset, entry = _whole(source, "byteOffset", 0), dtype.itemsize * width
    stride = _whole(view, "byteStride", entry)
    if stride < entry:
        raise ValueError(f"a stride of {stride} bytes is less than the {entry} bytes of an entry")
    end = offset + stride * (count - 1) + entry if count else offset
    if end > length or start + length > len(buffer):
        raise PointCloudError(
            tree.path,
            f"an accessor counts {count} entries and needs {start + end} bytes, of {len(buffer)}",
        )
    return np.ndarray((count, width), dtype, buffer, start + offset, (stride, dtype.itemsize))


def _whole(source: dict[str, Any], name: str, default: int | None = None) -> int:
    value = source.get(name, default)
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}"[:200])
    return value


def _buffer(tree: Tree, view: dict[str, Any]) -> bytes:
    index = view["buffer"]
    if index not in tree.buffers:
        uri = item(tree, "buffers", index).get("uri")
        compressions = [name for name in view.get("extensions", {}) if "compression" in name]
        if uri is not None:
            tree.buffers[index] = read_uri(tree.path, str(uri))
        elif tree.chunk is not None and index == 0:
            tree.buffers[index] = tree.chunk
        elif compressions:
            raise _compressed(tree.path, compressions[0])
        else:
            raise ValueError(f"buffer {index} has no data")
    return tree.buffers[index]


def read_uri(path: Path, uri: str) -> bytes:
    """Returns the content of a data URI, or of a file in the folder of the glTF file; nothing else is read.

    Raises:
        PointCloudError: the file is missing or is not in that folder.
    """
    if uri.startswith("data:"):
        head, _, data = uri.partition(",")
        return base64.b64decode(data) if head.endswith(";base64") else unquote_to_bytes(data)
    name = unquote(uri)
    relative = PurePosixPath(name.replace("\\", "/"))
    if IS_URL.match(name) or relative.is_absolute() or ".." in relative.parts:
        raise PointCloudError(path, f"refers to {uri[:60]!r} outside its folder, which is never read")
    target = path.parent / relative
    if not is_regular(target):
        raise PointCloudError(path, f"its buffer {uri[:60]!r} is missing")
    return target.read_bytes()
