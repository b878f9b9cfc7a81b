"""Types of the options of recipes, and the check of their values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

Schedule = Literal["cosine", "linear"]
Precision = Literal["bfloat16", "float32"]


@dataclass(frozen=True)
class Limit:
    """What a number must fit, and how to say so; NaN fits no limit."""

    fits: Callable[[float], bool]
    wanted: str


Count = Annotated[int, Limit(lambda value: value >= 1, "at least 1")]
Natural = Annotated[int, Limit(lambda value: value >= 0, "at least 0")]
NonNegative = Annotated[float, Limit(lambda value: 0 <= value < math.inf, "at least 0 and finite")]
Positive = Annotated[float, Limit(lambda value: 0 < value < math.inf, "above 0 and finite")]
Share = Annotated[float, Limit(lambda value: 0 <= value <= 1, "from 0 to 1")]
Stretch = Annotated[float, Limit(lambda value: 0 <= value < 1, "from 0 to below 1")]


def check_fields(config: Any) -> None:
    """Checks the values of a dataclass against the types, choices and limits of its fields.

    Raises:
        ValueError: a value does not fit; the message names the field and what is expected.
    """
    for name, hint in get_type_hints(type(config), include_extras=True).items():
        value = getattr(config, name)
        kind, *limits = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
        choices = [choice for part in parts if get_origin(part) is Literal for choice in get_args(part)]
        types = [part for part in parts if isinstance(part, type)]
        if type(value) not in types and value not in choices:
            names = " or ".join(part.__name__ for part in types)
            wanted = f"one of {tuple(choices)}" if choices else f"of type {names}"
            raise ValueError(f"{name} must be {wanted}, not {value!r}")
        for limit in limits:
            if not limit.fits(value):
                raise ValueError(f"{name} must be {limit.wanted}, not {value}")
