"""Checkpoints: the last few kept, damaged ones named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crossjepa.train.common.checkpoint import checkpoints, load_checkpoint, save_checkpoint


def test_the_last_checkpoints_are_kept_and_read_back(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"of somebody else")
    for step in (9, 10, 11):
        save_checkpoint(tmp_path, step, {"model": {"weight": torch.full((2,), float(step))}}, keep=2)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000000010.pt", "step-000000011.pt"]
    state = load_checkpoint(checkpoints(tmp_path)[-1])
    assert state["step"] == 11
    assert torch.equal(state["model"]["weight"], torch.full((2,), 11.0))
    assert (tmp_path / "weights.pt").is_file()


def test_what_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "damaged.pt").write_bytes(b"PK")
    torch.save({"model": {}}, tmp_path / "other.pt")
    for name, reason in (("damaged", "not a readable checkpoint"), ("other", r"it has no \['step'\]")):
        with pytest.raises(ValueError, match=rf"{name}\.pt: .*{reason}"):
            load_checkpoint(tmp_path / f"{name}.pt")


def test_no_code_of_a_checkpoint_is_run(tmp_path: Path) -> None:
    torch.save({"model": {}, "step": 1, "code": print}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        load_checkpoint(tmp_path / "evil.pt")
