"""Whole pickles, and NumPy's files of Python objects, as values that are nested within reason."""

from __future__ import annotations

import ast
from typing import Any

from .machine import DEPTH, OPCODES, Foreign, Machine, PickleError


def read_pickle(content: bytes) -> Any:
    """The data of a pickle.

    Text of Python 2 is taken as Latin-1, as NumPy's arrays need it. Sets become lists, objects of other programs
    :class:`Foreign`; :func:`to_array` makes arrays of what stands for one.

    Raises:
        PickleError: the pickle is damaged or truncated, refers to a name that is not data, or is nested too deeply.
    """
    value = Machine(content).run()
    _check_depth(value)
    return value


def read_object_array(content: bytes) -> Any:
    """The data of an ``.npy`` that holds Python objects: the object of an array without axes, else a list.

    Raises:
        PickleError: it is no such file, or its pickle is refused.
    """
    try:
        version = content[6]
        size, start = (2, 10) if version == 1 else (4, 12)
        length = int.from_bytes(content[8 : 8 + size], "little")
        header = ast.literal_eval(content[start : start + length].decode("latin1").strip())
        shape = tuple(header["shape"])
    except (IndexError, KeyError, ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise PickleError("it is not a NumPy array") from error
    value = read_pickle(content[start + length :])
    items = array_items(value)
    return items[0] if shape == () and len(items) == 1 else items


def array_items(value: Any) -> list[Any]:
    """What an array of objects holds, in order; a list of the value itself where it is no such array."""
    if isinstance(value, Foreign) and value.name.endswith("._reconstruct") and isinstance(value.state, tuple):
        return list(value.state[-1]) if isinstance(value.state[-1], list) else [value]
    return [value]


def _check_depth(value: Any) -> None:
    """Refuse values that are nested deeper than DEPTH, or within themselves. A level knows each container once."""
    level, known = [value], 0
    for _ in range(DEPTH):
        below: dict[int, Any] = {}
        for container in level:
            for part in _parts(container):
                if isinstance(part, list | tuple | dict | Foreign):
                    below[id(part)] = part
        level = list(below.values())
        known += len(level)
        if not level:
            return
        if known > OPCODES:
            break
    raise PickleError(f"it is nested in more than {DEPTH} levels")


def _parts(container: Any) -> Any:
    if isinstance(container, dict):
        return container.values()
    if isinstance(container, Foreign):
        return (container.arguments, container.state)
    return container if isinstance(container, list | tuple) else ()
