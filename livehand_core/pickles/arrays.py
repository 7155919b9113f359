"""Arrays out of what a pickle's machine leaves: each from its type, its shape and its bytes, by our own code."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .machine import DEPTH, ELEMENTS, Foreign, Name, PickleError
from .names import SPARSE


def to_array(value: Any) -> np.ndarray:
    """The array that a value of :func:`read_pickle` stands for.

    NumPy's arrays and scalars, sparse matrices of SciPy (as dense ones), chumpy's wrappers of arrays, numbers, and
    lists of any of them.

    Raises:
        PickleError: it stands for none, its bytes do not agree with its type and shape, or it is too large.
    """
    try:
        return _array(value, DEPTH)
    except PickleError:
        raise
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, OverflowError, MemoryError) as error:
        raise PickleError(f"an array does not fit its description ({error})") from error


def _array(value: Any, levels: int) -> np.ndarray:
    if levels == 0:
        raise PickleError(f"it is nested in more than {DEPTH} levels")
    if isinstance(value, Foreign):
        for ending, build in _BUILDERS:
            if value.name.endswith(ending):
                return build(value, levels - 1)
        return _of_chumpy(value, levels - 1)
    if isinstance(value, list | tuple):
        if _size(value, {}, levels) > ELEMENTS:
            raise PickleError("a list of too many numbers")
        value = _parts_of_list(value, levels - 1)
    elif not isinstance(value, bool | int | float | complex | str | bytes):
        raise PickleError(f"no array but {type(value).__name__}")
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise PickleError("objects in place of numbers")
    return array


def _parts_of_list(values: list[Any] | tuple[Any, ...], levels: int) -> list[Any]:
    """The parts of a list as arrays and numbers, ELEMENTS of them together at most."""
    parts, total = [], 0
    for value in values:
        parts.append(_array(value, levels) if isinstance(value, Foreign | list | tuple) else value)
        total += parts[-1].size if isinstance(parts[-1], np.ndarray) else 1
        if total > ELEMENTS:
            raise PickleError("a list of too many numbers")
    return parts


def _size(value: Any, known: dict[int, int], levels: int) -> int:
    """Numbers in nested lists, each list counted as often as it is used."""
    if not isinstance(value, list | tuple) or levels == 0:
        return 1
    if id(value) not in known:
        known[id(value)] = sum(_size(part, known, levels - 1) for part in value)
    return known[id(value)]


def dtype_of(value: Any) -> np.dtype[Any]:
    """A plain number type, with its byte order.

    Raises:
        PickleError: objects, fields, or a type of no known size.
    """
    order = ""
    if isinstance(value, Foreign) and value.name == "numpy.dtype":
        code = value.arguments[0] if value.arguments else None
        if isinstance(value.state, tuple) and len(value.state) > 1 and value.state[1] in ("<", ">"):
            order = value.state[1]
        if isinstance(value.state, tuple) and any(part for part in value.state[2:5]):
            raise PickleError("an array with fields")
    else:
        code = str(value).rpartition(".")[2] if isinstance(value, Name) else value
        code = {"float64": "f8", "float32": "f4", "int64": "i8", "int32": "i4", "uint32": "u4", "bool_": "b1"}.get(
            str(code), code
        )
    if code not in _CODES:
        raise PickleError(f"an array of the type {code!r}")
    return np.dtype(order + str(code))


_CODES = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})


def _numbers(kind: Any, shape: Any, content: Any, fortran: bool) -> np.ndarray:
    dtype = dtype_of(kind)
    content = content.encode("latin1") if isinstance(content, str) else content
    sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    if not all(type(size) is int and size >= 0 for size in sizes) or len(sizes) > 32 or not isinstance(content, bytes):
        raise PickleError("an array without a shape or bytes")
    if math.prod(sizes) * dtype.itemsize != len(content):
        raise PickleError(f"an array of the shape {sizes} with {len(content)} bytes")
    values = np.frombuffer(content, dtype).astype(dtype.newbyteorder("="))
    return values.reshape(sizes[::-1]).transpose() if fortran else values.reshape(sizes)


def _of_numpy(value: Foreign, levels: int) -> np.ndarray:
    """``_reconstruct(ndarray, (0,), b"b")`` with the state (version, shape, dtype, Fortran order, bytes)."""
    state = value.state
    if not isinstance(state, tuple) or not 4 <= len(state) <= 5:
        raise PickleError("an array without content")
    shape, kind, fortran, content = state[-4:]
    if isinstance(content, list):
        return _array(content, levels).reshape(shape)
    return _numbers(kind, shape, content, bool(fortran))


def _of_buffer(value: Foreign, levels: int) -> np.ndarray:
    """``_frombuffer(bytes, dtype, shape, order)`` of protocol 5."""
    content, kind, shape, order = value.arguments
    return _numbers(kind, shape, content, order == "F")


def _of_scalar(value: Foreign, levels: int) -> np.ndarray:
    kind, content = value.arguments
    return _numbers(kind, (), content, False)


def _of_sparse(value: Foreign, levels: int) -> np.ndarray:
    """A dense (rows, columns) array of a compressed or coordinate matrix."""
    table = value.table
    rows, columns = (int(size) for size in table["_shape" if "_shape" in table else "shape"])
    if rows < 0 or columns < 0 or rows * columns > ELEMENTS:
        raise PickleError("a sparse matrix that is too large")
    data = _array(table["data"], levels)
    if "indptr" in table:
        starts, inner = (_array(table[name], levels).astype(np.int64) for name in ("indptr", "indices"))
        by_column = ".csc" in value.name or "_csc" in value.name or "csc_" in value.name
        counts = np.diff(starts)
        sizes = len(starts) - 1 == (columns if by_column else rows) and starts[-1] == len(data)
        if not sizes or (counts < 0).any():
            raise PickleError("a sparse matrix whose parts do not agree")
        outer = np.repeat(np.arange(len(counts)), counts)
        row, column = (inner, outer) if by_column else (outer, inner)
    else:
        coords = table["coords"] if "coords" in table else (table["row"], table["col"])
        row, column = (_array(part, levels).astype(np.int64) for part in coords)
    if not len(row) == len(column) == len(data) or (row < 0).any() or (column < 0).any():
        raise PickleError("a sparse matrix whose parts do not agree")
    answer = np.zeros((rows, columns))
    np.add.at(answer, (row, column), data)
    return answer


def _of_chumpy(value: Foreign, levels: int) -> np.ndarray:
    """chumpy's Ch (its array is ``x``) and Select (flat indices into ``a``, answered in a preferred shape)."""
    table = value.table
    if "x" in table and "idxs" not in table:
        return _array(table["x"], levels)
    if "idxs" in table:
        picked = _array(table["a"], levels).reshape(-1)[_array(table["idxs"], levels).reshape(-1)]
        shape = table.get("preferred_shape")
        return picked.reshape(tuple(int(size) for size in shape)) if shape is not None else picked
    if "a" in table:
        return _array(table["a"], levels)
    raise PickleError(f"an object of {value.name} with {', '.join(sorted(table)) or 'nothing'}")


_BUILDERS: tuple[tuple[str, Callable[[Foreign, int], np.ndarray]], ...] = (
    ("multiarray._reconstruct", _of_numpy),
    ("numpy.ndarray", _of_numpy),
    ("multiarray.scalar", _of_scalar),
    ("numeric._frombuffer", _of_buffer),
    *((name, _of_sparse) for name in sorted(SPARSE)),
)
"""How a name ends -> how its arrays are built."""
