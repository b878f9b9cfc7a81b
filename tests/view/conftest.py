"""A scene that several tests look at."""

from __future__ import annotations

import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.view import Scene, make_scene
from tests.conftest import SAMPLES


@pytest.fixture(scope="package")
def scene() -> Scene:
    """A chair and a horse, by the bundled weights."""
    encoder = CrossJEPAEncoder.from_pretrained("crossjepa-base")
    return make_scene(encoder, [SAMPLES / "chair.obj", SAMPLES / "horse.obj"], model="base", points=400)
