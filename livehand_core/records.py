"""Frozen dataclasses filled from plain values, such as JSON and TOML give, checked against their type hints.

The dataclass is the schema: what it says of its fields is what a document may hold. Limits on numbers are the
``__post_init__``'s. Used for avatars' descriptions, settings, the status of runs and frame requests.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import sys
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

WRITTEN = "written"
"""Key of a field's metadata: documents always hold it, though code may leave it out."""
AS_IS = "as is"
"""Key of a field's metadata: its value is handed to the class as it is, which looks at it itself."""

_NUMBERS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
LARGEST = 1 << 53
"""Whole numbers beyond it are not what anyone means, and floats cannot tell them apart."""


class Unfit(ValueError):
    """A value that is not what its field holds; the message names the field, the value and what is needed."""


def build(kind: type[T], value: Any, where: str = "", *, unknown: Literal["refuse", "pass"] = "refuse") -> T:
    """A value of ``kind`` from a plain one.

    Args:
        kind: a dataclass, or a type as its fields may have: bool, int, float, str, ``Literal``, ``X | None``,
            ``tuple``, ``dict[str, X]``, ``Any``, ``ndarray`` (float64, of nested lists, finite or not), another such
            dataclass.
        where: name of the value in messages.
        unknown: what happens to keys that the dataclass does not have.

    Raises:
        Unfit: a field is missing, unknown, of another type, or not finite; or the dataclass refused its values.
        LiveHandError: what the dataclass itself raises.
    """
    built: T = _build(kind, value, where, unknown)
    return built


def _build(kind: Any, value: Any, where: str, unknown: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, where, unknown)
    origin = get_origin(kind)
    if kind is Any:
        return value
    if "numpy" in sys.modules and kind is sys.modules["numpy"].ndarray:
        return _array(value, where)
    if kind in _NUMBERS:
        return _plain(kind, value, where)
    if kind is None or kind is types.NoneType:
        return _nothing(value, where)
    if origin is Literal:
        return _literal(kind, value, where)
    if origin in (Union, types.UnionType):
        return _one_of(kind, value, where, unknown)
    if origin is tuple:
        return _tuple(kind, value, where, unknown)
    if kind is dict or origin in (dict, Mapping):
        return _mapping(kind, value, where, unknown)
    raise NotImplementedError(f"fields of the type {kind}")


def _record(kind: Any, value: Any, where: str, unknown: str) -> Any:
    if not isinstance(value, Mapping):
        raise _unfit(where, value, "an object")
    hints, known = _hints(kind), {field.name: field for field in dataclasses.fields(kind)}
    strange = sorted(str(key) for key in value if key not in known)
    if strange and unknown == "refuse":
        raise Unfit(f"{_named(where, strange[0])} is unknown")
    for name, field in known.items():
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in value and (not optional or WRITTEN in field.metadata):
            raise Unfit(f"{_named(where, name)} is missing")
    parts = {
        name: value[name] if AS_IS in field.metadata else _build(hints[name], value[name], _named(where, name), unknown)
        for name, field in known.items()
        if name in value
    }
    try:
        return kind(**parts)
    except Unfit:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise Unfit(f"{where}: {error}" if where else str(error)) from error


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _plain(kind: type, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) < math.inf and abs(value) <= 1e300:
            return float(value)
        raise _unfit(where, value, "a finite number")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _unfit(where, value, _NUMBERS[kind])
    if isinstance(value, int) and abs(value) > LARGEST:
        raise Unfit(f"{where or 'a number'} is beyond 2^53")
    return value


def _array(value: Any, where: str) -> Any:
    import numpy as np

    try:
        found = np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise _unfit(where, value, "a list of numbers") from error
    if found.dtype.kind not in "iuf":
        raise _unfit(where, value, "a list of numbers")
    return found.astype(np.float64)


def _nothing(value: Any, where: str) -> None:
    if value is not None:
        raise _unfit(where, value, "null")


def _literal(kind: Any, value: Any, where: str) -> Any:
    choices = get_args(kind)
    if not isinstance(value, str | int) or value not in choices:
        raise _unfit(where, value, " or ".join(map(repr, choices)))
    return value


def _one_of(kind: Any, value: Any, where: str, unknown: str) -> Any:
    choices = [choice for choice in get_args(kind) if choice is not types.NoneType]
    if value is None and len(choices) < len(get_args(kind)):
        return None
    for choice in choices[:-1]:
        try:
            return _build(choice, value, where, unknown)
        except Unfit:
            continue
    return _build(choices[-1], value, where, unknown)


def _tuple(kind: Any, value: Any, where: str, unknown: str) -> tuple[Any, ...]:
    parts = get_args(kind)
    if not isinstance(value, list | tuple):
        raise _unfit(where, value, "a list")
    if parts[-1] is Ellipsis:
        parts = (parts[0],) * len(value)
    if len(parts) != len(value):
        raise _unfit(where, value, f"a list of {len(parts)}")
    return tuple(
        _build(part, one, f"{where}[{index}]", unknown)
        for index, (part, one) in enumerate(zip(parts, value, strict=True))
    )


def _mapping(kind: Any, value: Any, where: str, unknown: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _unfit(where, value, "an object")
    part = (get_args(kind) or (str, Any))[1]
    return {str(key): _build(part, one, _named(where, key), unknown) for key, one in value.items()}


def _named(where: str, name: object) -> str:
    return f"{where}.{name}" if where else str(name)


def _unfit(where: str, value: Any, needed: str) -> Unfit:
    text = repr(value)
    shown = text if len(text) <= 60 else f"{text[:60]}..."
    return Unfit(f"{where or 'it'} is {shown}, not {needed}")
