"""The formats as their publications describe them, written without the package under test."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


def rows(table: Floats | Ints, separator: str = " ") -> str:
    """One line for each row, with digits enough to read the same float64 back."""
    return "".join(separator.join(repr(value) for value in row) + "\n" for row in table.tolist())


def off(vertices_V3: Floats, faces_F3: Ints, glued: bool = False) -> bytes:
    head = f"OFF{'' if glued else chr(10)}{len(vertices_V3)} {len(faces_F3)} 0\n"
    faces = "".join(f"3 {a} {b} {c}\n" for a, b, c in faces_F3.tolist())
    return (head + rows(vertices_V3) + faces).encode()


def obj(vertices_V3: Floats, faces_F3: Ints) -> bytes:
    vertices = "".join(f"v {x!r} {y!r} {z!r}\n" for x, y, z in vertices_V3.tolist())
    faces = "".join(f"f {a} {b} {c}\n" for a, b, c in (faces_F3 + 1).tolist())
    return f"# a comment\no shape\n{vertices}{faces}".encode()


def stl_binary(vertices_V3: Floats, faces_F3: Ints, header: bytes = b"binary") -> bytes:
    records = np.zeros(len(faces_F3), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("spare", "<u2")])
    records["corners"] = vertices_V3[faces_F3]
    return header.ljust(80, b" ") + struct.pack("<I", len(faces_F3)) + records.tobytes()


def stl_ascii(vertices_V3: Floats, faces_F3: Ints) -> bytes:
    lines = ["solid shape"]
    for corners in vertices_V3[faces_F3].tolist():
        lines += ["  facet normal 0 0 0", "    outer loop"]
        lines += [f"      vertex {x!r} {y!r} {z!r}" for x, y, z in corners]
        lines += ["    endloop", "  endfacet"]
    return ("\n".join([*lines, "endsolid shape"]) + "\n").encode()


def ply(
    vertices_V3: Floats,
    faces_F3: Ints | None = None,
    encoding: str = "ascii",
    kind: str = "double",
    list_types: str = "uchar int",
) -> bytes:
    """`encoding` is ascii, binary_little_endian or binary_big_endian."""
    names = {"float": "f4", "double": "f8", "uchar": "u1", "int": "i4", "uint": "u4", "ushort": "u2"}
    head = f"ply\nformat {encoding} 1.0\ncomment by a test\nelement vertex {len(vertices_V3)}\n"
    head += "".join(f"property {kind} {axis}\n" for axis in "xyz")
    if faces_F3 is not None:
        head += f"element face {len(faces_F3)}\nproperty list {list_types} vertex_indices\n"
    head += "end_header\n"
    faces = np.zeros((0, 3), np.int64) if faces_F3 is None else faces_F3
    if encoding == "ascii":
        return (head + rows(vertices_V3) + "".join(f"3 {a} {b} {c}\n" for a, b, c in faces.tolist())).encode()
    order = "<" if "little" in encoding else ">"
    count_type, item_type = list_types.split()
    records = np.zeros(len(faces), [("n", order + names[count_type]), ("i", order + names[item_type], 3)])
    records["n"], records["i"] = 3, faces
    return head.encode() + vertices_V3.astype(order + names[kind]).tobytes() + records.tobytes()


def gltf_tree(vertices_V3: Floats, faces_F3: Ints | None, **node: Any) -> tuple[dict[str, Any], bytes]:
    """A glTF tree with one mesh (points if there are no faces), and its only buffer, without address."""
    positions = vertices_V3.astype("<f4")
    buffer = positions.tobytes()
    views = [{"buffer": 0, "byteOffset": 0, "byteLength": len(buffer)}]
    accessors: list[dict[str, Any]] = [
        {
            "bufferView": 0, "componentType": 5126, "count": len(positions), "type": "VEC3",
            "min": positions.min(axis=0).tolist(), "max": positions.max(axis=0).tolist(),
        }
    ]  # fmt: skip
    primitive: dict[str, Any] = {"attributes": {"POSITION": 0}, "mode": 0 if faces_F3 is None else 4}
    if faces_F3 is not None:
        indices = faces_F3.astype("<u4").tobytes()
        views.append({"buffer": 0, "byteOffset": len(buffer), "byteLength": len(indices)})
        accessors.append({"bufferView": 1, "componentType": 5125, "count": faces_F3.size, "type": "SCALAR"})
        primitive["indices"] = 1
        buffer += indices
    tree = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0, **node}],
        "meshes": [{"primitives": [primitive]}], "accessors": accessors, "bufferViews": views,
        "buffers": [{"byteLength": len(buffer)}],
    }  # fmt: skip
    return tree, buffer


def glb(tree: dict[str, Any], buffer: bytes) -> bytes:
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    buffer += b"\0" * (-len(buffer) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    chunks += struct.pack("<II", len(buffer), 0x004E4942) + buffer
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def pcd(
    columns: Sequence[tuple[str, str, NDArray[Any]]], data: str = "ascii", counts: bool = True, **header: str
) -> bytes:
    """`columns` are name, PCD type such as F4, and an array of shape (N,) or (N, COUNT)."""
    arrays = [np.reshape(array, (len(array), -1)) for _, _, array in columns]
    points = len(arrays[0])
    lines = {
        "VERSION": "0.7",
        "FIELDS": " ".join(name for name, _, _ in columns),
        "SIZE": " ".join(kind[1] for _, kind, _ in columns),
        "TYPE": " ".join(kind[0] for _, kind, _ in columns),
        **({"COUNT": " ".join(str(array.shape[1]) for array in arrays)} if counts else {}),
        "WIDTH": str(points),
        "HEIGHT": "1",
        "VIEWPOINT": "0 0 0 1 0 0 0",
        "POINTS": str(points),
        **header,
        "DATA": data,
    }
    head = "# .PCD v0.7\n" + "".join(f"{name} {value}\n" for name, value in lines.items() if value)
    typed = [array.astype("<" + kind.lower()) for array, (_, kind, _) in zip(arrays, columns, strict=True)]
    if data == "ascii":
        body = "".join(
            " ".join(repr(value) for array in typed for value in array[point].tolist()) + "\n"
            for point in range(points)
        ).encode()
    elif data == "binary":
        body = b"".join(array[point].tobytes() for point in range(points) for array in typed)
    else:
        plain = b"".join(array.tobytes() for array in typed)
        packed = lzf_compress(plain)
        body = struct.pack("<II", len(packed), len(plain)) + packed
    return head.encode() + body


def xyz_columns(points_N3: Floats | Ints, kind: str = "F8") -> list[tuple[str, str, NDArray[Any]]]:
    return [(axis, kind, points_N3[:, number]) for number, axis in enumerate("xyz")]


def lzf_compress(plain: bytes) -> bytes:
    """Greedy LZF: literal runs of up to 32 bytes, back references that may overlap what they write."""
    packed, literals, seen, position = bytearray(), bytearray(), dict[bytes, int](), 0

    def flush() -> None:
        for start in range(0, len(literals), 32):
            run = literals[start : start + 32]
            packed.append(len(run) - 1)
            packed.extend(run)
        literals.clear()

    while position < len(plain):
        key = plain[position : position + 3]
        start = seen.get(key, -1)
        seen[key] = position
        if len(key) < 3 or start < 0 or position - start > 8192:
            literals.append(plain[position])
            position += 1
            continue
        length = 3
        while (
            length < 264
            and plain[start + length : start + length + 1] == plain[position + length :][:1] != b""
        ):
            length += 1
        flush()
        distance, short = position - start - 1, length - 2
        packed.append(min(short, 7) << 5 | distance >> 8)
        if short >= 7:
            packed.append(short - 7)
        packed.append(distance & 255)
        position += length
    flush()
    return bytes(packed)


def npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def structured_from(points_N3: Floats, names: Sequence[str] = "xyz") -> NDArray[Any]:
    """A structured array, in which an intensity comes before the coordinates."""
    table = np.zeros(len(points_N3), [("intensity", "f4"), *((name, "f8") for name in names)])
    for column, name in enumerate(names):
        table[name] = points_N3[:, column]
    return table


def npz(**arrays: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()
