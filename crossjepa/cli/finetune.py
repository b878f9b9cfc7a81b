"""The subcommand `finetune`."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from crossjepa.train.finetune import FinetuneConfig


def finetune_main(words: list[str]) -> int:
    """Runs `crossjepa finetune`, whose options are the fields of `FinetuneConfig`."""
    from crossjepa.train.finetune import FinetuneOptions, finetune

    options = _finetune_parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        result = finetune(
            options.data,
            options.output,
            _recipe(options),
            data_set=options.data_set,
            options=FinetuneOptions(
                device=options.device, progress=not options.no_progress and sys.stderr.isatty()
            ),
        )
    except (OSError, ValueError, ImportError, FloatingPointError) as error:
        print(f"crossjepa: {error}", file=sys.stderr)
        return 2
    print(result.to_json() if options.json else result.to_text())
    print(f"{options.output}: the model; name new files with `crossjepa predict FILES -m {options.output}`",
          file=sys.stderr)  # fmt: skip
    return 0


def add_finetune(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Lists `finetune` in the help of `crossjepa`."""
    commands.add_parser("finetune", help="fine-tune on a folder of class/file, a table or a data set")


def _finetune_parser() -> argparse.ArgumentParser:
    from crossjepa.train.finetune import FinetuneConfig

    parser = argparse.ArgumentParser(
        prog="crossjepa finetune",
        description="Fine-tunes the encoder on labeled clouds or meshes and tests it once. A run that was "
        "cut goes on with the same command.",
    )
    parser.add_argument("data", metavar="DATA", type=Path, help="folder of class/file, CSV, or data set")
    parser.add_argument("-o", "--output", required=True, type=Path, help="folder of the model")
    parser.add_argument("--data-set", metavar="NAME", help="which data set it is, see `crossjepa data list`")
    parser.add_argument("--device", help="torch device; a GPU where there is one")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--no-progress", action="store_true", help="no progress bars")
    for section in (FinetuneConfig, *_sections(FinetuneConfig)):
        _add_fields(parser, section)
    return parser


def _sections(kind: Any) -> list[Any]:
    hints = get_type_hints(kind)
    return [
        hints[entry.name] for entry in dataclasses.fields(kind) if dataclasses.is_dataclass(hints[entry.name])
    ]


def _add_fields(parser: argparse.ArgumentParser, section: Any) -> None:
    from crossjepa.train.finetune.config import choices_of

    described, hints = _descriptions(section), get_type_hints(section)
    for entry in dataclasses.fields(section):
        if dataclasses.is_dataclass(hints[entry.name]):
            continue
        choices, names = choices_of(hints[entry.name]), ["--" + entry.name.replace("_", "-")]
        names = ["-m", *names] if entry.name == "model" else names
        text = described[entry.name].replace("%", "%%")
        if hints[entry.name] is bool:
            parser.add_argument(*names, action="store_true", help=text)
        else:
            kind: Any = str if choices else hints[entry.name]
            shown = f"{text} (default {entry.default})" if entry.default != "" else text
            parser.add_argument(
                *names, type=kind, choices=[each for each in choices if each] or None,
                default=entry.default, metavar=None if choices else kind.__name__.upper(), help=shown,
            )  # fmt: skip


def _descriptions(kind: type) -> dict[str, str]:
    """Reads what each field means out of a Google docstring."""
    lines = (kind.__doc__ or "").split("Attributes:")[1].splitlines()
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        stripped = line.strip()
        if len(line) - len(line.lstrip()) == 8:
            name, _, text = stripped.partition(": ")
            found[name] = text
        elif stripped:
            found[name] += " " + stripped
    return {key: text.rstrip(".") for key, text in found.items()}


def _recipe(options: argparse.Namespace) -> FinetuneConfig:
    from crossjepa.train.finetune import FinetuneConfig

    default = FinetuneConfig()
    return default.change(**{name: getattr(options, name) for name in default.flat()})
