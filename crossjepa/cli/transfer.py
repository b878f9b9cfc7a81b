"""`crossjepa transfer`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from tyro.conf import UseAppendAction, arg

from crossjepa.cli import options
from crossjepa.defaults import TRANSFER_NEIGHBORS
from crossjepa.errors import PointCloudError
from crossjepa.files import write_npz

if TYPE_CHECKING:
    from crossjepa.part_transfer import PartTransfer


def transfer(
    inputs: options.Inputs,
    shape: Annotated[UseAppendAction[tuple[Path, ...]], arg(metavar="FILE")],
    parts: Annotated[UseAppendAction[tuple[Path, ...]], arg(metavar="PARTS.npy")],
    output: Annotated[Path, arg(aliases=["-o"], metavar="OUT.npz")],
    neighbors: int = TRANSFER_NEIGHBORS,
    model: options.Model = options.DEFAULT_MODEL,
    up_axis: options.UpAxis = None,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Give shapes the parts of a few labeled ones of their kind.

    Every point gets the part of the labeled points with the nearest features. Prints file, part and share of
    the points, separated by tabs.

    Args:
        shape: labeled cloud or mesh; give it as often as there are labeled ones.
        parts: part of every point or vertex of the shape, in the same order, as whole numbers; those below 0
            are unlabeled. Give it as often as --shape.
        output: archive of one array per file, the part of every point or vertex.
        neighbors: nearest labeled points that vote for the part of a point.
    """
    options.check_output(output, (".npz",))
    if len(shape) != len(parts) or not shape:
        raise ValueError(f"give --parts as often as --shape, not {len(parts)} and {len(shape)} times")

    from crossjepa.device import resolve_device
    from crossjepa.encoder import CrossJEPAEncoder
    from crossjepa.part_transfer import PartTransfer

    encoder = CrossJEPAEncoder.from_pretrained(model, device=resolve_device(device))
    labels = [_read_parts(path) for path in parts]
    files, left_out = options.list_inputs(inputs, output)
    carried = PartTransfer(encoder, shape, labels, neighbors=neighbors, up_axis=up_axis)
    errors, found = list[PointCloudError](), dict[str, NDArray[Any]]()
    for file in files:
        answer = _carry(carried, file)
        if isinstance(answer, PointCloudError):
            errors.append(answer)
        else:
            found[str(file)] = answer
    if found:
        write_npz(output, found)
    code = options.finish(len(found), errors, [] if quiet else left_out)
    shares = {file: _shares(parts_N) for file, parts_N in found.items()}
    if json:
        options.print_json([{"file": name, "parts": each} for name, each in shares.items()])
    for name, each in [] if json else shares.items():
        print("\n".join(f"{name}\t{part}\t{share:.4f}" for part, share in each.items()))
    return code


def _carry(carried: PartTransfer, file: Path) -> NDArray[np.int64] | PointCloudError:
    try:
        return carried.predict(file)
    except PointCloudError as error:
        return error


def _read_parts(path: Path) -> NDArray[np.integer]:
    try:
        parts_N = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise PointCloudError(path, f"no readable .npy file of parts ({error})") from error
    if not isinstance(parts_N, np.ndarray) or parts_N.ndim != 1 or parts_N.dtype.kind not in "iu":
        raise PointCloudError(path, "does not hold one whole number per point")
    return parts_N


def _shares(parts_N: NDArray[np.int64]) -> dict[int, float]:
    numbers, counts = np.unique(parts_N[parts_N >= 0], return_counts=True)
    return dict(zip(numbers.tolist(), (counts / counts.sum()).tolist(), strict=True))
