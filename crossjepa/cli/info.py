"""`crossjepa list` and `crossjepa info`."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from crossjepa import hub
from crossjepa.cli import options
from crossjepa.config import Axis, ProcessorConfig
from crossjepa.file_sets import file_of_set
from crossjepa.io import Mesh, is_readable, read
from crossjepa.io.up_axis import usual_up_axis
from crossjepa.model_header import WEIGHTS_NAME, read_config, stored_shapes
from crossjepa.ops.tilt import TILTED, tilt_ratio
from crossjepa.ops.up_axis import rotate_up_axis
from crossjepa.registry import CHECKPOINTS, Checkpoint
from crossjepa.result import align


def list_checkpoints(json: options.Json = False) -> int:
    """List the registered checkpoints, their sizes and figures."""
    found = [_describe(checkpoint) for checkpoint in CHECKPOINTS.values()]
    if json:
        options.print_json(found)
        return 0
    rows = [
        {
            "name": facts["name"],
            "parameters": f"{facts['parameters'] / 1e6:.2f}M",
            "size": f"{facts['bytes'] / 1e6:.1f} MB",
            "feature": facts["feature_width"],
            "ModelNet40 linear": facts["modelnet40_linear_svm"] or "-",
            "license": facts["license"],
            "data seen": facts["description"],
        }
        for facts in found
    ]
    print("\n".join(line.rstrip() for line in align(rows)))
    return 0


def _describe(checkpoint: Checkpoint) -> dict[str, Any]:
    config = checkpoint.config()
    provenance = config.get("provenance", {})
    return {
        "name": checkpoint.name,
        "description": checkpoint.description,
        **_sizes(checkpoint.folder),
        "bytes": sum(path.stat().st_size for path in checkpoint.folder.glob("*.safetensors")),
        "predictor": checkpoint.predictor_sha256 is not None,
        "teacher": config.get("predictor", {}).get("teacher"),
        **{name: provenance.get(name) for name in ("modelnet40_linear_svm", "license", "data")},
        "folder": str(checkpoint.folder),
    }


def _sizes(folder: Path) -> dict[str, int]:
    """Returns what the files of an encoder tell without being loaded."""
    shapes = stored_shapes(file_of_set(folder, WEIGHTS_NAME))
    counted = [shape for name, shape in shapes.items() if not re.search("running_|num_batches", name)]
    encoder = read_config(folder).encoder
    width = encoder.width * (2 if encoder.pool == "max+mean" else 1)
    return {"parameters": sum(map(prod, counted)), "feature_width": width}


def info(
    name: Annotated[str, Positional, arg(metavar="NAME-or-FILE")], up_axis: options.UpAxis = None
) -> int:
    """Describe a checkpoint, or a point or mesh file, as JSON.

    Of a file, it says which axis is taken to point up, and warns if the shape looks tilted.

    Args:
        name: registered name, org/repo, folder of weights, or a point or mesh file.
    """
    path = Path(name)
    if path.is_file() or (is_readable(path) and not path.is_dir()):
        facts, doubts = _describe_file(path, up_axis)
        options.print_problems(doubts, "warning: ")
        options.print_json(facts)
        return 0
    folder = hub.locate(name)
    if name not in CHECKPOINTS:  # the files of those have the right checksums
        from crossjepa.encoder import CrossJEPAEncoder

        CrossJEPAEncoder.from_pretrained(folder)  # refuses weights that do not fit their config
    facts = {"name": name, "folder": str(folder), **_sizes(folder)}
    config = read_config(folder).to_dict()
    if "similarity" in config:  # without more than a thousand numbers
        config["similarity"] = {"objects": config["similarity"]["objects"]}
    options.print_json({**facts, **config})
    return 0


def _describe_file(path: Path, up_axis: Axis | None) -> tuple[dict[str, Any], list[str]]:
    """Returns facts, and what may be wrong with the way the shape stands."""
    shape = read(path)
    if isinstance(shape, Mesh):
        points, kind = shape.vertices_V3, "mesh"
        counts = {"vertices": len(points), "faces": len(shape.faces_F3)}
    else:
        points, kind = shape.points_N3, "point cloud"
        counts = {"points": len(points)}
    bounds = {"lowest": points.min(axis=0).tolist(), "highest": points.max(axis=0).tolist()}
    axis, usual, doubts = up_axis or ProcessorConfig().up_axis, usual_up_axis(path), list[str]()
    ratio = tilt_ratio(rotate_up_axis(points, axis, "y"))
    if up_axis is None and usual.axis not in (None, axis):
        doubts.append(
            f"{path}: {axis} is taken to point up, but {usual.reason}: if the shape lies on its side, give "
            f"--up-axis {usual.axis}"
        )
    if ratio > TILTED:
        doubts.append(
            f"{path}: looks tilted with {axis} up: its bounding box is {ratio:.1f} times that of the same "
            "shape turned upright; turn it, or give another --up-axis"
        )
    standing = {"up_axis": axis, "usual_up_axis": usual.axis, "tilt_ratio": round(ratio, 3)}
    return {"file": str(path), "kind": kind, **counts, **bounds, **standing}, doubts
