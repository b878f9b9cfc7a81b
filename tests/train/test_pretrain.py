"""The pretraining path: cache, loop, resume, export."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from crossjepa import CrossJEPAEncoder
from crossjepa.config import PredictorConfig
from crossjepa.models.conditioning import pose_features
from crossjepa.models.predictor import ViewPredictor
from crossjepa.train.augment import augment, draw_points
from crossjepa.train.cache import Cache, finish_cache, open_cache, partial_folder, start_cache
from crossjepa.train.export import export, record
from crossjepa.train.pretrain import PretrainConfig, encoder_config_at, learning_rate, pretrain
from crossjepa.train.render import View, render_mesh

OBJECTS, VIEWS, WIDTH = 24, 4, 16
CONFIG = PretrainConfig(
    size="crossjepa-test",
    steps=12,
    batch_size=8,
    views_per_step=2,
    warmup_steps=2,
    predictor_depth=1,
    few_points=32,
)


def make_cache(folder: Path) -> Cache:
    """A small cache whose embeddings depend on the shapes, so that there is something to learn."""
    generator = np.random.default_rng(0)
    names = [f"object {number}" for number in range(OBJECTS)]
    start_cache(folder, names, {"made": "by a test"}, views=VIEWS, points=256, width=WIDTH)
    cache = open_cache(partial_folder(folder), writable=True)
    for row in range(OBJECTS):
        stretch = generator.uniform(0.2, 1, 3)
        points = generator.normal(size=(256, 3)) * stretch
        poses = np.stack([generator.uniform(0, 360, VIEWS), generator.uniform(0, 40, VIEWS)], axis=1)
        poses = np.concatenate([poses, np.zeros((VIEWS, 1)), np.full((VIEWS, 2), 3.0)], axis=1)
        embeddings = np.tile(np.resize(stretch, WIDTH), (VIEWS, 1)) + 0.01 * generator.normal(
            size=(VIEWS, WIDTH)
        )
        histograms = np.full((VIEWS, 48), 1 / 16)
        cache.write_row(row, embeddings, poses, histograms, points / np.linalg.norm(points, axis=1).max())
    return finish_cache(folder)


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache") / "cache"
    make_cache(folder)
    return folder


def test_base_predictor_makes_the_reconstructed_total() -> None:
    predictor = ViewPredictor(PredictorConfig(), encoder_width=288)
    encoder_parameters = 8_476_032
    total = encoder_parameters + sum(parameter.numel() for parameter in predictor.parameters())
    assert round(total / 1e6, 1) == 14.1


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("conditioning", ["both", "pose", "histogram", "none"])
def test_predictor_uses_what_it_is_told_and_keeps_views_apart(joint: bool, conditioning: str) -> None:
    torch.manual_seed(0)
    config = PredictorConfig(24, 2, 2, WIDTH, conditioning, joint_attention=joint)  # type: ignore[arg-type]
    predictor = ViewPredictor(config, encoder_width=12)
    tokens, pose, histogram = torch.randn(3, 5, 12), torch.randn(3, 4, 3), torch.rand(3, 4, 48)
    predicted_BVD = predictor(tokens, pose, histogram)
    assert predicted_BVD.shape == (3, 4, WIDTH)
    alone = predictor(tokens, pose[:, 1:2], histogram[:, 1:2])
    torch.testing.assert_close(predicted_BVD[:, 1:2], alone)
    for used, other in (
        ("pose", predictor(tokens, pose + 1, histogram)),
        ("histogram", predictor(tokens, pose, histogram.flip(-1))),
    ):
        changed = not torch.allclose(other, predicted_BVD, atol=1e-7)
        assert changed == (conditioning in ("both", used))


def test_azimuth_is_periodic() -> None:
    pose = torch.tensor([[[0.3, 0.2, 2.9]]])
    turned = pose + torch.tensor([2 * math.pi, 0, 0])
    torch.testing.assert_close(pose_features(pose, 8), pose_features(turned, 8), atol=1e-4, rtol=0)


def test_augmentation_keeps_the_pose_true() -> None:
    """The turned and mirrored mesh, seen from the new azimuth, gives the old image or its mirror image."""
    generator = np.random.default_rng(0)
    vertices = generator.normal(size=(30, 3)) * 0.3
    vertices -= vertices.mean(axis=0)
    vertices /= np.linalg.norm(vertices, axis=1).max()
    faces = generator.integers(0, 30, (20, 3))
    matched = set()
    for seed in range(6):
        points_1N3, azimuth = torch.from_numpy(vertices).float().unsqueeze(0), torch.tensor([[0.7]])
        turned, changed = augment(points_1N3, azimuth, torch.Generator().manual_seed(seed), 0.0, 0.0)
        before = render_mesh(vertices, faces, [View(math.degrees(0.7), 20)], size=64)[0].astype(int)
        view = View(math.degrees(float(changed)), 20)
        after = render_mesh(turned[0].double().numpy(), faces, [view], size=64)[0].astype(int)
        # The key light comes from one side, so mirrored images are compared by their silhouettes.
        for name, image in (("same", before), ("mirrored", before[:, ::-1])):
            if ((image < 255) == (after < 255)).mean() > 0.995:
                matched.add(name)
                break
        else:
            pytest.fail(f"seed {seed}: the pose is not true")
    assert matched == {"same", "mirrored"}


def test_drawn_points_come_from_those_stored() -> None:
    stored = torch.randn(2, 100, 3)
    for probability in (0.0, 1.0):
        drawn = draw_points(stored, 20, torch.Generator().manual_seed(0), probability)
        assert drawn.shape == (2, 20, 3)
        assert (drawn[:, :, None] == stored[:, None]).all(dim=-1).any(dim=-1).all()


def test_schedule_and_sizes() -> None:
    config = PretrainConfig(steps=100, warmup_steps=10, learning_rate=1.0, few_share=0.5)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[0] == 0.1
    assert max(rates) == 1.0
    assert rates[-1] < 0.01
    assert rates[10:] == sorted(rates[10:], reverse=True)
    small, full = encoder_config_at(config, 49), encoder_config_at(config, 50)
    assert (small.num_points, small.num_groups, small.group_size) == (512, 32, 16)
    assert (full.num_points, full.num_groups, full.group_size) == (1024, 64, 32)


def test_loss_falls(cache_folder: Path, tmp_path: Path) -> None:
    pretrain(str(cache_folder), str(tmp_path), replace(CONFIG, steps=240, learning_rate=3e-3), log_every=40)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.7 * losses[0]


def test_resumed_equals_uninterrupted_to_the_bit(cache_folder: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    pretrain(str(cache_folder), str(whole), CONFIG, save_every=5)
    arguments = ["--size", "crossjepa-test", "--steps", "12", "--batch-size", "8", "--views-per-step", "2"]
    arguments += ["--warmup-steps", "2", "--predictor-depth", "1", "--few-points", "32", "--save-every", "5"]
    command = [sys.executable, "-m", "crossjepa.train.pretrain", cache_folder, "-o", parts, *arguments]
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE)
    for _ in range(600):
        if (parts / "checkpoint.pt").is_file():
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    pretrain(str(cache_folder), str(parts), CONFIG, save_every=5)
    states = [torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (whole, parts)]
    assert states[0]["step"] == states[1]["step"] == 12
    for name, value in states[0]["model"].items():
        assert torch.equal(value, states[1]["model"][name]), name


def test_export_loads(cache_folder: Path, tmp_path: Path) -> None:
    pretrain(str(cache_folder), str(tmp_path / "run"), CONFIG)
    export(tmp_path / "run", tmp_path / "out", {"licence": "apache-2.0"})
    record(tmp_path / "out", modelnet40_linear_svm=0.5)
    encoder = CrossJEPAEncoder.from_pretrained(tmp_path / "out")
    assert encoder.model_config.provenance["steps"] == 12
    assert encoder.model_config.provenance["modelnet40_linear_svm"] == 0.5
    assert load_file(tmp_path / "out" / "model.safetensors")["norm.weight"].dtype == torch.float16
    assert np.isfinite(encoder.encode(np.random.default_rng(0).normal(size=(100, 3)))).all()


def test_unfinished_caches_are_named(tmp_path: Path) -> None:
    start_cache(tmp_path / "cache", ["a", "b"], {"rig": 1}, views=2, points=4, width=3)
    with pytest.raises(FileNotFoundError, match="unfinished"):
        open_cache(tmp_path / "cache")
    with pytest.raises(ValueError, match="2 of 2 objects are missing"):
        finish_cache(tmp_path / "cache")
    with pytest.raises(ValueError, match="another recipe"):
        start_cache(tmp_path / "cache", ["a", "b"], {"rig": 2}, views=2, points=4, width=3)
    start_cache(tmp_path / "cache", ["a", "b"], {"rig": 1}, views=2, points=4, width=3)
    cache = open_cache(partial_folder(tmp_path / "cache"), writable=True)
    for row in cache.missing_rows(0, 1):
        cache.write_row(row, np.full((2, 3), np.nan), np.zeros((2, 5)), np.zeros((2, 48)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="not finite"):
        finish_cache(tmp_path / "cache")
