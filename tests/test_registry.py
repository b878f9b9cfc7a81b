"""Registered checkpoints: complete, verified, and found by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import crossjepa
from crossjepa import CrossJEPA, CrossJEPAEncoder, WeightsError, registry
from crossjepa.model_files import PREDICTOR_NAME, WEIGHTS_NAME
from crossjepa.registry import CHECKPOINTS, WEIGHTS_FOLDER


def test_bundled_names_have_no_revisions() -> None:
    with pytest.raises(WeightsError, match=r"crossjepa-base: .*no revisions"):
        CrossJEPAEncoder.from_pretrained("crossjepa-base", revision="main")


@pytest.mark.parametrize("name", [WEIGHTS_NAME, PREDICTOR_NAME])
def test_bundled_weights_are_those_of_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shutil.copytree(WEIGHTS_FOLDER / "crossjepa-base", tmp_path / "crossjepa-base")
    monkeypatch.setattr(registry, "WEIGHTS_FOLDER", tmp_path)
    CrossJEPA.from_pretrained("crossjepa-base")
    path = tmp_path / "crossjepa-base" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"damaged: its SHA-256 is not .*reinstall crossjepa") as caught:
        CrossJEPA.from_pretrained("crossjepa-base")
    assert caught.value.source == str(path)
    if name == PREDICTOR_NAME:
        CrossJEPAEncoder.from_pretrained("crossjepa-base")


@pytest.mark.parametrize("name", ["crossjepa-huge", "", "a/b/c", "/not/there", "../x", "org/repo@main"])
def test_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(WeightsError, match="crossjepa-base"):
        CrossJEPAEncoder.from_pretrained(name)


def test_every_registered_checkpoint_is_complete() -> None:
    import hashlib

    assert crossjepa.list_models() == sorted(CHECKPOINTS)
    assert crossjepa.list_models("no-such-*") == []
    for name, checkpoint in CHECKPOINTS.items():
        weights = checkpoint.folder / "model.safetensors"
        assert hashlib.sha256(weights.read_bytes()).hexdigest() == checkpoint.sha256
        assert weights.stat().st_size < 20e6
        predictor = checkpoint.folder / "predictor.safetensors"
        found = hashlib.sha256(predictor.read_bytes()).hexdigest() if predictor.exists() else None
        assert found == checkpoint.predictor_sha256
        assert (found is not None) == ("predictor" in checkpoint.config())
        if found:
            CrossJEPA.from_pretrained(name)
        provenance = CrossJEPAEncoder.from_pretrained(name).model_config.provenance
        for fact in ("data", "teacher", "steps", "license", "modelnet40_linear_svm"):
            assert provenance[fact], fact
