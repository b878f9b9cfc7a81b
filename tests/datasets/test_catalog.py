"""What is known of the data sets: complete, and true to what their readers find."""

from __future__ import annotations

import re

import pytest

from crossjepa.datasets.catalog import SOURCES, find_source


@pytest.mark.parametrize("name", SOURCES)
def test_entries_say_what_a_person_needs(name: str) -> None:
    source = find_source(name)
    assert source.name == name
    text = source.instructions()
    for part in (source.description, source.where, source.layout.splitlines()[0], "nothing is downloaded"):
        assert part
        assert part in text
    assert all(re.fullmatch("[0-9a-f]{32}", digest) for digest in source.md5.values())
    assert all(f"md5 {digest}  {file}" in text for file, digest in source.md5.items())


def test_published_counts() -> None:
    assert (SOURCES["modelnet40"].num_classes, SOURCES["modelnet10"].num_classes) == (40, 10)
    assert 9843 in SOURCES["modelnet40"].counts["train"]
    assert SOURCES["modelnet40"].counts["test"] == (2468,)
    assert SOURCES["scanobjectnn-pb-t50-rs"].counts == {"train": (11416,), "test": (2882,)}


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown data set 'modelnet'; known are .*modelnet40"):
        find_source("modelnet")
