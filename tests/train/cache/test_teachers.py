"""Several teachers that embed the same pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from crossjepa.config import TeacherConfig
from crossjepa.datasets import open_dataset
from crossjepa.train.cache import Cache, CacheConfig, check_cache, make_cache
from crossjepa.train.cache.teacher import Teacher
from crossjepa.train.cache.teachers import Teachers, load_teachers
from tests.conftest import SAMPLES
from tests.helpers.teachers import RENDER, small_teacher

FILES = [SAMPLES / "chair.obj", SAMPLES / "horse.obj"]


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A transformer and a convolutional network of different widths."""
    folder = tmp_path_factory.mktemp("teachers")
    return small_teacher(folder), small_teacher(folder, "test_efficientnet")


def make(folder: Path, config: CacheConfig) -> Cache:
    cache = make_cache(open_dataset(FILES), folder, config, progress=False)
    assert cache is not None
    return cache


def test_embeddings_of_several_teachers_lie_side_by_side(teachers: tuple[str, str]) -> None:
    both = load_teachers([(teachers[0], "both"), (teachers[1], "layers")], 32)
    alone = Teacher(teachers[0], 32, embedding="both"), Teacher(teachers[1], 32, embedding="layers")
    assert isinstance(both, Teachers)
    assert both.width == alone[0].width + alone[1].width
    assert both.parts == {
        "test_vit": (0, alone[0].width),
        "test_efficientnet": (alone[0].width, both.width),
    }
    assert both.facts() == [teacher.facts() for teacher in alone]
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    for teacher, (start, end) in zip(alone, both.parts.values(), strict=True):
        np.testing.assert_array_equal(both.embed(images)[:, start:end], teacher.embed(images))
    assert isinstance(load_teachers([(teachers[0], "cls")], 32), Teacher)


def test_one_cache_holds_what_the_caches_of_each_hold(teachers: tuple[str, str], tmp_path: Path) -> None:
    first = make(tmp_path / "first", CacheConfig(teachers[0], "cls", RENDER))
    second = make(tmp_path / "second", CacheConfig(teachers[1], "layers", RENDER))
    both = make(tmp_path / "both", CacheConfig(teachers, ("cls", "layers"), RENDER))
    assert both.width == first.width + second.width
    for name, alone in (("test_vit", first), ("test_efficientnet", second)):
        np.testing.assert_array_equal(
            both.embeddings_SVD.stored[..., both.part(name)], alone.embeddings_SVD.stored
        )
        np.testing.assert_array_equal(both.points_SP3, alone.points_SP3)
        np.testing.assert_array_equal(both.poses_SV5, alone.poses_SV5)
        np.testing.assert_array_equal(both.histograms_SVH, alone.histograms_SVH)
    assert both.teachers == (*first.teachers, *second.teachers)
    vit = Teacher(teachers[0], 32)
    assert both.teachers[0] == TeacherConfig("test_vit", "cls", 64, vit.weights_sha256)
    assert both.manifest["recipe"]["teacher"][0] == vit.facts()
    assert both.manifest["recipe"].keys() == first.manifest["recipe"].keys()
    report = check_cache(tmp_path / "both")
    assert report.problems == []
    assert [teacher["name"] for teacher in report.facts["teachers"]] == ["test_vit", "test_efficientnet"]


def test_a_list_of_one_teacher_is_that_teacher(teachers: tuple[str, str], tmp_path: Path) -> None:
    cache = make(tmp_path / "cache", CacheConfig(teachers[:1], ["cls"], RENDER))
    made_before = make(tmp_path / "cache", CacheConfig(teachers[0], "cls", RENDER))
    assert cache.hash == made_before.hash
    assert isinstance(cache.manifest["recipe"]["teacher"], dict)
    assert cache.manifest["parts"] == {"cls": [0, 64]}


def test_another_order_or_embedding_is_another_recipe(teachers: tuple[str, str], tmp_path: Path) -> None:
    make(tmp_path / "cache", CacheConfig(teachers, "cls", RENDER))
    for config in (
        CacheConfig(teachers[::-1], "cls", RENDER),
        CacheConfig(teachers, ("cls", "layers"), RENDER),
        CacheConfig(teachers[0], "cls", RENDER),
    ):
        with pytest.raises(ValueError, match="cache of another recipe"):
            make(tmp_path / "cache", config)


def test_teachers_that_are_given_twice_are_refused(teachers: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the teacher test_vit is given twice"):
        load_teachers([(teachers[0], "cls"), (teachers[0], "patch")], 32)
    other_name = tmp_path / "test_vit.r160_in1k.safetensors"
    shutil.copy(teachers[0], other_name)
    with pytest.raises(ValueError, match=r"teachers test_vit and test_vit.r160_in1k have the same weights"):
        load_teachers([(teachers[0], "cls"), (str(other_name), "cls")], 32)


def test_numbers_of_embeddings_that_do_not_fit_are_refused(teachers: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="2 embeddings for 1 teachers: give one for all or one for each"):
        CacheConfig(teachers[0], ("cls", "layers"))
    with pytest.raises(ValueError, match="2 embeddings for 3 teachers"):
        CacheConfig((*teachers, "another"), ("cls", "layers"))
    with pytest.raises(ValueError, match="no teacher is given"):
        CacheConfig(())


def test_the_real_teachers_embed_the_same_pictures(shared: Path, tmp_path: Path) -> None:
    names = [f"tf_efficientnet_lite{number}" for number in (2, 0, 1)]
    files = [str(shared / "teacher" / f"{name}.safetensors") for name in names]
    cache = make(tmp_path / "cache", CacheConfig(files, ("layers", "cls", "cls"), RENDER))
    assert [(teacher.name, teacher.width) for teacher in cache.teachers] == list(
        zip(names, (944, 1280, 1280), strict=True)
    )
    alone = make(tmp_path / "alone", CacheConfig(files[2], "cls", RENDER))
    np.testing.assert_array_equal(cache.embeddings_SVD[..., cache.part(names[2])], alone.embeddings_SVD[...])
