"""The document of the method has the sections that the code cites, and the code cites it by its name."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("livehand_core", "livehand_blender", "scripts", "tools", "tests", "docs")
SOURCES = [
    path for folder in FOLDERS for ending in ("*.py", "*.md", "*.wgsl") for path in (ROOT / folder).rglob(ending)
]
CITATION = re.compile(r"method\.md\)?,?\s+(?:sections?\s+)?(\d+(?:\.\d+)?(?:(?:,| and)\s+\d+\.\d+)*)")


def cited(text: str) -> list[str]:
    """Numbers of the sections that a text cites."""
    return [number for match in CITATION.finditer(text) for number in re.findall(r"\d+(?:\.\d+)?", match.group(1))]


def test_every_cited_section_exists() -> None:
    document = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    sections = set(re.findall(r"^#{2,3} (\d+(?:\.\d+)?) \S", document, flags=re.MULTILINE))
    citations = {(path, number) for path in SOURCES for number in cited(path.read_text(encoding="utf-8"))}
    assert len({path for path, _ in citations}) > 20
    assert {f"{path.relative_to(ROOT)}: {number}" for path, number in citations if number not in sections} == set()


def test_nothing_cites_a_document_that_is_not_there() -> None:
    absent = re.compile("METHOD" + r" (sections? )?\d")
    assert [str(path) for path in SOURCES if absent.search(path.read_text(encoding="utf-8"))] == []


def test_a_citation_is_understood() -> None:
    name = "docs/" + "method.md"
    assert cited(f"{name} 1.4 and 1.5, and ([x]({name}) 1.10); {name}") == ["1.4", "1.5", "1.10"]
