"""From a document to tables of one hand each: wrappers opened, rows put together, the two hands told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import PoseError
from ..pickles import Foreign, PickleError, array_items, to_array
from ..poses import Side
from .keys import has_role, side_named, sort_keys
from .shapes import whole_rows

Table = dict[str, Any]

_POSES = ("full", "fingers", "both")
_OF_ALL = ("rate", "side", "right", "left", "pca", "flat", "up", "model")
"""What a wrapper tells of every table in it."""

_DEPTH = 4
_ROW_WIDTHS = (48, 51, 61)


def tables_of(document: Any, name: str) -> list[tuple[Side | None, Table]]:
    """The tables with poses in a document, each with the hand that its wrapper names.

    Known are a table; ``{left, right}``, ``{lhand: {params}}`` and other wrappers; a list of tables, one a frame;
    tables by frame number; and arrays or lists of 48, 51 or 61 numbers a frame (pose; translation; FreiHAND's shape).

    Raises:
        PoseError: nothing of the kind.
    """
    found = _search(_opened(document), None, _DEPTH)
    if not found:
        keys = listed(document) if isinstance(document, Mapping) else type(document).__name__
        raise PoseError(
            f"{name} holds no hand poses (it has {keys[:200] or 'nothing'}).",
            "Give poses (n, 48), or hand_pose and global_orient.",
        )
    return found


def choose_table(
    found: Sequence[tuple[Side | None, Table]], side: Side | None, prefer: Side | None, name: str
) -> tuple[Side | None, Table]:
    """The table of the wanted hand, else of the preferred one, else the only one there is.

    Raises:
        PoseError: it is not there, or several are.
    """
    for wanted in (side, prefer, "right", "left"):
        match = [entry for entry in found if entry[0] == wanted and wanted is not None]
        if len(match) == 1:
            return match[0]
        if match:
            raise PoseError(f"{name} holds {len(match)} motions of the {wanted} hand.", "Give a file of one of them.")
        if wanted == side and side is not None and all(entry[0] for entry in found):
            raise PoseError(f"{name} holds no {side} hand.", f"Read the {found[0][0]} one.")
    if len(found) > 1:
        raise PoseError(f"{name} holds {len(found)} motions.", "Give a file of one of them.")
    return found[0]


def listed(table: Mapping[str, Any]) -> str:
    """The keys of a table, arrays with their shapes, for messages."""
    return ", ".join(
        f"{key} of shape {value.shape}" if isinstance(value, np.ndarray) else str(key)
        for key, value in sorted(table.items(), key=lambda entry: str(entry[0]))
    )


def _search(value: Any, side: Side | None, depth: int) -> list[tuple[Side | None, Table]]:
    if depth == 0:
        return []
    if isinstance(value, np.ndarray):
        return [(side, {"poses": value})] if value.dtype.kind in "fiu" and value.size else []
    if isinstance(value, list):
        return _search_list(value, side, depth)
    if not isinstance(value, Mapping):
        return []
    if _has_poses(value):
        return [(side, dict(value))]
    numbers = _by_number(value)
    if numbers is not None:
        return _search_list(numbers, side, depth)
    found = []
    for key, part in value.items():
        if isinstance(part, Mapping | list):
            found += _search(part, side_named(key) or side, depth - 1)
    return [(own, _with_outer(table, value, alone=len(found) == 1)) for own, table in found]


def _with_outer(table: Table, wrapper: Mapping[str, Any], alone: bool) -> Table:
    """A table with what its wrapper tells and it does not: of several tables only what holds for all of them."""
    answer = dict(table)
    for key, part in wrapper.items():
        roles = [role for role in sort_keys({key: part}, "right")[0] if not isinstance(part, Mapping)]
        if roles and (alone or roles[0] in _OF_ALL) and not has_role(table, roles[0]):
            answer[key] = part
    return answer


def _search_list(rows: list[Any], side: Side | None, depth: int) -> list[tuple[Side | None, Table]]:
    rows = [_unwrapped(row) for row in rows]
    if any(isinstance(row, Mapping) for row in rows) and all(row is None or isinstance(row, Mapping) for row in rows):
        parts = [_search(row, side, depth - 1) for row in rows]
        hands = dict.fromkeys(own for part in parts for own, _ in part)
        return [(own, _stacked(_frames_of_hand(own, rows, parts))) for own in hands]
    try:
        array = np.asarray(whole_rows(rows), dtype=np.float64)
    except (TypeError, ValueError):
        return []
    if array.ndim >= 1 and array.size and array.shape[-1] in (*_ROW_WIDTHS, 3):
        return [(side, {"poses": array})]
    return []


def _frames_of_hand(own: Side | None, rows: list[Any], parts: list[list[tuple[Side | None, Table]]]) -> list[Table]:
    """The tables of one hand in their order; an empty one where a frame says that the hand is not there."""
    tables: list[Table] = []
    for row, part in zip(rows, parts, strict=True):
        tables += [table for side, table in part if side == own]
        if not row or any(own and side_named(key) == own and not _holds(value) for key, value in row.items()):
            tables.append({})
    return tables


def _holds(value: Any) -> bool:
    return value is not None and not (isinstance(value, list | Mapping) and not value)


def _unwrapped(row: Any) -> Any:
    """A frame out of a list of one."""
    return row[0] if isinstance(row, list) and len(row) == 1 and isinstance(row[0], list | Mapping) else row


def _has_poses(table: Mapping[str, Any]) -> bool:
    for side in ("right", "left"):
        roles, _ = sort_keys(table, side)  # type: ignore[arg-type]
        if any(role in roles and not isinstance(table[roles[role]], Mapping) for role in _POSES):
            return True
    return False


def _by_number(table: Mapping[str, Any]) -> list[Any] | None:
    """The entries of a table whose keys are all frame numbers, in their order."""
    if not table or not all(str(key).isdigit() for key in table):
        return None
    return [table[key] for key in sorted(table, key=lambda key: int(str(key)))]


def _stacked(tables: list[Table]) -> Table:
    """Tables of one frame each as one table; what a frame does not have is NaN there."""
    if len(tables) == 1:
        return tables[0]
    answer: Table = {}
    for key in dict.fromkeys(key for table in tables for key in table):
        values = [_one_row(table.get(key)) for table in tables]
        try:
            answer[key] = values if _told_once(values) else np.asarray(whole_rows(values), dtype=np.float64)
        except (TypeError, ValueError):
            answer[key] = values
    return answer


def _told_once(values: list[Any]) -> bool:
    """Whether single numbers, such as a rate or a truth, are missing in some frames."""
    return None in [value if value is None else 0 for value in values] and all(np.ndim(value) == 0 for value in values)


def _one_row(value: Any) -> Any:
    """A frame's numbers without a leading axis of 1; anything else as it is."""
    if not isinstance(value, list | np.ndarray):
        return value
    try:
        row = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return value
    return row[0] if row.ndim > 1 and len(row) == 1 else row


def _opened(value: Any, depth: int = 8) -> Any:
    """A document without another program's wrappers: arrays out of pickles, objects out of arrays of objects."""
    if depth == 0:
        return value
    if isinstance(value, Foreign):
        try:
            return to_array(value)
        except PickleError:
            items = array_items(value)
            if items == [value]:
                return value
            return _opened(items[0] if len(items) == 1 else items, depth - 1)
    if isinstance(value, Mapping):
        return {str(key): _opened(part, depth - 1) for key, part in value.items()}
    if isinstance(value, list):
        return (
            [_opened(part, depth - 1) for part in value]
            if any(isinstance(p, Foreign | Mapping) for p in value)
            else value
        )
    return value
