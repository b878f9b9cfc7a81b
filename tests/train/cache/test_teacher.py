"""The frozen teacher: which of its numbers are taken, and that it tells objects apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import constants
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from crossjepa.cli.main import main
from crossjepa.datasets import open_dataset
from crossjepa.train.cache.teacher import DEFAULT_TEACHER, Teacher
from crossjepa.train.render.views import RenderConfig, make_views
from tests.conftest import SAMPLES
from tests.helpers.teachers import REAL, small_teacher


def pictures(size: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)


def test_class_token_and_mean_patch_of_a_transformer(tmp_path: Path) -> None:
    path = small_teacher(tmp_path)
    model: Any = timm.create_model("test_vit", num_classes=0).eval()
    model.load_state_dict(load_file(path), strict=False)
    model.set_input_size(img_size=96)
    images = pictures(96)
    pixels = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    with torch.inference_mode():
        tokens = model.forward_features(pixels)
    expected = {"cls": tokens[:, 0], "patch": tokens[:, 1:].mean(dim=1)}
    expected["both"] = torch.cat([expected["cls"], expected["patch"]], dim=1)
    for embedding, wanted in expected.items():
        teacher = Teacher(path, 96, embedding=embedding)  # type: ignore[arg-type]
        found = teacher.embed(images)
        assert found.shape == (3, teacher.width)
        torch.testing.assert_close(found, wanted, atol=0.05, rtol=0.05)
    assert teacher.parts == {"cls": (0, 64), "patch": (64, 128)}


def test_convolutional_networks_have_one_embedding(tmp_path: Path) -> None:
    path = small_teacher(tmp_path, "test_efficientnet")
    images = pictures(64)
    cls, patch = (Teacher(path, 64, embedding=kind).embed(images) for kind in ("cls", "patch"))
    torch.testing.assert_close(cls, patch, atol=0.02, rtol=0.02)
    with pytest.raises(ValueError, match="no class token"):
        Teacher(path, 64, embedding="both")


def test_mean_and_maximum_of_the_last_two_blocks(tmp_path: Path) -> None:
    teacher = Teacher(small_teacher(tmp_path), 96, embedding="layers")
    seen: list[torch.Tensor] = []
    model: Any = teacher.model
    for block in model.blocks[-2:]:
        block.register_forward_hook(lambda _module, _inputs, output: seen.append(model.norm(output[:, 1:])))
    found = teacher.embed(pictures(96))
    expected = [part for tokens in seen for part in (tokens.mean(dim=1), tokens.amax(dim=1))]
    torch.testing.assert_close(found, torch.cat(expected, dim=1).float(), atol=0.02, rtol=0.02)
    assert teacher.parts == {"layers": (0, 4 * 64)}


def test_mean_and_maximum_of_the_last_two_resolutions(tmp_path: Path) -> None:
    teacher = Teacher(small_teacher(tmp_path, "test_efficientnet"), 64, embedding="layers")
    model: Any = teacher.model
    seen: list[torch.Tensor] = []
    for info in model.feature_info[-2:]:
        model.get_submodule(info["module"]).register_forward_hook(
            lambda _module, _inputs, output: seen.append(output.flatten(2))
        )
    found = teacher.embed(pictures(64))
    expected = [part for maps in seen for part in (maps.mean(dim=2), maps.amax(dim=2))]
    torch.testing.assert_close(found, torch.cat(expected, dim=1).float(), atol=0.02, rtol=0.02)


def test_facts_follow_the_weights(tmp_path: Path) -> None:
    path = small_teacher(tmp_path)
    facts = Teacher(path, 96).facts()
    assert facts == Teacher(path, 96).facts()
    weights = load_file(path)
    weights["norm.bias"] += 1e-3
    save_file(weights, path)
    assert Teacher(path, 96).facts() != facts


def test_unusable_teachers_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="vit_small"):
        Teacher(str(tmp_path / "vit_small.safetensors"))
    with pytest.raises(ValueError, match="no_such_model"):
        Teacher("no_such_model")
    save_file({"x": torch.zeros(1)}, tmp_path / "test_vit.safetensors")
    with pytest.raises(ValueError, match="test_vit"):
        Teacher(str(tmp_path / "test_vit.safetensors"))
    (tmp_path / "test_vit.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="test_vit"):
        Teacher(str(tmp_path / "test_vit.safetensors"))


@pytest.mark.parametrize(("size", "reason"), [(100, "divisible by patch size"), (7, "greater than 0")])
def test_sizes_that_a_teacher_does_not_take_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int, reason: str
) -> None:
    words = ["cache", str(SAMPLES), "-o", str(tmp_path / "cache"), "--teacher", small_teacher(tmp_path)]
    assert main([*words, "--size", str(size)]) == 2
    message = capsys.readouterr().err
    assert f"teacher test_vit cannot embed pictures of {size} x {size} pixels" in message
    assert reason in message
    assert len(message.splitlines()) == 1


def test_the_default_teacher_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert main(["cache", str(SAMPLES), "-o", str(tmp_path / "cache")]) == 2
    message = capsys.readouterr().err
    start = f"crossjepa: error: teacher {DEFAULT_TEACHER}: no weights from the Hugging Face Hub"
    assert message.startswith(start)
    assert f"/{DEFAULT_TEACHER}.safetensors" in message
    assert len(message.splitlines()) == 1
    assert main(["cache", "--help"]) == 0
    assert DEFAULT_TEACHER in capsys.readouterr().out


def test_the_real_teacher_tells_objects_apart(shared: Path) -> None:
    teacher = Teacher(str(shared / "teacher" / REAL), 128)
    folder, config = open_dataset([SAMPLES]), RenderConfig(image_size=128, stored_points=512)
    rows = [folder.names.index(name) for name in ("chair.obj", "horse.obj")]
    views = [make_views(folder[row], row, config).images_VHW3 for row in rows]
    embeddings = teacher.embed(np.concatenate(views)).numpy()
    centered = embeddings - embeddings.mean(axis=0)
    centered /= np.linalg.norm(centered, axis=1, keepdims=True)
    similarity = centered @ centered.T
    assert similarity[:8, :8].mean() > similarity[:8, 8:].mean() + 0.2
