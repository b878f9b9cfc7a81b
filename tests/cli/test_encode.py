"""`crossjepa encode`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from crossjepa import CrossJEPAEncoder, read_features
from crossjepa.io import Mesh, read
from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES
from tests.helpers.corpus import write_broken_files, write_mixed_meshes


def sample_meshes() -> list[Mesh]:
    shapes = [read(path) for path in sorted(SAMPLES.glob("*.obj"))]
    return [shape for shape in shapes if isinstance(shape, Mesh)]


def test_folder_to_npz(base: CrossJEPAEncoder, run: Run, tmp_path: Path) -> None:
    result = run("encode", SAMPLES, "-o", tmp_path / "out.npz")
    assert result.code == 0, result.err
    files = sorted(SAMPLES.glob("*.obj"))
    with np.load(tmp_path / "out.npz") as archive:
        assert archive["files"].tolist() == [str(path) for path in files]
        np.testing.assert_allclose(archive["features"], base.encode(files), atol=1e-4)


def test_options_and_safetensors(base: CrossJEPAEncoder, run: Run, tmp_path: Path) -> None:
    chair = SAMPLES / "chair.obj"
    output = tmp_path / "out.safetensors"
    result = run("encode", chair, "-o", output, "--pool", "max", "--up-axis", "z", "--batch-size", "1")
    assert result.code == 0, result.err
    np.testing.assert_allclose(
        load_file(output)["features"][0], base.encode(chair, pool="max", up_axis="z"), atol=1e-4
    )
    with safe_open(output, framework="np") as file:
        assert json.loads(file.metadata()["files"]) == [str(chair)]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_integers_are_the_features_with_a_factor(run: Run, tmp_path: Path, suffix: str) -> None:
    chair, found = SAMPLES / "chair.obj", []
    for precision in ("float32", "int8"):
        output = tmp_path / f"{precision}{suffix}"
        result = run("encode", chair, "-o", output, "--precision", precision)
        assert result.code == 0, result.err
        found.append(dict(np.load(output)) if suffix == ".npz" else load_file(output))
    exact, rounded = found
    assert rounded["features"].dtype == np.int8
    restored_nE = rounded["features"] * rounded["scales"][:, None]
    np.testing.assert_allclose(restored_nE, exact["features"], atol=0.51 * float(rounded["scales"][0]))
    refused = run("encode", chair, "-o", output, "--precision", "int8", "--per-point")
    assert "--precision int8 is for one feature per file" in only_error(refused)


def test_outliers_are_removed_on_request(tiny: CrossJEPAEncoder, run: Run, tmp_path: Path) -> None:
    points_N3 = np.random.default_rng(0).normal(size=(200, 3))
    points_N3 /= np.linalg.norm(points_N3, axis=1, keepdims=True)
    points_N3[7] = 30
    np.save(tmp_path / "stray.npy", points_N3)
    tiny.save_pretrained(tmp_path / "tiny")
    found = []
    for options in ((), ("--outliers", "keep"), ("--outliers", "remove")):
        output = tmp_path / "out.npz"
        assert (
            run("encode", tmp_path / "stray.npy", "-m", tmp_path / "tiny", "-o", output, *options).code == 0
        )
        with np.load(output) as archive:
            found.append(archive["features"][0])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[2], tiny.encode(np.delete(points_N3, 7, axis=0)), atol=1e-4)
    assert np.abs(found[2] - found[0]).max() > 1e-3


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_per_point(base: CrossJEPAEncoder, run: Run, tmp_path: Path, suffix: str) -> None:
    chair, horse = SAMPLES / "chair.obj", SAMPLES / "horse.obj"
    output = tmp_path / f"out{suffix}"
    assert run("encode", chair, horse, "--per-point", "-o", output).code == 0
    arrays = dict(np.load(output)) if suffix == ".npz" else load_file(output)
    assert set(arrays) == {str(chair), str(horse)}
    np.testing.assert_allclose(arrays[str(horse)], base.encode_points(horse), atol=1e-4)


def test_bad_files_are_reported_and_the_rest_is_written(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    good = write_mixed_meshes(folder, sample_meshes() * 3)
    (folder / "broken").mkdir()
    broken = write_broken_files(folder / "broken")
    result = run("encode", folder, "-o", tmp_path / "out.npz")
    assert result.code == 1
    with np.load(tmp_path / "out.npz") as archive:
        assert set(archive["files"].tolist()) == {str(path) for path in good}
        assert np.isfinite(archive["features"]).all()
    assert result.err.count("skipped") == len(broken) == 10
    for path, word in broken.items():
        line = next(line for line in result.err.splitlines() if path.name in line)
        assert word in line


def test_json_says_what_was_written(run: Run, tmp_path: Path) -> None:
    chair, output = SAMPLES / "chair.obj", tmp_path / "out.npz"
    (tmp_path / "bad.off").write_text("OFF\n3 1 0\n")
    printed = run("encode", chair, tmp_path / "bad.off", "-o", output, "--json", "--quiet")
    assert printed.code == 1
    summary = printed.json
    (skipped,) = summary.pop("skipped")
    assert skipped["file"] == str(tmp_path / "bad.off")
    assert printed.err == f"crossjepa: skipped {skipped['file']}: {skipped['reason']}\n"
    assert summary == {
        "output": str(output),
        "model": "crossjepa-base",
        "per_point": False,
        "feature_width": 576,
        "files": [str(chair)],
        "left_out": [],
    }
    assert run("encode", chair, "-o", output, "--per-point", "--json").json["feature_width"] == 288


def test_what_is_left_out_of_folders_is_said(run: Run, tmp_path: Path) -> None:
    folder, output = tmp_path / "shapes", tmp_path / "shapes" / "out.npz"
    (folder / "linked").mkdir(parents=True)
    shutil.copy(SAMPLES / "chair.obj", folder / "linked")
    (folder / "again").symlink_to(folder, target_is_directory=True)
    (folder / "scene.fbx").write_bytes(b"Kaydara")
    (folder / "license.txt").write_text("You may use it.\nAt your own risk.\n")
    first = run("encode", folder, "-o", output)
    assert first.code == 0
    assert first.err == (
        f"crossjepa: left out {folder}: {folder}/license.txt: "
        "line 1: 'You may use it.' is not a line of numbers\n"
        f"crossjepa: left out {folder}: 1 file of other formats: 1 .fbx\n"
    )
    # Neither is the output of a command its next input, nor what other calls wrote.
    assert run("encode", folder, "-o", output, "--quiet") == (0, "", "")
    assert np.load(output)["files"].tolist() == [str(folder / "linked" / "chair.obj")]
    again = run("encode", folder, "-o", tmp_path / "other.npz", "--json")
    assert again.json["files"] == [str(folder / "linked" / "chair.obj")]
    assert f"{output}: features or predictions of crossjepa" in again.json["left_out"][1]
    assert run("encode", folder, "-o", output, "--per-point").code == 0
    assert run("encode", folder, "-o", tmp_path / "other.npz", "--json").json["files"] == again.json["files"]


def test_warnings_are_one_line(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.vstack([np.eye(3), [[np.nan] * 3]]))
    printed = run("encode", tmp_path / "a.npy", "-o", tmp_path / "out.npz")
    assert printed.code == 0
    reason = "1 of 4 points are not finite and were left out"
    assert printed.err == f"crossjepa: warning: {tmp_path}/a.npy: {reason}\n"


def test_quiet_prints_nothing(run: Run, tmp_path: Path) -> None:
    chair, output = SAMPLES / "chair.obj", tmp_path / "out.npz"
    assert run("encode", chair, "-o", output) == (
        0,
        f"{output}: features of 1 files from crossjepa-base\n",
        "",
    )
    assert run("encode", chair, "-o", output, "--quiet") == (0, "", "")


def test_nothing_is_written_if_all_files_are_bad(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.off").write_text("OFF\n3 1 0\n")
    printed = run("encode", tmp_path, "-o", tmp_path / "out.npz")
    assert (printed.code, printed.out) == (2, "")
    skipped, error = printed.err.splitlines()
    assert skipped.startswith(f"crossjepa: skipped {tmp_path}/bad.off: ")
    assert error.startswith("crossjepa: error: nothing was written")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.off"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("encode", str(SAMPLES), "-o", "{tmp}/out.txt"), "out.txt"),
        (("encode", str(SAMPLES), "-o", "{tmp}/no/out.npz"), "folder"),
        (("encode", str(SAMPLES), "-o", "{tmp}/out/", "--per-point"), "--per-point writes a file"),
        (("encode", str(SAMPLES), "-o", "{tmp}/out.npz", "--workers", "-1"), "workers must be at least 0"),
        (("encode", "{tmp}", "-o", "{tmp}/out.npz"), "no point cloud"),
        (("encode", str(SAMPLES), "-o", "{tmp}/out.npz", "-m", "no-such-model"), "crossjepa-base"),
        (("encode", str(SAMPLES), "-o", "{tmp}/out.npz", "--batch-size", "0"), "batch size"),
    ],
)
def test_mistakes_are_explained_in_one_line(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], word: str
) -> None:
    assert word in only_error(run(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments)))
    assert not list(tmp_path.iterdir())


def test_a_folder_of_shards(base: CrossJEPAEncoder, run: Run, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")
    chair, bad = SAMPLES / "chair.obj", tmp_path / "bad.off"
    bad.write_text("OFF\n3 1 0\n")
    (tmp_path / "existing.d").mkdir()
    for output in ("new", "slash.npz/", "existing.d"):
        printed = run("encode", chair, bad, "-o", f"{tmp_path}/{output}", "--shard-size", "1", "--json")
        assert printed.code == 1
        assert printed.err.startswith(f"crossjepa: skipped {bad}: ")
        summary = printed.json
        assert summary.pop("seconds") > 0 and summary.pop("clouds_per_second") > 0
        counts = {"files": 2, "failures": 1, "resumed": 0, "left_out": []}
        model = {"output": str(tmp_path / output), "model": "crossjepa-base", "feature_width": 576}
        assert summary == {**model, **counts}
        names, features, errors = read_features(tmp_path / output)
        assert names == [str(chair), str(bad)]
        np.testing.assert_allclose(features[0], base.encode(chair), atol=1e-4)
        assert errors[0] is None and f"{bad}: {errors[1]}\n" in printed.err
    again = run("encode", chair, bad, "-o", tmp_path / "new", "--quiet")
    assert again == (1, "", "")
    refused = run("encode", chair, bad, "-o", tmp_path / "new", "--pool", "max")
    assert "holds features of another recipe (pool: max+mean, not max)" in only_error(refused)
