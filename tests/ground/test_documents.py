"""The documents are true in what a program can check: links lead somewhere; commands, options and files are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from livehand_core import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ("livehand_core", "livehand_blender")
LOG = ROOT / "docs" / "log"
CODE = re.compile(r"^```(\w*)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """What a link may name after #, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", text_of(page)), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", text_of(page))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


def command_lines(page: Path) -> list[list[str]]:
    """Words of each line of a page's shell blocks that calls this project."""
    lines = (line for language, block in CODE.findall(text_of(page)) if language == "sh" for line in block.splitlines())
    words = [shlex.split(line, comments=True) for line in lines]
    return [line for line in words if line]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_every_page_can_be_found() -> None:
    links = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+\.md[^)\s]*)\)", text_of(page))
    }
    assert [name(page) for page in PAGES[1:] if page not in links] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_livehand_commands_are_understood(page: Path) -> None:
    for words in command_lines(page):
        if Path(words[0]).name == "livehand":
            cli._parser(words[1:]).parse_args(words[1:])


def called(words: list[str]) -> tuple[Path, list[str]] | None:
    """The Python file of the project that a line runs, and the arguments that it gets."""
    for place, word in enumerate(words):
        if words[place - 1] == "-m" and word.partition(".")[0] in PACKAGES and word != "livehand_core":
            path = ROOT / word.replace(".", "/")
            return path / "__main__.py" if path.is_dir() else path.with_suffix(".py"), words[place + 1 :]
        if word.endswith(".py") and word.partition("/")[0] in (*PACKAGES, "scripts", "tools"):
            return ROOT / word, words[place + 1 :]
    return None


def option_sources(script: Path) -> list[Path]:
    """Where the options of a script may stand: in it, in the command of its package, in what it imports."""
    beside = [script.with_name("command.py")] if script.name == "__main__.py" else []
    modules = re.findall(r"^from (livehand_blender[\w.]*__main__) import", text_of(script), flags=re.MULTILINE)
    imports = [source for module in modules for source in option_sources(ROOT / f"{module.replace('.', '/')}.py")]
    return [script, *beside, *imports, ROOT / "livehand_core" / "frame_lists.py"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_scripts_and_modules_and_their_options_are_there(page: Path) -> None:
    for words in command_lines(page):
        found = called(words)
        if found is None:
            continue
        script, arguments = found
        assert script.is_file(), words
        known = "".join(map(text_of, option_sources(script)))
        for word in arguments:
            option = re.match(r"--[a-z][\w-]*", word)
            assert option is None or option[0] in known, f"{name(script)} has no {option[0]}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent != LOG], ids=name)
def test_files_that_are_named_are_there(page: Path) -> None:
    """Of the log nothing is asked: it tells of code of its day."""
    folders = ("livehand_core", "livehand_blender", "scripts", "tools", "tests")
    paths = {f"/{name(path)}" for folder in folders for path in (ROOT / folder).rglob("*.*")}
    named = re.findall(r"`([\w/]+\.(?:py|wgsl))`", CODE.sub("", text_of(page)))
    assert [word for word in named if not any(path.endswith("/" + word) for path in paths)] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_operators_and_variables_that_are_named_are_there(page: Path) -> None:
    sources = "".join(
        text_of(path)
        for folder in ("livehand_core", "livehand_blender", "scripts", "tools", "tests")
        for path in (ROOT / folder).rglob("*.py")
    )
    operators = set(re.findall(r'bl_idname = "livehand\.(\w+)"', sources))
    assert len(operators) > 40
    assert [word for word in re.findall(r"\blivehand\.(\w+)\(", text_of(page)) if word not in operators] == []
    assert [word for word in re.findall(r"\bLIVEHAND_[A-Z]+\b", text_of(page)) if word not in sources] == []


def resolves(dotted: str) -> bool:
    """Whether a dotted name of the project is a module, or something that a module holds."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:count])
        module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if module.is_file():
            rest = parts[count:]
            return not rest or re.search(rf"\b{rest[0]}\b", text_of(module)) is not None
    return False


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent != LOG], ids=name)
def test_modules_that_are_named_or_imported_are_there(page: Path) -> None:
    text = text_of(page)
    named = re.findall(r"`((?:livehand_core|livehand_blender)(?:\.\w+)+)`", CODE.sub("", text))
    for module, names in re.findall(
        r"^from ((?:livehand_core|livehand_blender)[\w.]*) import ([\w, ]+)", text, re.MULTILINE
    ):
        named += [f"{module}.{each.strip()}" for each in names.split(",")]
    assert [dotted for dotted in named if not resolves(dotted)] == []


def test_a_link_to_a_heading_is_understood(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# How: a *GPU*\n[here](#how-a-gpu) [there](#how) [file](none.md)\n", encoding="utf-8")
    assert broken_links(page) == ["#how", "none.md"]
