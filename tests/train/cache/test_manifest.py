"""The manifest of a cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossjepa.train.cache.manifest import MANIFEST, partial_folder, read_manifest, seal


def test_the_seal_covers_everything_but_itself() -> None:
    manifest = {"names": ["a"], "recipe": {"x": 1}}
    assert seal(manifest) == seal({**manifest, "seal": "anything"}) == seal(dict(reversed(manifest.items())))
    assert seal(manifest) != seal({**manifest, "recipe": {"x": 2}})


def test_unfinished_caches_lie_beside_finished_ones(tmp_path: Path) -> None:
    assert partial_folder(tmp_path / "cache.v2") == tmp_path / "cache.v2.partial"


@pytest.mark.parametrize("text", ["{", "[1]", '{"views": 3}', None])
def test_damaged_manifests_are_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ValueError, match=r"manifest\.json: damaged"):
        read_manifest(tmp_path)
