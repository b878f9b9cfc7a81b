"""Files that belong together are replaced together, whenever a process is killed and whoever reads them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crossjepa import CrossJEPA, CrossJEPAEncoder, HeadConfig, WeightsError
from crossjepa.file_sets import file_of_set, reading, replacing
from crossjepa.train.pretrain.export import record
from tests.helpers.kills import killed_before
from tests.helpers.tiny_weights import fingerprint, make_encoder, make_view_model

posix = pytest.mark.skipif(os.name == "nt", reason="needs fork and kill")


def generation(number: int) -> CrossJEPAEncoder:
    """An encoder whose weights, classes and provenance tell which one it is."""
    encoder = make_encoder(number).with_provenance(generation=number)
    encoder.reset_classifier(HeadConfig("classification", (f"{number}a", f"{number}b"), hidden=0))
    for parameter in encoder.require_head().parameters():
        parameter.data.fill_(number)
    return encoder


def loaded_generation(folder: Path) -> int:
    """The generation of the model in a folder, all of whose files must be of it."""
    encoder = CrossJEPAEncoder.from_pretrained(folder)
    number = int(encoder.provenance["generation"])
    expected = generation(number)
    assert encoder.classes == expected.classes
    assert fingerprint(encoder) == fingerprint(expected)
    return number


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
@posix
def test_a_killed_save_leaves_the_old_model_or_the_new_one(tmp_path: Path) -> None:
    complete = {"config.json", "model.safetensors"}
    found = []
    for number in range(1, 50):
        folder = tmp_path / str(number)
        generation(1).save_pretrained(folder)
        if not killed_before(number, lambda: generation(2).save_pretrained(folder)):  # noqa: B023
            break
        found.append(loaded_generation(folder))
        assert killed_before(number, lambda: generation(3).save_pretrained(folder))  # noqa: B023
        found.append(loaded_generation(folder))
        generation(4).save_pretrained(folder)
        assert loaded_generation(folder) == 4
        assert names(folder) == complete
    assert names(folder) == complete
    assert number > 5
    assert {1, 2, 3} <= set(found)


@pytest.mark.slow
@posix
def test_a_predictor_of_the_old_model_goes_with_it(tmp_path: Path) -> None:
    for number in range(1, 50):
        folder = tmp_path / str(number)
        old = make_view_model(1)
        old.save_pretrained(folder)
        killed = killed_before(number, lambda: generation(2).save_pretrained(folder))  # noqa: B023
        try:
            assert fingerprint(CrossJEPA.from_pretrained(folder)) == fingerprint(old)
        except WeightsError as error:
            assert "no predictor" in error.reason
            assert loaded_generation(folder) == 2
        if not killed:
            break
    assert number > 5


@pytest.mark.slow
@posix
def test_facts_are_recorded_of_the_model_that_a_killed_save_left(tmp_path: Path) -> None:
    for number in range(1, 50):
        folder = tmp_path / str(number)
        generation(1).save_pretrained(folder)
        killed = killed_before(number, lambda: generation(2).save_pretrained(folder))  # noqa: B023
        before = loaded_generation(folder)
        record(folder, accuracy=0.5)
        assert loaded_generation(folder) == before
        assert CrossJEPAEncoder.from_pretrained(folder).provenance["accuracy"] == 0.5
        assert names(folder) == {"config.json", "model.safetensors"}
        if not killed:
            break
    assert number > 5


@posix
def test_whoever_reads_during_saves_finds_one_model(tmp_path: Path) -> None:
    generation(0).save_pretrained(tmp_path)
    writers = []
    for first in (1, 5):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for number in range(20):
                    generation(first + number % 4).save_pretrained(tmp_path)
                status = 0
            finally:
                os._exit(status)
        writers.append(child)
    found = {loaded_generation(tmp_path) for _ in range(20)}
    assert [os.waitpid(child, 0)[1] for child in writers] == [0, 0]
    found.add(loaded_generation(tmp_path))
    assert found <= set(range(9))
    assert names(tmp_path) == {"config.json", "model.safetensors"}


def test_a_failed_block_leaves_all_old_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError, match="stop"), replacing(tmp_path, remove=["a"]) as staged:
        (staged / "a").write_text("new")
        raise RuntimeError("stop")
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == {"a"}


def test_files_are_replaced_and_removed_together(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("old")
    with replacing(tmp_path, remove=["b", "not there"]) as staged, reading(tmp_path):
        (staged / "a").write_text("new")
        assert file_of_set(tmp_path, "a").read_text() == "old"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "c": "old"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
def test_what_another_process_still_writes_is_not_taken_for_left(tmp_path: Path) -> None:
    with replacing(tmp_path) as first:
        (first / "a").write_text("first")
        with replacing(tmp_path) as second:
            (second / "a").write_text("second")
        assert first.is_dir()
    assert (tmp_path / "a").read_text() == "first"
