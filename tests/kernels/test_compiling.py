"""Compiled kernels on disk: taken when their sources are the same, made anew when any of them changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from livehand_core.kernels import compiling

PART = "from .compiling import inlined\n@inlined\ndef part(x):\n    return x + {}\n"

WHOLE = "from .compiling import compiled\nfrom .part import part\n@compiled\ndef whole(x):\n    return part(x)\n"

ASK = "from made.whole import whole; print(whole(1), sum(whole.stats.cache_hits.values()))"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of one kernel, which takes a part of another module into itself."""
    folder = tmp_path / "made"
    folder.mkdir()
    source = Path(compiling.__file__)
    (folder / "__init__.py").touch()
    (folder / source.name).write_bytes(source.read_bytes())
    (folder / "whole.py").write_text(WHOLE)
    write_part(folder, 4)
    return folder


def write_part(folder: Path, constant: int) -> None:
    part = folder / "part.py"
    part.write_text(PART.format(constant))
    # As a package manager may leave it: of the same size and age as the version before.
    os.utime(part, (1e9, 1e9))


def ask(folder: Path, question: str = ASK) -> list[int]:
    """The kernel's answer for 1, and how many compiled copies came from disk."""
    environment = {**os.environ, "PYTHONPATH": str(folder.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", question], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def kept(folder: Path) -> set[str]:
    """Names of the compiled copies and their indices, this Python's version being ``py``."""
    version = f"py{sys.version_info.major}{sys.version_info.minor}."
    return {path.name.replace(version, "py.") for path in (folder / "__pycache__").glob("*.nb?")}


def age(folder: Path) -> None:
    """Let nobody be at work on what lies there."""
    for path in (folder / "__pycache__").iterdir():
        os.utime(path, (1e9, 1e9))


def test_an_edit_of_an_inlined_part_reaches_the_kernels_that_took_it(package: Path) -> None:
    assert ask(package) == [5, 0]
    assert ask(package) == [5, 1]
    write_part(package, 6)
    assert ask(package) == [7, 0]
    assert ask(package) == [7, 1]


def test_an_edit_of_a_kernel_outside_the_folder_reaches_it(package: Path) -> None:
    outside = package.parent / "outside"
    outside.mkdir()
    question = "from outside.whole import whole; print(whole(1), sum(whole.stats.cache_hits.values()))"
    for constant in (2, 3):
        text = "from made.compiling import compiled\n@compiled\ndef whole(x):\n    return x + {}\n"
        (outside / "whole.py").write_text(text.format(constant))
        assert ask(package, question) == [1 + constant, 0]
        assert ask(package, question) == [1 + constant, 1]


def test_copies_of_other_sources_go_and_only_those(package: Path) -> None:
    ask(package)
    fresh = kept(package)
    assert fresh == {"whole.whole-3.py.1.nbc", "whole.whole-3.py.nbi"}
    folder = package / "__pycache__"
    # Of a Python that still needs its copies, of a kernel and a module that are no more, and a copy in no index.
    (folder / "whole.whole-3.py399.nbi").write_bytes((next(folder.glob("*.nbi"))).read_bytes())
    (folder / "lost.gone-3.py399.nbi").write_bytes(b"of old")
    (folder / "lost.gone-3.py399.1.nbc").touch()
    (folder / "whole.gone-9.py399.nbi").write_bytes(b"of old")
    (folder / "whole.whole-3.py399.7.nbc").touch()
    (folder / "part.gone-3.py399.nbi").write_bytes(b"of a module that nobody has compiled")
    twice = "from made.whole import whole; print(int(whole(1.0)), sum(whole.stats.cache_hits.values()))"
    before = kept(package)
    assert ask(package, twice) == [5, 0]
    assert kept(package) == before | {"whole.whole-3.py.2.nbc"}, "somebody may be at work on what is young"
    age(package)
    assert ask(package, twice.replace("1.0", "1j").replace("int(whole(1j))", "int(whole(1j).real)")) == [4, 0]
    others = {"whole.whole-3.py399.nbi", "part.gone-3.py399.nbi"}
    assert kept(package) == fresh | others | {"whole.whole-3.py.2.nbc", "whole.whole-3.py.3.nbc"}
    assert ask(package) == [5, 1] and ask(package, twice) == [5, 1]

    age(package)
    (package / "whole.py").write_text("\n\n" + WHOLE)
    ask(package)
    assert kept(package) == {"whole.whole-5.py.1.nbc", "whole.whole-5.py.nbi", "part.gone-3.py399.nbi"}


def test_who_runs_sources_of_the_past_deletes_nothing(package: Path) -> None:
    late = (
        "import pathlib, made.whole as m; p = pathlib.Path(m.__file__).with_name('part.py'); "
        "p.write_text(p.read_text() + '#'); print(m.whole(1))"
    )
    folder = package / "__pycache__"
    folder.mkdir()
    (folder / "whole.other-9.py399.nbi").write_bytes(b"of the sources that are there now")
    age(package)
    assert ask(package, late) == [5]
    assert "whole.other-9.py399.nbi" in kept(package)
