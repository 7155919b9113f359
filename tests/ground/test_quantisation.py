"""Arithmetic with integers lies behind one wall: no other module of the processor's room speaks of it."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOM = Path(__file__).resolve().parents[2] / "livehand_core" / "rendering" / "cpu"
WORDS = re.compile(r"\b(u?int(8|16)|(8|16)[ -]bits?|headroom)\b", re.IGNORECASE)


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda path: path.name)
def test_integers_of_few_bits_are_named_in_their_own_room_only(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = [
        f"line {token.start[0]}: {token.string.strip()[:80]}"
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type != tokenize.NL and WORDS.search(token.string)
    ]
    assert not found, found


def test_their_own_room_names_them() -> None:
    assert any(WORDS.search(path.read_text(encoding="utf-8")) for path in (ROOM / "quantisation").glob("*.py"))
