"""No module of the two packages imports itself on a way round, not even within a function or for type checkers only."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("livehand_core", "livehand_blender")


def modules(root: Path) -> dict[str, Path]:
    """Name -> file of every module and package."""
    found = {}
    for path in (path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def named(module: str, path: Path) -> Iterator[tuple[str, str]]:
    """Each import anywhere in a module: what it imports from, and the name taken from it, empty for all of it."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((source, alias.name) for alias in node.names)


def imports(root: Path) -> dict[str, set[str]]:
    """Module -> the modules that it imports."""
    known = modules(root)
    graph: dict[str, set[str]] = {}
    for module, path in known.items():
        targets = {
            f"{source}.{name}" if f"{source}.{name}" in known else source for source, name in named(module, path)
        }
        graph[module] = targets & known.keys() - {module}
    return graph


def shortest_cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """The modules of a shortest way round, the first one again at its end; empty when there is none."""
    best: list[str] = []
    for start in graph:
        before: dict[str, str] = {}
        front = [start]
        while front and start not in before:
            following = []
            for module in front:
                for target in sorted(graph[module] - before.keys()):
                    before[target] = module
                    following.append(target)
            front = following
        if start in before:
            way = [start, before[start]]
            while way[-1] != start:
                way.append(before[way[-1]])
            if not best or len(way) < len(best):
                best = way[::-1]
    return best


def test_no_imports_go_in_circles() -> None:
    graph = imports(ROOT)
    assert len(graph) > 200 and sum(map(len, graph.values())) > 500
    cycle = shortest_cycle(graph)
    assert not cycle, "imports go in a circle: " + " -> ".join(cycle)


@pytest.mark.parametrize(
    ("text", "circle"),
    [
        ("from .b import B", True),
        ("def late():\n    from . import b", True),
        ("def late():\n    import livehand_core.b", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from livehand_core.b import B", True),
        ("from .c import C\nimport numpy", False),
    ],
)
def test_a_circle_is_found_wherever_the_import_stands(tmp_path: Path, text: str, circle: bool) -> None:
    package = tmp_path / "livehand_core"
    package.mkdir()
    for name, content in (("__init__", ""), ("a", text), ("b", "from .room.d import D"), ("c", "")):
        (package / f"{name}.py").write_text(content)
    (package / "room").mkdir()
    (package / "room" / "__init__.py").touch()
    (package / "room" / "d.py").write_text("from ..a import A")
    found = shortest_cycle(imports(tmp_path))
    names = [name.removeprefix("livehand_core.") for name in found]
    assert (set(names) == {"a", "b", "room.d"}) if circle else not found
    assert not found or (found[0] == found[-1] and len(found) == 4)
