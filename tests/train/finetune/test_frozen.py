"""Features that a frozen encoder computes once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import load
from crossjepa.train.finetune import FinetuneConfig
from crossjepa.train.finetune.data import read_clouds
from crossjepa.train.finetune.frozen import FrozenFeatures, read_features
from crossjepa.train.finetune.tasks import make_task
from tests.helpers.finetune_data import write_parts


@pytest.mark.parametrize("name", ["classification", "partseg"])
def test_copies_are_kept_on_the_disk(tiny: CrossJEPAEncoder, tmp_path: Path, name: str) -> None:
    config = FinetuneConfig.of(task=name, frozen_copies=2, batch_size=3, precision="float32", query_points=8)
    task, dataset = make_task(config), load("clouds", write_parts(tmp_path / "parts.npz", 2))
    clouds = read_clouds(dataset, tiny.processor, with_parts=task.with_parts)
    tiny.reset_classifier(task.head_config(dataset, clouds))
    first = FrozenFeatures(tiny, clouds, task, tmp_path / "cache")
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [
        "features-0.safetensors",
        "features-1.safetensors",
    ]
    changed = (tmp_path / "cache" / "features-0.safetensors").stat().st_mtime_ns
    for again in (
        FrozenFeatures(tiny, clouds, task, tmp_path / "cache"),
        FrozenFeatures(tiny, clouds, task, None),
    ):
        for one, other in zip(
            first.batch([0, 1, 1], [3, 0, 3]), again.batch([0, 1, 1], [3, 0, 3]), strict=True
        ):
            assert torch.equal(one, other)
    assert (tmp_path / "cache" / "features-0.safetensors").stat().st_mtime_ns == changed
    batch = first.batch([0, 1, 1], [3, 0, 3])
    assert not torch.equal(batch[0][0], batch[0][2]), "copies differ"
    plain = read_features(tiny, clouds, 3)
    assert type(plain[0]) is type(batch)
    assert [len(each[0]) for each in plain] == [3, 1]
    for place, (copy, row) in enumerate(zip([0, 1, 1], [3, 0, 3], strict=True)):
        assert torch.equal(batch[0][place], first.batch([copy], [row])[0][0]), "rows keep their places"
