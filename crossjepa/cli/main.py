"""The command line: one thin function a subcommand."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crossjepa._version import __version__
from crossjepa.cli.evaluate import add_data, add_eval
from crossjepa.cli.finetune import add_finetune, finetune_main
from crossjepa.cli.predict import add_predict

if TYPE_CHECKING:
    from crossjepa.train.render.views import RenderConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `crossjepa`.

    Args:
        arguments: the command line, `sys.argv` by default.

    Returns:
        The exit status: 0 when all went well, 1 when some inputs failed, 2 when nothing could be done.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["pretrain"]:  # its options are the keys of the recipe, which it knows better
        from crossjepa.cli.pretrain import main as pretrain

        return pretrain(words[1:])
    if words[:1] == ["finetune"]:
        return finetune_main(words[1:])
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
    _add_render(commands)
    _add_cache(commands)
    listing = commands.add_parser("list", help="list the registered checkpoints")
    listing.set_defaults(run=_list)
    info = commands.add_parser("info", help="describe a checkpoint, or a point or mesh file")
    info.add_argument("name", help="registered name, org/repo, folder of weights, or a point or mesh file")
    info.set_defaults(run=_info)
    add_data(commands)
    add_eval(commands)
    _add_training(commands)
    add_finetune(commands)
    add_predict(commands)
    return parser


def _add_training(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    commands.add_parser("pretrain", help="pretrain from a cache; the same as python -m crossjepa pretrain")
    export = commands.add_parser("export", help="turn the last checkpoint of a run into a release folder")
    export.add_argument("folder", metavar="RUN", help="folder of a pretraining run")
    export.add_argument("-o", "--output", required=True, help="folder for config.json and the weights")
    export.add_argument("--provenance", help="JSON file with facts about data, teacher and license")
    export.add_argument(
        "--average-with",
        nargs="+",
        default=[],
        metavar="WEIGHTS",
        help="write the mean of the run and these weights (name, org/repo, or folder)",
    )
    export.add_argument(
        "--predictor-only",
        action="store_true",
        help="add the predictor to the weights in OUTPUT, whose encoder the run kept frozen",
    )
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


def _add_render(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    render = commands.add_parser("render", help="render files from many sides")
    render.add_argument("inputs", nargs="+", metavar="FILE-or-FOLDER", help="point clouds and meshes")
    render.add_argument("-o", "--output", required=True, type=Path, help="folder; each object gets one in it")
    render.add_argument("--preview", type=Path, metavar="PNG", help="write a contact sheet, too")
    _add_pictures(render)
    render.set_defaults(run=_render)


def _add_pictures(command: argparse.ArgumentParser) -> None:
    """Options of everything that renders."""
    rigs = "orbit8, r2n2, disn, mvcnn12 or sphere"
    command.add_argument("--rig", default="orbit8", help=f"cameras: {rigs} (default orbit8)")
    command.add_argument("--size", type=int, default=224, help="pixels of a side (default 224)")
    command.add_argument("--points", type=int, default=4096, help="points kept of a mesh (default 4096)")
    command.add_argument(
        "--up-axis", choices=("x", "y", "z"), default="y", help="what points up in the files"
    )
    command.add_argument("--seed", type=int, default=0, help="of cameras and points (default 0)")
    command.add_argument(
        "--device",
        help="torch device; a GPU where there is one, whose results differ by rounding",
    )
    command.add_argument("--no-progress", action="store_true", help="no progress bar")


def _add_cache(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    cache = commands.add_parser("cache", help="embed views with an image teacher, once, for pretraining")
    cache.add_argument(
        "data", nargs="+", help="packed meshes or clouds (npz), or a folder of files or of renderings"
    )
    cache.add_argument("-o", "--output", required=True, type=Path, help="folder of the cache")
    cache.add_argument(
        "--teacher",
        help="timm name, whose weights come from the Hugging Face Hub, or a local ARCHITECTURE.safetensors "
        "(default vit_base_patch14_dinov2.lvd142m)",
    )
    cache.add_argument(
        "--embedding", choices=("cls", "patch", "both", "layers"), default="cls", help="default cls"
    )
    cache.add_argument("--workers", type=int, help="processes (default one a CPU, one with a GPU)")
    cache.add_argument("--split", help="of clouds that have splits: its name, or all")
    cache.add_argument("--shapes", type=Path, help="clouds or meshes of objects whose renderings are given")
    cache.add_argument("--difficulty", choices=("easy", "hard"), default="easy", help="of DISN's renderings")
    cache.add_argument("--skip-bad", action="store_true", help="leave out objects that cannot be used")
    _add_pictures(cache)
    cache.set_defaults(run=_cache)
    info = commands.add_parser("cache-info", help="verify a cache and say what is in it")
    info.add_argument("cache", type=Path, help="folder of a cache")
    info.set_defaults(run=_cache_info)


def _render(options: argparse.Namespace) -> int:
    from crossjepa.train.render.render_files import render_files, write_preview

    shown = not options.no_progress
    result = render_files(
        options.inputs,
        options.output,
        _render_config(options),
        up_axis=options.up_axis,
        device=_device(options),
        each=_show_count if shown else None,
    )
    if options.preview:
        write_preview(options.preview, result.folders)
    print(f"{options.output}: views of {len(result.folders)} files")
    for error in result.errors:
        print(f"crossjepa: skipped {error}", file=sys.stderr)
    return 1 if result.errors else 0


def _show_count(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\rrender: {done} of {total} files", end="\n" if done == total else "", file=sys.stderr)


def _render_config(options: argparse.Namespace) -> RenderConfig:
    from crossjepa.train.render import rig
    from crossjepa.train.render.views import RenderConfig

    rig(options.rig)
    for name in ("size", "points"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} must be at least 1, not {getattr(options, name)}")
    return RenderConfig(
        rig=options.rig,
        image_size=options.size,
        stored_points=options.points,
        seed=options.seed,
    )


def _device(options: argparse.Namespace) -> str:
    from crossjepa.train.common.distributed import own_device

    return str(own_device(options.device))


def _cache(options: argparse.Namespace) -> int:
    from crossjepa.datasets import open_dataset
    from crossjepa.train.cache import CacheConfig, default_workers, make_cache
    from crossjepa.train.cache.teacher import DEFAULT_TEACHER

    device = _device(options)
    config = CacheConfig(options.teacher or DEFAULT_TEACHER, options.embedding, _render_config(options))
    dataset = open_dataset(
        options.data,
        split=options.split,
        up_axis=options.up_axis,
        shapes=options.shapes,
        difficulty=options.difficulty,
        skip_bad=options.skip_bad,
    )
    cache = make_cache(
        dataset,
        options.output,
        config,
        workers=options.workers or default_workers(device),
        device=device,
        skip_bad=options.skip_bad,
        progress=not options.no_progress,
    )
    if cache is not None:
        objects, views, width = cache.embeddings_SVD.shape
        print(f"{options.output}: {objects} objects, {views} views each, {width} numbers a view")
    return 0


def _cache_info(options: argparse.Namespace) -> int:
    from crossjepa.train.cache import check_cache

    report = check_cache(options.cache)
    for name, value in report.facts.items():
        print(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")
    for problem in report.problems:
        print(f"crossjepa: {options.cache}: {problem}", file=sys.stderr)
    print("damaged or unfinished" if report.problems else "whole: everything checked")
    return 1 if report.problems else 0


def _encode(options: argparse.Namespace) -> int:
    from crossjepa.cli.encode import encode_files

    return encode_files(options)


def _export(options: argparse.Namespace) -> int:
    from crossjepa.train.pretrain.export import export, export_predictor

    if options.predictor_only:
        if options.provenance or options.average_with:
            raise ValueError("--predictor-only goes neither with --provenance nor with --average-with")
        export_predictor(options.folder, options.output)
        print(f"{options.output}: predictor of {options.folder}")
        return 0
    facts = json.loads(Path(options.provenance).read_text()) if options.provenance else None
    export(options.folder, options.output, facts, average_with=options.average_with)
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
    from crossjepa import hub, model_files
    from crossjepa.encoder import CrossJEPAEncoder

    folder = hub.locate(options.name)
    encoder = CrossJEPAEncoder.from_pretrained(folder)
    parameters = sum(parameter.numel() for parameter in encoder.parameters())
    facts = {
        "name": options.name,
        "folder": str(folder),
        "parameters": parameters,
        "feature_width": encoder.embedding_width(),
        **model_files.read_config(folder).to_dict(),
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
