"""A tiny encoder with random weights, and what it leaves on the disk."""

from __future__ import annotations

from pathlib import Path

import torch

from crossjepa import CrossJEPAEncoder, ModelConfig, ProcessorConfig
from crossjepa.config import NAMED_SIZES

Fingerprint = dict[str, bytes]


def make_encoder(seed: int = 0) -> CrossJEPAEncoder:
    """Returns a tiny encoder with random weights."""
    torch.manual_seed(seed)
    config = ModelConfig(NAMED_SIZES["crossjepa-test"], ProcessorConfig(num_points=64))
    return CrossJEPAEncoder(config).with_provenance(licence="Apache-2.0", data="none").eval()


def fingerprint(encoder: CrossJEPAEncoder) -> Fingerprint:
    """Returns the bytes of every tensor."""
    return {name: value.numpy().tobytes() for name, value in encoder.state_dict().items()}


def saved_files(encoder: CrossJEPAEncoder, folder: Path) -> dict[str, bytes | None]:
    """Saves an encoder and returns the written files."""
    encoder.save_pretrained(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}
