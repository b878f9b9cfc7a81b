"""Fields of configurations: their types and limits, and names of options without sections."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass, replace
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

if TYPE_CHECKING:
    from typing_extensions import Self

Schedule = Literal["cosine", "linear"]
Precision = Literal["bfloat16", "float32"]

_Config = TypeVar("_Config")


@dataclass(frozen=True)
class Limit:
    """What a number must fit, and how to say so; NaN fits no limit."""

    fits: Callable[[float], bool]
    wanted: str


Count = Annotated[int, Limit(lambda value: value >= 1, "at least 1")]
Size = Annotated[int, Limit(lambda value: 1 <= value <= 1 << 20, "from 1 to 2**20")]
Natural = Annotated[int, Limit(lambda value: value >= 0, "at least 0")]
NonNegative = Annotated[float, Limit(lambda value: 0 <= value < math.inf, "at least 0 and finite")]
Positive = Annotated[float, Limit(lambda value: 0 < value < math.inf, "above 0 and finite")]
Share = Annotated[float, Limit(lambda value: 0 <= value <= 1, "from 0 to 1")]
Stretch = Annotated[float, Limit(lambda value: 0 <= value < 1, "from 0 to below 1")]


class Checked:
    """Base of frozen dataclasses that check their fields.

    Lists and integers may stand for tuples and floats, as in JSON and YAML.
    """

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            object.__setattr__(self, name, _converted(getattr(self, name), hint))
        check_fields(self)


class Recipe(Checked):
    """Base of configurations in sections, whose options have names that are unique over all sections."""

    @classmethod
    def of(cls, **options: Any) -> Self:
        """Returns the default configuration with other values of some options, as `change` does."""
        return cls().change(**options)

    def change(self, **options: Any) -> Self:
        """Returns the configuration with other values of some options, whichever sections they are in.

        Raises:
            ValueError: an option is unknown or a value invalid; the message names it.
        """
        known = self.flat()
        if unknown := sorted(set(options) - set(known)):
            raise ValueError(f"unknown option(s) {unknown}; known are {sorted(known)}")
        changed: dict[str, Any] = {name: options[name] for name in vars(self) if name in options}
        for name, section in vars(self).items():
            if is_dataclass(section):
                own = {option: options[option] for option in vars(section) if option in options}
                changed[name] = replace(section, **own)  # type: ignore[type-var]
        return replace(self, **changed)  # type: ignore[type-var]

    def flat(self) -> dict[str, Any]:
        """Returns the options of all sections by name, as plain JSON values."""
        options: dict[str, Any] = {}
        for name, value in asdict(self).items():  # type: ignore[call-overload]
            options |= value if isinstance(value, dict) else {name: value}
        return options


def from_dict(kind: type[_Config], values: Mapping[str, Any], *, complete: bool = False) -> _Config:
    """Builds a dataclass, and those that its fields hold, from plain values.

    Args:
        kind: the configuration dataclass to build.
        values: its fields by name, as read from JSON or YAML.
        complete: whether all fields must be there, except those whose default is None or empty.

    Returns:
        The configuration.

    Raises:
        ValueError: a field is unknown or missing, or has an invalid value; the message names it.
    """
    hints = get_type_hints(kind)
    if unknown := sorted(set(values) - set(hints)):
        raise ValueError(f"{kind.__name__}: unknown field(s) {unknown}; known are {sorted(hints)}")
    needed = [
        entry.name
        for entry in fields(kind)  # type: ignore[arg-type]
        if entry.default is entry.default_factory is MISSING
        or (complete and not (entry.default is None or entry.default == "" or entry.default == ()))
    ]
    if missing := sorted(set(needed) - set(values)):
        raise ValueError(f"{kind.__name__}: missing field(s) {missing}")
    built = dict(values)
    for name, value in values.items():
        for part in get_args(hints[name]) or (hints[name],):
            if is_dataclass(part) and isinstance(value, Mapping):
                built[name] = from_dict(part, value, complete=complete)  # type: ignore[arg-type]
            elif is_dataclass(part) and isinstance(value, (list, tuple)):
                items = [
                    from_dict(part, each, complete=complete) if isinstance(each, Mapping) else each  # type: ignore[arg-type]
                    for each in value
                ]
                built[name] = tuple(items)
    return kind(**built)


def check_fields(config: Any) -> None:
    """Checks the values of a dataclass against the types, choices and limits of its fields.

    Raises:
        ValueError: a value does not fit; the message names the field and what is expected.
    """
    for name, hint in get_type_hints(type(config), include_extras=True).items():
        value = getattr(config, name)
        if wanted := _wanted(value, hint):
            raise ValueError(f"{name} must be {wanted}, not {_short(value)}")


def _short(value: Any) -> str:
    try:
        shown = repr(value)
    except ValueError:  # Python refuses to print numbers of thousands of digits
        return "a number of thousands of digits"
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _wanted(value: Any, hint: Any) -> str:
    """Returns what a value must be; "" if it is."""
    kind, *limits = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    if get_origin(kind) is tuple and isinstance(value, tuple):
        items = (_wanted(each, get_args(kind)[0]) for each in value)
        return next((f"a list, each {wanted}" for wanted in items if wanted), "")
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    choices = [choice for part in parts if get_origin(part) is Literal for choice in get_args(part)]
    types = [get_origin(part) or part for part in parts if get_origin(part) is not Literal]
    is_bool = isinstance(value, bool) and bool not in types  # no number, though Python has it as one
    if value not in choices and (is_bool or not isinstance(value, tuple(types))):
        names = " or ".join(part.__name__ for part in types)
        return f"one of {tuple(choices)}" if choices else f"of type {names}"
    return next((limit.wanted for limit in limits if isinstance(limit, Limit) and not limit.fits(value)), "")


def _converted(value: Any, hint: Any) -> Any:
    if get_origin(hint) is tuple and isinstance(value, (list, tuple)):
        return tuple(_converted(each, get_args(hint)[0]) for each in value)
    return float(value) if hint is float and type(value) is int else value
