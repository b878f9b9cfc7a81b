"""Clouds of a probe are never those of a test split, and features are of the precision of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossjepa.config_fields import Precision
from crossjepa.io import PointCloudError, PointCloudWarning
from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint
from crossjepa.train.common.loggers import read_log
from crossjepa.train.pretrain.config import RunOptions
from crossjepa.train.pretrain.model import PretrainModel
from crossjepa.train.pretrain.online_probe import ProbeData, encode_all, probe, read_probe_data, spread
from crossjepa.train.pretrain.trainer import pretrain
from tests.helpers.small_cache import CONFIG, WIDTH, make_cache

TEST = ("test", "Test ", "testing")


def arrays(rows: int = 12) -> dict[str, Any]:
    """Clouds of which every second one is a test cloud, with points that may not be read."""
    points_nN3 = np.random.default_rng(0).normal(size=(rows, 40, 3))
    points_nN3[::2] = np.nan
    splits = [TEST[row // 2 % 3] if row % 2 == 0 else ("train", "val")[row // 2 % 2] for row in range(rows)]
    return {"points": points_nN3, "labels": np.arange(rows), "split": np.array(splits)}


def test_test_clouds_are_never_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "clouds.npz", **arrays())
    data = read_probe_data(tmp_path / "clouds.npz", "z", 100)
    assert data.points_nN3.shape == (6, 40, 3)
    assert torch.isfinite(data.points_nN3).all()
    assert sorted(data.labels_n.tolist()) == [0, 1, 2, 3, 4, 5]
    assert len(read_probe_data(tmp_path / "clouds.npz", "z", 5).labels_n) == 5


def test_clouds_that_lose_points_repeat_others(tmp_path: Path) -> None:
    clouds = arrays()
    clouds["points"][1, 5] = np.nan
    np.savez(tmp_path / "clouds.npz", **clouds)
    with pytest.warns(PointCloudWarning, match="1 of 40 points"):
        data = read_probe_data(tmp_path / "clouds.npz", "y", 100)
    assert data.points_nN3.shape == (6, 40, 3)
    assert torch.isfinite(data.points_nN3).all()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"split": np.array(arrays()["split"], dtype="S")}, "'split' has the wrong type"),
        ({"split": np.array(["tset"] * 12)}, "split 'tset' is none of"),
        ({"split": np.array(["train"])}, "1 splits for 12 shapes"),
        ({"split": np.array(["test"] * 12)}, "0 clouds to probe with"),
        ({"split": np.array(["train"] * 12)}, "none of its 40 points is finite"),
        ({"labels": None}, r"no array \['labels'\]"),
        ({"labels": np.arange(5)}, "5 labels for 12 shapes|12 splits for 5 shapes"),
    ],
)
def test_what_cannot_be_probed_with_is_named(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    changed = {name: value for name, value in {**arrays(), **changes}.items() if value is not None}
    np.savez(tmp_path / "clouds.npz", **changed)
    with pytest.raises(PointCloudError, match=rf"clouds\.npz.*({reason})"):
        read_probe_data(tmp_path / "clouds.npz", "y", 100)


def test_broken_archives_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "clouds.npz", **arrays())
    whole = (tmp_path / "clouds.npz").read_bytes()
    (tmp_path / "clouds.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("clouds.npz", "missing.npz"):
        with pytest.raises(PointCloudError, match=name):
            read_probe_data(tmp_path / name, "y", 100)


def test_features_are_of_the_precision_of_the_run(tmp_path: Path) -> None:
    make_cache(tmp_path / "cache")
    config = CONFIG.change(cache=str(tmp_path / "cache"), precision="float32", steps=2)
    points_nN3 = torch.randn(20, 64, 3, generator=torch.Generator().manual_seed(0))
    data = ProbeData(points_nN3, torch.arange(20) % 2)
    pretrain(config, tmp_path / "run", RunOptions(device="cpu", progress=False, probe_every=2), data)
    model = PretrainModel(config, WIDTH)
    state = load_checkpoint(checkpoints(tmp_path / "run")[-1])
    model.load_state_dict(state["model"])
    model.encoder.config = config.encoder_at(0.5)
    with torch.inference_mode():
        exact_nE = model.encoder.eval()(points_nN3[:, :32], pool="max+mean").pooled
    names: tuple[Precision, ...] = ("float32", "bfloat16")
    features = {name: encode_all(model.encoder, points_nN3, precision=name) for name in names}
    torch.testing.assert_close(features["float32"], exact_nE)
    exact, rounded = (spread(features[name])["deviation"] for name in names)
    assert exact != pytest.approx(rounded, rel=1e-5)
    assert read_log(tmp_path / "run")[-1]["deviation"] == pytest.approx(exact, rel=1e-6)


def test_probe_tells_good_features_from_collapsed_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 4
    good = torch.randn(400, 8, generator=generator) + 5 * torch.eye(8)[labels]
    figures = probe(good, labels)
    assert figures["ridge"] > 0.95
    assert figures["nearest"] > 0.95
    assert spread(torch.randn(4000, 8, generator=generator))["rank"] == pytest.approx(8, rel=0.01)
    collapsed = torch.randn(400, 1, generator=generator) * torch.ones(8)
    assert spread(collapsed)["rank"] == pytest.approx(1, rel=0.01)
