"""The kernels' texts: files of WGSL behind the constants that they leave open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "shaders"

Constant = bool | int | float | str | tuple[int, ...]
Constants = Mapping[str, Constant]
"""Name -> value; a tuple of numbers is an array of u32. Strings are types, as in ``alias real = f32``."""


def source(files: Sequence[str], constants: Constants) -> str:
    """One module's text.

    Args:
        files: names without ending; ``"dense:hidden"`` is the file ``dense`` with ``hidden`` in place of ``NAME``.
        constants: stand in front.
    """
    half = "f16" in constants.values()
    lines = ["enable f16;"] if half else []
    lines += [_declared(name, value) for name, value in constants.items()]
    texts = [_read("common"), *(_instance(name) for name in files)]
    return "\n".join((*lines, *texts))


def _declared(name: str, value: Constant) -> str:
    if isinstance(value, str):
        return f"alias {name} = {value};"
    if isinstance(value, bool):
        return f"const {name} = {'true' if value else 'false'};"
    if isinstance(value, int):
        return f"const {name} = {value}u;"
    if isinstance(value, float):
        return f"const {name} = f32({value!r});"
    return f"const {name} = array<u32, {len(value)}>({', '.join(f'{number}u' for number in value)});"


def _instance(name: str) -> str:
    file, _, instance = name.partition(":")
    return _read(file).replace("NAME", instance) if instance else _read(file)


@cache
def _read(name: str) -> str:
    return (FOLDER / f"{name}.wgsl").read_text(encoding="utf-8")
