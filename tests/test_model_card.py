"""Model cards: what the Hub reads, and what a person copies."""

from __future__ import annotations

import yaml

from crossjepa.model_card import model_card
from tests.helpers.tiny_weights import make_encoder, make_view_model


def test_the_hub_reads_license_and_library() -> None:
    _, front, _ = model_card(make_encoder().model_config, "me/encoder").split("---\n", 2)
    assert yaml.safe_load(front) == {
        "library_name": "crossjepa",
        "pipeline_tag": "feature-extraction",
        "license": "apache-2.0",
        "tags": ["point-cloud", "3d", "self-supervised", "crossjepa"],
    }
    assert "license:" not in model_card(make_encoder().with_provenance(license="").model_config, "me/encoder")


def test_what_is_copied_names_the_repository_and_the_widths() -> None:
    bare, full = (
        model_card(config, "me/encoder")
        for config in (make_encoder().model_config, make_view_model().model_config)
    )
    for card in (bare, full):
        assert 'CrossJEPAEncoder.from_pretrained("me/encoder")' in card
        assert "# (1, 48) float32" in card
    assert "predict_view" not in bare
    assert 'CrossJEPA.from_pretrained("me/encoder")' in full
    assert "what blobs would see" in full and "# (1, 10) float32" in full


def test_provenance_stays_one_row_of_the_table() -> None:
    facts = {"data": {"meshes": [1, "a|b"], "clouds": "two\nlines"}}
    card = model_card(make_encoder().with_provenance(**facts).model_config, "me/encoder")
    assert r"| data | meshes: 1, a\|b; clouds: two lines |" in card.splitlines()
