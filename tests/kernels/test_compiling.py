"""Compiled kernels on disk: taken when their sources are the same, made anew when any of them changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from livehand_core.kernels import compiling

PART = "from .compiling import inlined\n@inlined\ndef part(x):\n    return x + {}\n"

WHOLE = "from .compiling import compiled\nfrom .part import part\n@compiled\ndef whole(x):\n    return part(x)\n"

ASK = "from made.whole import whole; print(whole(1), sum(whole.stats.cache_hits.values()))"


def test_an_edit_of_an_inlined_part_reaches_the_kernels_that_took_it(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    source = Path(compiling.__file__)
    (folder / "__init__.py").touch()
    (folder / source.name).write_bytes(source.read_bytes())
    (folder / "whole.py").write_text(WHOLE)

    def answer(constant: int) -> list[int]:
        """The kernel's answer for 1, and how many compiled copies came from disk."""
        part = folder / "part.py"
        part.write_text(PART.format(constant))
        # As a package manager may leave it: of the same size and age as the version before.
        os.utime(part, (1e9, 1e9))
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("NUMBA_CACHE_DIR", None)
        done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, env=environment, timeout=120)
        assert done.returncode == 0, done.stderr
        return [int(word) for word in done.stdout.split()]

    assert answer(4) == [5, 0]
    assert answer(4) == [5, 1]
    assert answer(6) == [7, 0]
    assert answer(6) == [7, 1]
