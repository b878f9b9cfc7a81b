"""Checksums are those of other tools, and fingerprints see what differs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from crossjepa.hashing import file_digest, file_fingerprint, recipe_hash, text_digest


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_the_digest_of_a_file_is_that_of_hashlib(tmp_path: Path, algorithm: str) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert file_digest(tmp_path / "a", algorithm) == hashlib.new(algorithm, content).hexdigest()


def test_a_fingerprint_sees_the_size_and_the_middle(tmp_path: Path) -> None:
    contents = [bytes(20_000), bytes(20_001), bytes(9_999) + b"x" + bytes(10_000), bytes(10), b""]
    for number, content in enumerate(contents):
        (tmp_path / f"{number}").write_bytes(content)
    found = [file_fingerprint(tmp_path / f"{number}") for number in range(len(contents))]
    assert len(set(found)) == len(contents)
    assert found[0].startswith("20000 ")
    assert file_fingerprint(tmp_path / "none") == ""


def test_texts_are_told_apart_by_where_they_end() -> None:
    assert text_digest(["ab", "c"]) != text_digest(["a", "bc"]) != text_digest(["bc", "a"])
    assert len(text_digest([])) == 16


def test_a_recipe_has_one_hash_whatever_the_order_of_its_keys() -> None:
    assert recipe_hash({"a": 1, "b": [2, "x"]}) == recipe_hash({"b": [2, "x"], "a": 1}) == "aaced0ddb24456d4"
    assert recipe_hash({"a": 1, "b": ["x", 2]}) != recipe_hash({"a": 1, "b": [2, "x"]})
