"""The three rooms that draw have one form, stand beside each other, and share what the host decides."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from livehand_core.rendering.cpu.hand import CpuHand
from livehand_core.rendering.gpu.hand import GpuHand
from livehand_core.rendering.hand import DrawnHand
from livehand_core.rendering.torch.hand import TorchHand

RENDERING = Path(__file__).resolve().parents[2] / "livehand_core" / "rendering"
ROOMS = {"cpu": CpuHand, "gpu": GpuHand, "torch": TorchHand}


def imported(path: Path) -> set[str]:
    """Modules of ``livehand_core.rendering`` that one of its modules imports, relative to it."""
    depth, found = len(path.relative_to(RENDERING).parts), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            within = [*path.relative_to(RENDERING).parts[: depth - node.level], *(node.module or "").split(".")]
            if node.level <= depth:
                found |= {".".join([*within, alias.name]) for alias in node.names}
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_no_other_and_not_the_renderer(room: str) -> None:
    modules = sorted((RENDERING / room).rglob("*.py"))
    wrong = {
        (path.name, name)
        for path in modules
        for name in imported(path)
        if name.split(".")[0] in (set(ROOMS) | {"renderer"}) - {room}
    }
    assert len(modules) > 5 and not wrong


def test_what_they_share_imports_no_room() -> None:
    shared = [path for path in RENDERING.glob("*.py") if path.stem not in ("__init__", "renderer")]
    assert {"plan", "placing", "hand", "layer"} <= {path.stem for path in shared}
    assert not {(path.name, name) for path in shared for name in imported(path) if name.split(".")[0] in ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_has_the_three_steps_and_no_frame_of_its_own(room: str) -> None:
    hand = ROOMS[room]
    assert issubclass(hand, DrawnHand) and not hand.__abstractmethods__
    assert {"posed", "features", "upsample", "layer"} <= vars(hand).keys()
    assert not {"render", "seen", "_drawn"} & vars(hand).keys()
