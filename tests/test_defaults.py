"""Defaults of the command line are those of the library."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any, get_args

import pytest
import timm

from crossjepa.cli import duplicates, encode, index, pretrain, transfer, view
from crossjepa.defaults import DEFAULT_TEACHER, Embedding, Output
from crossjepa.export import trace
from crossjepa.index import ShapeIndex, ViewGrid
from crossjepa.part_transfer import PartTransfer
from crossjepa.scale.encode_files import encode_files
from crossjepa.scale.encode_on_ray import encode_on_ray
from crossjepa.train.cache.teacher import Teacher
from crossjepa.train.pretrain.center import encode_objects
from crossjepa.view import make_scene
from tests.helpers.tiny_weights import make_encoder


@pytest.mark.parametrize(
    ("command", "option", "function", "parameter"),
    [
        (encode.encode, "shard_size", encode_files, "shard_size"),
        (encode.encode, "shard_size", encode_on_ray, "shard_size"),
        (duplicates.duplicates, "similarity", ShapeIndex.duplicates, "similarity"),
        (transfer.transfer, "neighbors", PartTransfer, "neighbors"),
        (view.view, "points", make_scene, "points"),
        (pretrain.center, "objects", encode_objects, "count"),
        (index.index, "elevations", ViewGrid, "elevations"),
    ],
)
def test_commands_have_the_defaults_of_functions(
    command: Callable[..., Any], option: str, function: Callable[..., Any], parameter: str
) -> None:
    shown = signature(command).parameters[option].default
    assert shown == signature(function).parameters[parameter].default


def test_azimuths_go_around() -> None:
    count = signature(index.index).parameters["azimuths"].default
    assert ViewGrid().azimuths == index._around(count)


def test_the_teacher_is_one_of_timm() -> None:
    assert timm.is_model(DEFAULT_TEACHER)
    defaults = signature(Teacher).parameters
    assert defaults["name"].default == DEFAULT_TEACHER
    assert defaults["embedding"].default in get_args(Embedding)


def test_outputs_are_those_that_can_be_traced() -> None:
    assert trace(make_encoder()).facts["output"] in get_args(Output)
    with pytest.raises(ValueError, match=", ".join(get_args(Output))):
        trace(make_encoder(), "none of them")  # type: ignore[arg-type]
