"""`crossjepa`: finds the command, loads only its module, and reports errors in one style."""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, TextIO, cast

from crossjepa._version import __version__
from crossjepa.errors import CrossJEPAError, PointCloudWarning


class Command(NamedTuple):
    """Where a command is.

    Attributes:
        module: file of this package.
        function: its typed function, whose parameters are the options.
        text: first line of its docstring, without the period.
        defaults: function of the module that reads defaults of options from the words of the command line.
        resumes: whether the same command goes on where it was interrupted.
    """

    module: str
    function: str
    text: str
    defaults: str = ""
    resumes: bool = False


COMMANDS = {
    "encode": Command("encode", "encode", "Write features of files and folders"),
    "list": Command("info", "list_checkpoints", "List the registered checkpoints, their sizes and figures"),
    "info": Command("info", "info", "Describe a checkpoint, or a point or mesh file, as JSON"),
    "data list": Command("data", "list_datasets", "List the known data sets, or show everything about one"),
    "data check": Command("data", "check", "Read a data set once and compare it with what is known of it"),
    "data check-renderings": Command(
        "data", "check_tree", "Check a folder of renderings before a cache is made of it"
    ),
    "eval": Command("evaluate", "evaluate", "Evaluate a model by a named protocol"),
    "finetune": Command(
        "finetune", "finetune", "Fine-tune on a folder of class/file, a table or a data set", resumes=True
    ),
    "predict": Command("predict", "predict", "Name the classes or parts of files with a fine-tuned model"),
    "index": Command("index", "index", "Make an index of shapes, or bring it up to date", resumes=True),
    "search": Command("search", "search", "Find shapes by a shape, or by a picture of one"),
    "duplicates": Command("duplicates", "duplicates", "List files that are nearly the same object"),
    "transfer": Command("transfer", "transfer", "Give shapes the parts of a few labeled ones of their kind"),
    "view": Command("view", "view", "Show features and predictions of files as pages and pictures"),
    "map": Command("map", "draw_map", "Draw a map of a collection, with pictures and clusters"),
    "render": Command("render", "render", "Render files from many sides", resumes=True),
    "cache": Command(
        "cache", "cache", "Embed views of objects with image teachers, once, for pretraining", resumes=True
    ),
    "cache-info": Command("cache", "cache_info", "Verify a cache and say what is in it"),
    "pretrain": Command(
        "pretrain",
        "pretrain",
        "Pretrain an encoder from a cache of teacher embeddings",
        "recipe_defaults",
        True,
    ),
    "export": Command("pretrain", "export", "Turn the last checkpoint of a run into a release folder"),
    "center": Command(
        "pretrain", "center", "Store mean and deviation of features with weights, for similarity and search"
    ),
    "export-onnx": Command("export_onnx", "export", "Write a model as an ONNX file or an archive of torch"),
    "push": Command("push", "push", "Upload weights and a model card to the Hugging Face Hub"),
}
SHELLS = ("bash", "zsh", "fish", "tcsh")

_HELP = """usage: crossjepa COMMAND ...

Features of 3D point clouds and meshes.

commands:
{commands}

options:
  -h, --help                  print this help; after a command, the help of the command
  --version                   print the version
  --print-completion SHELL    print a completion script for {shells}, such as
                              eval "$(crossjepa --print-completion bash)"

exit codes:
  0    all went well
  1    some inputs failed and the rest was written, or a check found problems
  2    nothing could be done, or the command line was wrong
  130  interrupted
  141  the reader of the output was gone, as after `| head`
Standard error gets errors as `crossjepa: error: MESSAGE` and inputs that failed as
`crossjepa: skipped FILE: REASON`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `crossjepa`.

    Args:
        arguments: the command line, `sys.argv` by default.

    Returns:
        The exit code, see the help.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not fit its encoding
    words = sys.argv[1:] if arguments is None else list(arguments)
    with contextlib.redirect_stderr(cast(TextIO, _Notes(sys.stderr))):
        try:
            with _plain_warnings():
                code = _run(words)
            if sys.stdout:
                sys.stdout.flush()
            return code
        except BrokenPipeError:  # the reader has seen enough, as `head` does
            _silence(sys.stdout)
            return 141
        except (CrossJEPAError, ValueError, OSError, ImportError, FloatingPointError, MemoryError) as error:
            print(f"crossjepa: error: {_message(error)}", file=sys.stderr)
            return 2
        except RuntimeError as error:
            if type(error).__name__ != "OutOfMemoryError":  # torch's, which is not imported here
                raise
            hint = "give a smaller --batch-size, or --device cpu"
            print(f"crossjepa: error: out of memory on the GPU: {hint}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(f"crossjepa: error: interrupted{_after_interruption(words)}", file=sys.stderr)
            return 130


class _Notes:
    """Standard error, whose reader may go: what is written for nobody must not end the work."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        if self.stream:
            try:
                self.stream.write(text)
            except BrokenPipeError:
                _silence(self.stream)
        return len(text)

    def flush(self) -> None:
        if self.stream:
            try:
                self.stream.flush()
            except BrokenPipeError:
                _silence(self.stream)


def _silence(stream: TextIO) -> None:
    """Sends what is still to be written to nowhere, so that Python does not complain at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _message(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"out of memory {error}".strip()
    return str(error) or type(error).__name__


def _after_interruption(words: list[str]) -> str:
    """Says whether the work is lost."""
    name = _command(words)
    if not name:
        return ""
    return f": the same command {'continues where it stopped' if COMMANDS[name].resumes else 'starts again'}"


def _command(words: list[str]) -> str:
    """Returns the name of the command that a command line begins with, "" if there is none."""
    names = (" ".join(words[:count]) for count in (2, 1))
    return next((name for name in names if name in COMMANDS), "")


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Shows warnings about inputs in the style of errors, each of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", PointCloudWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
            if issubclass(category, PointCloudWarning):
                print(f"crossjepa: warning: {message}", file=sys.stderr)
            else:
                usual(message, category, *place, **options)

        warnings.showwarning = show
        yield


def load(name: str, words: Sequence[str] = ()) -> partial[int]:
    """Imports a command, with defaults from `words`, which follow it on the command line."""
    command = COMMANDS[name]
    module = import_module(f"crossjepa.cli.{command.module}")
    defaults = getattr(module, command.defaults)(words) if command.defaults else {}
    return partial(getattr(module, command.function), **defaults)


def _run(words: list[str]) -> int:
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    if words[:1] in (["-h"], ["--help"]):
        print(_help(list(COMMANDS)))
        return 0
    if words == ["--version"]:
        print(f"crossjepa {__version__}")
        return 0
    if words[:1] == ["--print-completion"]:
        return _print_completion(words[1:])
    name = _command(words)
    if not name:
        return _unknown(words)
    from crossjepa.cli.parsing import bind

    left = words[len(name.split()) :]
    return bind(load(name, left), left, f"crossjepa {name}")()


def _help(commands: Sequence[str]) -> str:
    lines = "\n".join(f"  {name:<23} {COMMANDS[name].text}" for name in commands)
    return _HELP.format(commands=lines, shells=", ".join(SHELLS))


def _unknown(words: list[str]) -> int:
    """Says which commands there are, or prints the help of those that begin with a word, such as `data`."""
    group = [name for name in COMMANDS if words and name.startswith(f"{words[0]} ")]
    if group and words[1:] in (["-h"], ["--help"]):
        print(_help(group))
        return 0
    names, given = group or list(COMMANDS), " ".join(words[: 2 if group else 1])
    near = difflib.get_close_matches(given, names, 1) if given not in ("", *words[: len(group)]) else []
    problem = f"unknown command {given!r}" if words[len(group[:1]) :] else "the command is missing"
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
    raise ValueError(f"{problem}: {hint} (see `crossjepa --help`)")


def _print_completion(words: list[str]) -> int:
    """Prints what makes a shell complete commands, options and their choices."""
    if len(words) != 1 or words[0] not in SHELLS:
        raise ValueError(f"--print-completion needs the name of a shell: {', '.join(SHELLS)}")
    from tyro.extras import SubcommandApp

    from crossjepa.cli.parsing import CONFIG

    app, groups = SubcommandApp(), dict[str, SubcommandApp]()
    for name, command in COMMANDS.items():
        group, _, verb = name.rpartition(" ")
        if group and group not in groups:
            groups[group] = SubcommandApp()
            app.command(groups[group], name=group)
        (groups[group] if group else app).command(name=verb, help=command.text)(load(name))
    try:
        app.cli(prog="crossjepa", args=["--tyro-print-completion", words[0]], config=CONFIG)
    except SystemExit as stop:
        return int(bool(stop.code)) * 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
