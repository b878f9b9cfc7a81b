"""`crossjepa list` and `crossjepa info`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from crossjepa.io import Mesh, read
from crossjepa.model_files import WEIGHTS_NAME
from crossjepa.registry import CHECKPOINTS
from tests.cli.conftest import Run, only_error
from tests.conftest import SAMPLES
from tests.helpers.heads import CLASSES, with_head
from tests.helpers.tiny_weights import make_encoder, make_view_model, of_two_teachers


def test_list_is_a_table(run: Run) -> None:
    lines = run("list").out.splitlines()
    assert lines[0].split()[:4] == ["name", "parameters", "size", "feature"]
    assert [line.split()[0] for line in lines[1:]] == list(CHECKPOINTS)
    assert lines[1].split("  ")[1:] and "8.48M" in lines[1] and "0.9141" in lines[1]
    assert {line.find("apache-2.0") for line in lines[1:]} == {lines[0].find("license")}


def test_list_and_info_agree(run: Run) -> None:
    listed = run("list", "--json").json
    assert [facts["name"] for facts in listed] == list(CHECKPOINTS)
    for facts in listed:
        described = run("info", facts["name"]).json
        assert facts["parameters"] == described["parameters"]
        assert facts["feature_width"] == described["feature_width"]
        provenance = described["provenance"]
        assert facts["license"] == provenance["license"]
        assert facts["modelnet40_linear_svm"] == provenance["modelnet40_linear_svm"]
        assert facts["bytes"] >= (CHECKPOINTS[facts["name"]].folder / WEIGHTS_NAME).stat().st_size


def test_info_of_weights(run: Run) -> None:
    facts = run("info", "crossjepa-base").json
    assert facts["parameters"] == 8_476_032
    assert facts["processor"]["up_axis"] == "y"
    assert facts["similarity"] == {"objects": 2000}
    assert run("info", facts["folder"]).json["parameters"] == 8_476_032


def test_info_counts_without_loading_what_a_model_has(run: Run, tmp_path: Path) -> None:
    encoder = with_head(make_encoder(), CLASSES)
    encoder.save_pretrained(tmp_path)
    described = run("info", tmp_path).json
    assert described["parameters"] == sum(each.numel() for each in encoder.parameters())
    assert described["feature_width"] == encoder.embedding_width()
    tensors = load_file(tmp_path / WEIGHTS_NAME)
    save_file({**tensors, "norm.weight": torch.zeros(5)}, tmp_path / WEIGHTS_NAME)
    assert "norm.weight (5,), expected" in only_error(run("info", tmp_path))


def test_info_names_every_teacher(run: Run, tmp_path: Path) -> None:
    of_two_teachers(make_view_model()).save_pretrained(tmp_path)
    described = run("info", tmp_path).json["predictor"]
    assert described["teacher"] == "blobs + lumps"
    assert [teacher["width"] for teacher in described["teachers"]] == [6, 4]
    listed = {facts["name"]: facts["teacher"] for facts in run("list", "--json").json}
    assert listed["crossjepa-base"] == "tf_efficientnet_lite2"


def test_info_of_files(run: Run) -> None:
    described = run("info", SAMPLES / "chair.obj").json
    assert described["kind"] == "mesh"
    assert described["faces"] > 100
    assert "no such file" in only_error(run("info", "nothing.ply"))
    assert "no-such-model" in only_error(run("info", "no-such-model"))


def test_info_says_which_axis_is_up_and_doubts_it(run: Run, tmp_path: Path) -> None:
    printed = run("info", SAMPLES / "chair.obj")
    assert (printed.err, printed.json["up_axis"], printed.json["usual_up_axis"]) == ("", "y", "y")
    mesh = read(SAMPLES / "desk.obj")
    assert isinstance(mesh, Mesh)
    turn_33 = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    np.save(tmp_path / "tilted.npy", mesh.vertices_V3 @ turn_33.T)
    printed = run("info", tmp_path / "tilted.npy")
    assert printed.err.startswith(f"crossjepa: warning: {tmp_path}/tilted.npy: looks tilted with y up")
    assert printed.json["tilt_ratio"] > 1.35
    (tmp_path / "cloud.pts").write_text("3\n0 0 0\n0 1 0\n1 0 2\n")
    printed = run("info", tmp_path / "cloud.pts")
    assert "scanners and maps have z up: if the shape lies on its side, give --up-axis z" in printed.err
    assert run("info", tmp_path / "cloud.pts", "--up-axis", "z").json["up_axis"] == "z"
