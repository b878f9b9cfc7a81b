"""`crossjepa cache` and `crossjepa cache-info`."""

from __future__ import annotations

from pathlib import Path

from crossjepa.train.cache import open_cache
from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES
from tests.helpers.teachers import small_teacher


def words(tmp_path: Path, *data: Path) -> list[str | Path]:
    """A command that makes a small cache."""
    small = ["--rig", "mvcnn12", "--size", "32", "--points", "64", "--workers", "1", "--device", "cpu"]
    teacher = small_teacher(tmp_path)
    return ["cache", *data, "-o", tmp_path / "cache", "--teacher", teacher, "--no-progress", *small]


def test_a_cache_is_made_and_verified(run: Run, tmp_path: Path) -> None:
    command = words(tmp_path, SAMPLES / "chair.obj", SAMPLES / "horse.obj")
    printed = run(*command, "--embedding", "both")
    assert (printed.code, printed.err) == (0, "")
    assert printed.out == f"{tmp_path}/cache: 2 objects, 12 views each, 128 numbers per view\n"
    assert run(*command, "--embedding", "both", "--quiet") == (0, "", "")
    facts = {"output": f"{tmp_path}/cache", "objects": 2, "views": 12, "width": 128, "left_out": []}
    assert run(*command, "--embedding", "both", "--json").json == facts
    assert "another recipe" in only_error(run(*command, "--embedding", "cls"))

    report = run("cache-info", tmp_path / "cache", "--json")
    assert (report.code, report.json["objects"], report.json["problems"]) == (0, 2, [])
    assert "objects: 2" in run("cache-info", tmp_path / "cache").out
    with (tmp_path / "cache" / "poses.npy").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\0\0\0\0")
    report = run("cache-info", tmp_path / "cache", "--json")
    assert report.code == 1
    assert any("poses.npy" in problem for problem in report.json["problems"])
    assert f"crossjepa: {tmp_path}/cache: " in report.err


def test_several_teachers_make_one_cache(run: Run, tmp_path: Path) -> None:
    command = words(tmp_path, SAMPLES / "chair.obj")
    more = ["--teacher", small_teacher(tmp_path, "test_efficientnet")]
    printed = run(*command, *more, "--embedding", "both", "--embedding", "cls")
    assert (printed.code, printed.err) == (0, "")
    cache = open_cache(tmp_path / "cache")
    assert [(teacher.name, teacher.embedding) for teacher in cache.teachers] == [
        ("test_vit", "both"),
        ("test_efficientnet", "cls"),
    ]
    assert f"{cache.width} numbers per view" in printed.out
    assert "test_efficientnet" in run("cache-info", tmp_path / "cache").out
    three = [*command, *more, *["--embedding", "cls"] * 3]
    assert "3 embeddings for 2 teachers" in only_error(run(*three))
    assert "test_vit is given twice" in only_error(run(*command, *command[4:6]))


def test_dense_targets_are_kept_on_demand(run: Run, tmp_path: Path) -> None:
    command = words(tmp_path, SAMPLES / "chair.obj", SAMPLES / "horse.obj")
    assert "--dense-basis is of use only with --dense" in only_error(run(*command, "--dense-basis", tmp_path))
    assert run(*command, "--dense", "20", "--dense-channels", "4", "--quiet") == (0, "", "")
    report = run("cache-info", tmp_path / "cache", "--json")
    assert report.json["dense"] == {"points": 20, "channels": 4}
    command[command.index("-o") + 1] = tmp_path / "other"
    basis = ["--dense", "10", "--dense-channels", "4", "--dense-basis", tmp_path / "cache"]
    assert run(*command, *basis, "--quiet") == (0, "", "")
    files = [tmp_path / name / "dense_basis.npy" for name in ("cache", "other")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_bad_objects_are_left_out_only_on_demand(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.off").write_text("OFF\n3 1 0\n")
    command = words(tmp_path, SAMPLES / "chair.obj", tmp_path / "bad.off")
    printed = run(*command)
    assert (printed.code, printed.out) == (2, "")
    assert "1 of 2 objects cannot be used" in printed.err
    printed = run(*command, "--skip-bad")
    assert printed.code == 1
    assert printed.err.startswith("crossjepa: skipped ")
    assert "bad" in printed.err
    assert len(open_cache(tmp_path / "cache")) == 1


def test_mistakes_are_explained(run: Run, tmp_path: Path) -> None:
    command = words(tmp_path)
    assert "give at least one DATA" in only_error(run(*command))
    assert "no such file or folder" in only_error(run(*command, tmp_path / "nothing"))
    assert "no cache" in only_error(run("cache-info", tmp_path))


def test_caches_of_two_teachers_are_joined(run: Run, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    command = words(tmp_path / "first", SAMPLES / "chair.obj", SAMPLES / "horse.obj")
    assert run(*command, "--quiet").code == 0
    (tmp_path / "second").mkdir()
    other = small_teacher(tmp_path, "test_efficientnet")
    command = words(tmp_path / "second", SAMPLES / "chair.obj", SAMPLES / "horse.obj")
    command[command.index("--teacher") + 1] = other
    assert run(*command, "--quiet").code == 0
    caches = (tmp_path / "first" / "cache", tmp_path / "second" / "cache")
    join = ["cache", "--join", *caches, "-o", tmp_path / "both"]
    printed = run(*join)
    assert (printed.code, printed.err) == (0, "")
    joined = open_cache(tmp_path / "both")
    assert printed.out == f"{tmp_path}/both: 2 objects, 12 views each, {joined.width} numbers per view\n"
    assert [teacher.name for teacher in joined.teachers] == ["test_vit", "test_efficientnet"]
    assert "omit --teacher and --embedding" in only_error(run(*join, "--embedding", "cls"))
    assert "test_vit is given twice" in only_error(
        run("cache", "--join", caches[0], caches[0], "-o", tmp_path / "other")
    )
