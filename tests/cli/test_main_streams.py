"""What commands write is there whoever reads what they print, and whatever names files and classes have."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from crossjepa import CrossJEPAEncoder, HeadConfig
from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES
from tests.helpers.tiny_weights import make_encoder

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX has these pipes, signals and names")
CLASSES = ("椅子", "лампа", "Tür")
STRANGE = os.fsdecode(b"caf\xe9.obj")  # Latin-1, not UTF-8


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny model whose classes have names in three scripts."""
    encoder = make_encoder()
    encoder.reset_classifier(HeadConfig("classification", CLASSES, hidden=0))
    encoder.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def start(words: list[object], **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "crossjepa", *map(os.fspath, words)]  # type: ignore[arg-type]
    return subprocess.Popen(command, **options)  # type: ignore[call-overload, no-any-return]


def commands(folder: Path, model: Path) -> dict[str, tuple[list[object], list[str]]]:
    """Commands over a good and a bad file, and what they write."""
    (folder / "bad.off").write_text("OFF\n3 1 0\n")
    files: list[object] = [SAMPLES / "chair.obj", folder / "bad.off"]
    small: list[object] = ["--size", "32", "--points", "64", "--device", "cpu"]
    return {
        "encode": (["encode", *files, "-m", model, "-o", folder / "out.npz"], ["out.npz"]),
        "predict": (["predict", *files, "-m", model, "-o", folder / "out.npz"], ["out.npz"]),
        "render": (
            ["render", *files, "-o", folder / "views", "--preview", folder / "all.png", *small],
            ["all.png", "views/chair/views.json"],
        ),
    }


@pytest.mark.slow
@posix
@pytest.mark.parametrize("name", ["encode", "predict", "render"])
@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_outputs_are_written_although_nobody_reads_what_is_printed(
    tmp_path: Path, model: Path, name: str, closed: str
) -> None:
    words, written = commands(tmp_path, model)[name]
    reader, writer = os.pipe()
    os.close(reader)
    process = start(words, **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, closed: writer})
    os.close(writer)
    assert process.wait() == (141 if closed == "stdout" else 1)
    assert [file for file in written if not (tmp_path / file).is_file()] == []


@pytest.mark.slow
def test_names_of_classes_on_a_code_page_that_lacks_them(tmp_path: Path, model: Path) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    words: list[object] = ["predict", SAMPLES / "chair.obj", "-m", model, "-o", tmp_path / "out.npz"]
    for more in ([], ["--json"]):
        process = start([*words, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        out, err = process.communicate()
        assert (process.returncode, err) == (0, b"")
        printed = out.decode("cp1252")
        if more:
            assert set(json.loads(printed)[0]["probabilities"]) == set(CLASSES)
        else:
            label = printed.split("\t")[1]
            assert label in [name.encode("cp1252", "backslashreplace").decode("cp1252") for name in CLASSES]
    with np.load(tmp_path / "out.npz") as archive:
        assert tuple(archive["classes"]) == CLASSES


@pytest.mark.slow
@posix
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("options", [[], ["--per-point"], ["--json"]])
def test_names_of_files_that_are_not_utf8(tmp_path: Path, suffix: str, options: list[str]) -> None:
    make_encoder().save_pretrained(tmp_path / "model")
    path, output = tmp_path / STRANGE, tmp_path / f"out{suffix}"
    shutil.copy(SAMPLES / "chair.obj", path)
    (tmp_path / os.fsdecode(b"b\xe4d.off")).write_text("OFF\n")
    words: list[object] = ["encode", path, tmp_path / os.fsdecode(b"b\xe4d.off"), "-o", output]
    process = start(
        [*words, "-m", tmp_path / "model", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = process.communicate()
    assert process.returncode == 1
    assert err.startswith(b"crossjepa: skipped ") and b"b?d.off: " in err
    if "--json" in options:
        assert json.loads(out)["files"] == [str(path)]
    if suffix == ".npz":
        with np.load(output) as archive:
            names = list(archive) if "--per-point" in options else archive["files"].tolist()
    else:
        with safe_open(output, "np") as file:
            names = list(file.keys()) if "--per-point" in options else json.loads(file.metadata()["files"])
    escaped = str(path).encode("utf-8", "backslashreplace").decode()
    assert names == [escaped if "--per-point" in options else str(path)]


@posix
def test_folders_whose_names_are_not_utf8(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"mod\xe8le")
    encoder = make_encoder()
    encoder.reset_classifier(HeadConfig("classification", ("a", os.fsdecode(b"\xe9")), hidden=0))
    encoder.save_pretrained(folder)
    assert CrossJEPAEncoder.from_pretrained(folder).classes == encoder.classes
    printed = run("predict", SAMPLES / "chair.obj", "-m", folder, "-o", folder / "out.npz")
    assert (printed.code, printed.err) == (0, "")


@posix
@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "sign", "reason"),
    [
        (["render", *[str(SAMPLES)] * 9, "-o", "out"], "out", "the same command continues where it stopped"),
        (["encode", *[str(SAMPLES)] * 99, "-o", "out.npz"], "", "the same command starts again"),
    ],
)
def test_ctrl_c_is_one_line_that_says_whether_work_is_lost(
    tmp_path: Path, words: list[str], sign: str, reason: str
) -> None:
    process = start(
        [*words, "--quiet", "--device", "cpu"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    for _ in range(600):  # until it works
        if sign and (tmp_path / sign).exists():
            break
        time.sleep(0.02)
        if not sign and "libtorch_cpu" in Path(f"/proc/{process.pid}/maps").read_text():
            break
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert err.decode() == f"crossjepa: error: interrupted: {reason}\n"


def test_nothing_is_said_to_be_written_if_nothing_was(run: Run, tmp_path: Path, model: Path) -> None:
    for name, (words, written) in commands(tmp_path, model).items():
        bad = [word for word in words if word != SAMPLES / "chair.obj"]
        printed = run(*bad)
        lines = printed.err.splitlines()
        assert (printed.code, printed.out, len(lines)) == (2, "", 2), name
        assert lines[1] == "crossjepa: error: nothing was written: none of the 1 inputs could be used"
        assert [file for file in written if (tmp_path / file).exists()] == []


def test_too_little_memory_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 4.00 TiB")

    monkeypatch.setattr("crossjepa.cli.info.align", too_much)
    assert only_error(run("list")) == "out of memory Unable to allocate 4.00 TiB"
