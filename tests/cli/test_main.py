"""All commands alike: help, errors in one style, exit codes, completion."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from tyro.conf import Positional

from crossjepa._version import __version__
from crossjepa.cli.main import COMMANDS, SHELLS, load
from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES

DEFAULTS = re.compile(r"\((default|required)[^)]*\)*")


def option_names(function: Any) -> Iterator[str]:
    """Names of a function's parameters; of a parameter that is a dataclass, those of its fields."""
    for name, kind in get_type_hints(function).items():
        if dataclasses.is_dataclass(kind):
            yield from option_names(kind)
        elif name != "return":
            yield name


def entries(help: str) -> dict[str, str]:
    """The text of every option and positional argument in a help text, by its names."""
    found: dict[str, str] = {}
    names, is_positional = "", False
    for line in help.splitlines()[1:]:
        inside = line.strip("╭─╮│╰╯ ") if line[:1] in "╭╰" else line.strip("│").rstrip()
        if not inside.strip("- "):
            continue
        if not inside.startswith("  "):
            names, is_positional = "", "positional" in inside
        elif inside.startswith("   "):
            found[names] += " " + inside.strip()
        elif is_positional or inside.strip().startswith("-h") or re.match(" +--?[a-z]", inside):
            names, _, text = inside.strip().partition("  ")
            found[names] = text
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_option_with_a_text(name: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    printed = run(*name.split(), "--help")
    assert (printed.code, printed.err) == (0, "")
    assert printed.out.startswith(f"usage: crossjepa {name} ")
    function = load(name).func
    listed = entries(printed.out)
    for names, text in listed.items():
        assert DEFAULTS.sub("", text).strip(" ."), f"{names} has no text"
    flags = {flag for names in listed for flag in re.findall(r"(?<!\S)--[a-z0-9-]+", names)}
    missing = [option for option in option_names(function) if "--" + option.replace("_", "-") not in flags]
    kinds = get_type_hints(function, include_extras=True)
    assert missing == [option for option in missing if Positional in get_args(kinds.get(option))]
    assert len(listed) - len([names for names in listed if names.startswith("-")]) == len(missing)
    assert "(default: None)" not in printed.out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_help_says(name: str, run: Run) -> None:
    first = (load(name).func.__doc__ or "").splitlines()[0]
    assert COMMANDS[name].text == first.rstrip(".")
    for words in (["--help"], ["-h"]):
        assert re.search(rf"^  {name} +{re.escape(COMMANDS[name].text)}$", run(*words).out, re.MULTILINE)


def test_the_help_says_what_exit_codes_mean(run: Run) -> None:
    assert re.findall(r"^  (\d+) ", run("--help").out, re.MULTILINE) == ["0", "1", "2", "130", "141"]


def test_help_of_a_group(run: Run) -> None:
    printed = run("data", "--help")
    assert printed.code == 0
    assert "data check-renderings" in printed.out
    assert "pretrain " not in printed.out


@pytest.mark.parametrize("name", ["", "data", "encode"])
def test_help_is_a_word_too(name: str, run: Run) -> None:
    assert run("help", *name.split()) == run(*name.split(), "--help")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = [sys.executable, "-m", "crossjepa", "--help"]
    env = {**os.environ, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_names_that_the_terminal_cannot_show(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "chair.obj", tmp_path / "椅子.obj")
    command = [sys.executable, "-m", "crossjepa", "encode", "椅子.obj", "-o", "特徴.npz"]
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "\\u7279\\u5fb4.npz: features of 1 files from crossjepa-base\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the command is missing: known are encode, list, info, data list"),
        (["enocde"], "unknown command 'enocde': did you mean 'encode'?"),
        (["data"], "the command is missing: known are data list, data check, data check-renderings"),
        (["data", "chek"], "unknown command 'data chek': did you mean 'data check'?"),
        (["--vresion"], "unknown command '--vresion'"),
        (
            ["encode", "x", "-o", "x.npz", "--pol", "max"],
            "unrecognized options: --pol, max; perhaps you meant",
        ),
        (["encode", "x", "-o", "x.npz", "--pool", "sum"], "invalid choice 'sum' for argument '--pool'"),
        (["encode", "x", "-o", "x.npz", "--up-axis", "None"], "Expected one of ('x', 'y', 'z')"),
        (["encode", "x", "-o", "x.npz", "--batch-size", "few"], "--batch-size: invalid literal for int()"),
        (["encode", "x", "-o"], "missing value for argument '-o/--output'"),
        (["encode", "x"], "missing from crossjepa encode: -o PATH, --output PATH"),
        (["encode", "-o", "x.npz"], "give at least one FILE-or-FOLDER"),
        (
            ["list", "a " + "/long" * 50],
            f"unrecognized options: a {'/long' * 50} (see `crossjepa list --help`)",
        ),
        (["--print-completion"], "needs the name of a shell: bash, zsh"),
        (["--print-completion", "cmd"], "needs the name of a shell: bash, zsh"),
    ],
)
def test_wrong_command_lines_get_one_line(run: Run, words: list[str], message: str) -> None:
    assert message in only_error(run(*words))


@pytest.mark.parametrize(
    "words",
    [
        ["encode", SAMPLES, "-o", "x.npz"],
        ["predict", SAMPLES, "-m", "crossjepa-base"],
        ["eval", "knn", SAMPLES],
        ["render", SAMPLES, "-o", "views"],
        ["cache", SAMPLES, "-o", "cache"],
        ["finetune", SAMPLES, "-o", "model"],
        ["pretrain", "-o", "run"],
        ["pretrain", "--dry-run", "--objects", "9"],
    ],
)
@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_devices_that_are_not_there(
    run: Run, words: list[str | Path], device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    message = only_error(run(*words, "--device", device))
    assert message.startswith(f"device '{device}' cannot be used: ")
    assert not list(tmp_path.iterdir())


def test_errors_of_the_system_name_the_file(run: Run, tmp_path: Path) -> None:
    facts = tmp_path / "facts.json"
    words = ["export", tmp_path, "-o", tmp_path / "weights", "--provenance", facts]
    assert only_error(run(*words)) == f"{facts}: No such file or directory"


def test_missing_extras_are_errors_of_the_user(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert "shtab" in only_error(run("--print-completion", "tcsh"))


def test_bugs_keep_their_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossjepa.registry.Checkpoint.folder", property(lambda self: 1 + "2"))  # type: ignore
    with pytest.raises(TypeError):
        run("list")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
def test_an_interruption_is_one_line_and_130(run: Run, tmp_path: Path) -> None:
    for number in range(300):
        shutil.copy(SAMPLES / "chair.obj", tmp_path / f"{number}.obj")
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        printed = run("encode", tmp_path, "-o", tmp_path / "out.npz", "--quiet")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert printed == (130, "", "crossjepa: error: interrupted: the same command starts again\n")
    assert not (tmp_path / "out.npz").exists()


def test_an_error_of_a_process_has_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "crossjepa", "info", "no-such-model"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("crossjepa: error: no-such-model: ")
    assert result.stderr.count("\n") == 1


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"crossjepa {__version__}\n", "")


@pytest.mark.parametrize("shell", SHELLS[:3])
def test_completion_knows_commands_options_and_choices(run: Run, shell: str) -> None:
    printed = run("--print-completion", shell)
    assert (printed.code, printed.err) == (0, "")
    for word in ("encode", "check-renderings", "per-point", "max+mean", "learning-rate", "layer-decay"):
        assert word in printed.out


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_bash_completes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "completion").write_text(run("--print-completion", "bash").out)
    script = f"""source {tmp_path}/completion
    complete=$(complete -p crossjepa | sed 's/.*-F \\([^ ]*\\).*/\\1/')
    COMP_WORDS=(crossjepa encode --po); COMP_CWORD=2; $complete crossjepa --po encode
    echo ${{COMPREPLY[@]}}
    COMP_WORDS=(crossjepa encode --pool ''); COMP_CWORD=3; $complete crossjepa '' --pool
    echo ${{COMPREPLY[@]}}"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.splitlines() == ["--pool", "max mean max+mean"]
