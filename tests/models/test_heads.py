"""Heads: their configuration, their weights, and the published form of the part head."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from crossjepa import CrossJEPAEncoder, WeightsError
from crossjepa.config import ModelConfig
from crossjepa.models.heads import LevelFeatures, PartHead, three_depths
from crossjepa.ops import interpolate_tokens
from tests.helpers.finetune_data import NAMES
from tests.helpers.heads import CLASSES, PARTS, with_head


def test_heads_that_do_not_fit_their_weights(tiny: CrossJEPAEncoder, tmp_path: Path) -> None:
    with_head(tiny, CLASSES).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    values = json.loads(path.read_text())

    def change(**head: object) -> None:
        path.write_text(json.dumps({**values, "head": {**values["head"], **head}}))

    change(classes=[*NAMES, "lamp"])
    with pytest.raises(WeightsError, match=r"head\.layers\.8\.weight \(3, 16\), expected \(4, 16\)"):
        CrossJEPAEncoder.from_pretrained(tmp_path)
    for head, reason in (
        ({"task": "detection"}, "task must be one of"),
        ({"classes": []}, "at least one class"),
        ({"classes": ["a", "a", "b"]}, "classes must differ"),
        ({"size": 3}, r"unknown field\(s\) \['size'\]"),
        ({"task": "partseg"}, "class_parts needs one entry per class"),
        ({"task": "partseg", "class_parts": [[7], [0], [0]], "part_names": ["x"]}, "class_parts must name"),
    ):
        change(**head)
        with pytest.raises(WeightsError, match=reason):
            CrossJEPAEncoder.from_pretrained(tmp_path)
    del values["head"]
    path.write_text(json.dumps(values))
    with pytest.raises(WeightsError, match="tensors unexpected: head"):
        CrossJEPAEncoder.from_pretrained(tmp_path)


def test_a_bare_encoder_says_nothing_of_heads(tiny: CrossJEPAEncoder) -> None:
    assert "head" not in tiny.model_config.to_dict()
    with_head(tiny, CLASSES)
    assert ModelConfig.from_dict(json.loads(json.dumps(tiny.model_config.to_dict()))) == tiny.model_config
    tiny.reset_classifier(None)
    assert "head" not in tiny.model_config.to_dict()
    assert not any(name.startswith("head") for name in tiny.state_dict())


def test_the_part_head_equals_its_slow_form(tiny: CrossJEPAEncoder) -> None:
    """The layer after spreading tokens, as published, gives what the layer before spreading gives."""
    head = with_head(tiny, PARTS).head
    assert isinstance(head, PartHead)
    generator = torch.Generator().manual_seed(0)
    centers_BG3, queries_BQ3 = (
        torch.randn(2, 8, 3, generator=generator),
        torch.randn(2, 50, 3, generator=generator),
    )
    levels_BGD = torch.randn(2, 8, 3 * 24, generator=generator)
    mask_BG = torch.arange(8) < torch.tensor([[8], [5]])
    label_B = torch.tensor([1, 0])
    fast = head(LevelFeatures(levels_BGD, centers_BG3, mask_BG), queries_BQ3, label_B)
    near_BQD = interpolate_tokens(queries_BQ3, centers_BG3, levels_BGD, mask_BG)
    summaries = [
        torch.cat([row[mask].amax(0), row[mask].mean(0)])
        for row, mask in zip(levels_BGD, mask_BG, strict=True)
    ]
    one_hot = torch.eye(2)[label_B]
    cloud_BE = torch.cat([torch.stack(summaries), head.label_in(one_hot)], dim=-1)
    point_BQX = torch.cat([near_BQD, queries_BQ3, cloud_BE[:, None].expand(-1, 50, -1)], dim=-1)
    weight = torch.cat([head.token_in.weight, head.point_in.weight, head.cloud_in.weight], dim=1)
    hidden = head.norm_in(
        torch.nn.functional.linear(point_BQX, weight, head.cloud_in.bias).flatten(0, 1)
    ).relu()
    hidden = head.norm_hidden(head.hidden(hidden)).relu()
    torch.testing.assert_close(fast, head.out(hidden).view(2, 50, 3), rtol=1e-4, atol=1e-5)


def test_depths() -> None:
    assert three_depths(12) == (3, 7, 11), "as published"
    assert three_depths(8) == (2, 4, 7)
    assert three_depths(1) == (0, 0, 0)
