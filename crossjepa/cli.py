"""The command line: one thin function a subcommand."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from crossjepa._version import __version__
from crossjepa.cli_evaluate import add_data, add_eval


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `crossjepa`.

    Args:
        arguments: the command line, `sys.argv` by default.

    Returns:
        The exit status: 0 when all went well, 1 when some inputs failed, 2 when nothing could be done.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["pretrain"]:  # its options are the keys of the recipe, which it knows better
        from crossjepa.train.__main__ import main as pretrain

        return pretrain(words[1:])
    options = _parser().parse_args(words)
    try:
        status: int = options.run(options)
    except (OSError, ValueError, ImportError) as error:
        print(f"crossjepa: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crossjepa", description="Features of 3D point clouds and meshes.")
    parser.add_argument("--version", action="version", version=f"crossjepa {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_encode(commands)
    listing = commands.add_parser("list", help="list the registered checkpoints")
    listing.set_defaults(run=_list)
    info = commands.add_parser("info", help="describe a checkpoint, or a point or mesh file")
    info.add_argument("name", help="registered name, org/repo, folder of weights, or a point or mesh file")
    info.set_defaults(run=_info)
    _add_training(commands)
    add_data(commands)
    add_eval(commands)
    return parser


def _add_training(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    commands.add_parser("pretrain", help="pretrain from a cache; the same as python -m crossjepa.train")
    export = commands.add_parser("export", help="turn the last checkpoint of a run into a release folder")
    export.add_argument("folder", metavar="RUN", help="folder of a pretraining run")
    export.add_argument("-o", "--output", required=True, help="folder for config.json and model.safetensors")
    export.add_argument("--provenance", help="JSON file with facts about data, teacher and licence")
    export.set_defaults(run=_export)


def _add_encode(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    encode = commands.add_parser("encode", help="write features of files")
    encode.add_argument("inputs", nargs="+", metavar="FILE-or-FOLDER", help="point clouds and meshes")
    encode.add_argument("-o", "--output", required=True, type=Path, help="out.npz or out.safetensors")
    encode.add_argument(
        "-m", "--model", default="crossjepa-base", help="registered name, org/repo, or folder"
    )
    encode.add_argument("--per-point", action="store_true", help="a feature for every point or vertex")
    encode.add_argument("--pool", choices=("max", "mean", "max+mean"), help="pooling of tokens")
    encode.add_argument("--batch-size", type=int, default=32, help="clouds a pass (default 32)")
    encode.add_argument("--device", default="cpu", help="torch device (default cpu)")
    encode.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    encode.add_argument("--up-axis", choices=("x", "y", "z"), help="axis that points up in the files")
    encode.add_argument("--no-progress", action="store_true", help="no progress bar")
    encode.set_defaults(run=_encode)


def _encode(options: argparse.Namespace) -> int:
    import torch

    from crossjepa.encoder import CrossJEPAEncoder
    from crossjepa.extract import check_output, encode_files, write_features

    check_output(options.output)
    encoder = CrossJEPAEncoder.from_pretrained(
        options.model, device=options.device, dtype=getattr(torch, options.dtype)
    )
    result = encode_files(
        encoder,
        options.inputs,
        per_point=options.per_point,
        pool=options.pool,
        batch_size=options.batch_size,
        up_axis=options.up_axis,
        progress=False if options.no_progress else None,
    )
    if result.files:
        write_features(options.output, result)
    print(f"{options.output}: features of {len(result.files)} files from {options.model}")
    for error in result.errors:
        print(f"crossjepa: skipped {error}", file=sys.stderr)
    return 1 if result.errors else 0


def _export(options: argparse.Namespace) -> int:
    from crossjepa.train.export import export

    facts = json.loads(Path(options.provenance).read_text()) if options.provenance else None
    export(options.folder, options.output, facts)
    print(f"{options.output}: weights of {options.folder}")
    return 0


def _list(options: argparse.Namespace) -> int:
    from crossjepa.registry import CHECKPOINTS

    for checkpoint in CHECKPOINTS.values():
        print(f"{checkpoint.name}\t{checkpoint.description}")
    return 0


def _info(options: argparse.Namespace) -> int:
    from crossjepa.io import READABLE_SUFFIXES

    path = Path(options.name)
    if path.suffix.lower() in READABLE_SUFFIXES and not path.is_dir():
        print(json.dumps(_describe_file(path), indent=2))
        return 0
    from crossjepa import hub
    from crossjepa.encoder import CrossJEPAEncoder

    folder = hub.locate(options.name)
    encoder = CrossJEPAEncoder.from_pretrained(folder)
    parameters = sum(parameter.numel() for parameter in encoder.parameters())
    facts = {
        "name": options.name,
        "folder": str(folder),
        "parameters": parameters,
        "feature_width": encoder.embedding_width(),
        **encoder.model_config.to_dict(),
    }
    print(json.dumps(facts, indent=2))
    return 0


def _describe_file(path: Path) -> dict[str, object]:
    from crossjepa.io import Mesh, read

    shape = read(path)
    points = shape.vertices_V3 if isinstance(shape, Mesh) else shape.points_N3
    counts = (
        {"vertices": len(points), "faces": len(shape.faces_F3)}
        if isinstance(shape, Mesh)
        else {"points": len(points)}
    )
    return {
        "file": str(path),
        "kind": "mesh" if isinstance(shape, Mesh) else "point cloud",
        **counts,
        "lowest": points.min(axis=0).tolist(),
        "highest": points.max(axis=0).tolist(),
    }


if __name__ == "__main__":
    sys.exit(main())
