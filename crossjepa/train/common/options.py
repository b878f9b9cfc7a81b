"""Choices that pretraining and fine-tuning share."""

from __future__ import annotations

from typing import Literal

Schedule = Literal["cosine", "linear"]


Precision = Literal["bfloat16", "float32"]
