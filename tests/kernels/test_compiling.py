"""Compiled kernels on disk: taken when their sources are the same, made anew when any of them changed."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from livehand_core import kernels
from livehand_core.devices import INSTRUCTIONS, INSTRUCTIONS_VARIABLE
from livehand_core.errors import DeviceError
from livehand_core.kernels.target import _NEEDS, FEATURES, available, choose, named_features

PART = "from .compiling import inlined\n@inlined\ndef part(x):\n    return x + {}\n"

WHOLE = "from .compiling import compiled\nfrom .part import part\n@compiled\ndef whole(x):\n    return part(x)\n"

ASK = "from made.whole import whole; print(whole(1), sum(whole.stats.cache_hits.values()))"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of one kernel, which takes a part of another module into itself."""
    folder = tmp_path / "made"
    folder.mkdir()
    kernel_folder = Path(kernels.__file__).parent
    (folder / "__init__.py").touch()
    for name in ("compiling.py", "kept.py", "target.py"):
        text = (kernel_folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("from ..", "from livehand_core."), encoding="utf-8")
    (folder / "whole.py").write_text(WHOLE)
    write_part(folder, 4)
    return folder


def write_part(folder: Path, constant: int) -> None:
    part = folder / "part.py"
    part.write_text(PART.format(constant))
    # As a package manager may leave it: of the same size and age as the version before.
    os.utime(part, (1e9, 1e9))


def run(folder: Path, question: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A Python that knows the package, and numba's choice of the processor unless told otherwise."""
    checkout = str(Path(kernels.__file__).parents[2])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environment |= {"PYTHONPATH": os.pathsep.join([str(folder.parent), checkout]), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-X", "faulthandler", "-c", question]
    done = subprocess.run(command, capture_output=True, text=True, env=environment | variables, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


def ask(folder: Path, question: str = ASK, **variables: str) -> list[int]:
    """The kernel's answer for 1, and how many compiled copies came from disk."""
    return [int(word) for word in run(folder, question, **variables).stdout.split()]


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


def test_an_edit_in_another_room_reaches_the_kernels_that_took_it(package: Path) -> None:
    room = package / "room"
    room.mkdir()
    (room / "__init__.py").touch()
    (package / "whole.py").write_text(WHOLE.replace(".part", ".room.part"))
    for constant in (3, 5):
        (room / "part.py").write_text(PART.format(constant).replace(".compiling", "..compiling"))
        os.utime(room / "part.py", (1e9, 1e9))
        assert ask(package) == [1 + constant, 0]
        assert ask(package) == [1 + constant, 1]


def test_an_edit_of_a_kernel_outside_the_folder_reaches_it(package: Path) -> None:
    outside = package.parent / "outside"
    outside.mkdir()
    question = "from outside.whole import whole; print(whole(1), sum(whole.stats.cache_hits.values()))"
    for constant in (2, 3):
        text = "from made.compiling import compiled\n@compiled\ndef whole(x):\n    return x + {}\n"
        (outside / "whole.py").write_text(text.format(constant))
        assert ask(package, question) == [1 + constant, 0]
        assert ask(package, question) == [1 + constant, 1]


def test_who_is_compiled_first_decides_no_digit(package: Path) -> None:
    """numba lets a part take what it does not say, such as whether products and sums fuse, from its first caller."""
    (package / "part.py").write_text("from .compiling import inner\n@inner\ndef part(x, y):\n    return x * x + y\n")
    whole = "from .compiling import {0}\nfrom .part import part\n@{0}\ndef whole(x, y):\n    return part(x, y)\n"
    (package / "whole.py").write_text(whole.format("contracted"))
    # The square's last digits are lost where it is rounded before the sum.
    x = 1.0 + 2.0**-30
    assert run(package, f"from made.whole import whole; print(whole({x!r}, {-(x * x)!r}))").stdout.split() == ["0.0"]


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


@pytest.mark.parametrize("damage", ["cut", "one bit", "empty", "text"])
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_damaged_copy_is_made_anew(package: Path, suffix: str, damage: str) -> None:
    ask(package)
    (path,) = (package / "__pycache__").glob(f"*{suffix}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = {"cut": bytes(content[: len(content) // 2]), "one bit": bytes(content), "empty": b"", "text": b"of old"}
    path.write_bytes(damaged[damage])
    assert ask(package) == [5, 0]
    assert ask(package) == [5, 1]


def test_another_llvm_or_numba_compiles_anew_and_unpickles_nothing_of_the_other(package: Path) -> None:
    for module in ("llvmlite", "numba"):
        ask(package)
        other = f"import {module}; {module}.__version__ = '0.0'; import pickle; {ASK}"
        assert ask(package, other) == [5, 0]
        assert ask(package, other) == [5, 1]


def test_without_a_folder_for_copies_kernels_are_compiled_in_memory_and_one_line_says_so(package: Path) -> None:
    (package / "__pycache__").write_text("no folder")
    (package.parent / "file").write_text("no folder either")
    twice = f"{ASK}; from made.compiling import compiled\n@compiled\ndef g(x):\n    return x\ng(1)"
    done = run(package, twice, LIVEHAND_CACHE=str(package.parent / "file" / "cache"))
    assert done.stdout.split() == ["5", "0"]
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    assert "cannot be kept" in line and "LIVEHAND_CACHE" in line and str(package) in line


def test_sources_that_may_not_be_written_beside_have_their_copies_in_the_cache(package: Path) -> None:
    (package / "__pycache__").write_text("no folder")
    cache = package.parent / "cache"
    assert ask(package, LIVEHAND_CACHE=str(cache)) == [5, 0]
    assert ask(package, LIVEHAND_CACHE=str(cache)) == [5, 1]
    assert len(list((cache / "kernels").rglob("*.nbc"))) == 1


def test_a_disk_that_fills_up_stops_no_kernel(package: Path) -> None:
    full = (
        "import errno, made.kept as kept\n"
        "def fails(*_): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        f"kept._File._save_data = fails\n{ASK}"
    )
    done = run(package, full)
    assert done.stdout.split() == ["5", "0"] and done.stderr.count("No space left") == 1


BLOCK = """
import numpy as np
from livehand_core.kernels.products import packing
from livehand_core.kernels.products.block import dot_block
from livehand_core.kernels.target import instructions
from made.compiling import compiled

@compiled
def block(sums, rows, offsets, taps, weights):
    dot_block(sums, rows, offsets, 0, taps, weights)

rng, good, hits = np.random.default_rng(0), True, 0
for kind in ("float32", *(("int16",) if instructions().int16 else ()), *(("uint8",) if instructions().uint8 else ())):
    rows = rng.integers(0, 100, (packing.FULL.rows, 36)).astype(kind)
    weights = rng.integers(-127, 128, (packing.FULL.columns, 1, 36))
    sums = np.zeros((packing.FULL.rows, packing.FULL.columns), np.float32 if kind == "float32" else np.int32)
    offsets, taps = np.arange(packing.FULL.rows, dtype=np.int64) * 36, np.array([0, 36], np.int64)
    block(sums, rows, offsets, taps, packing.pack(weights, kind)[0])
    good = good and np.allclose(sums, rows.astype(np.float64) @ weights[:, 0].T)
print(int(good), sum(block.stats.cache_hits.values()), instructions().lanes, packing.FULL.columns)
"""

V3 = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe"}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="forces targets of x86-64")
def test_a_farm_of_mixed_machines_shares_one_cache(package: Path) -> None:
    """Shapes follow numba's target: those of the host fail to compile for a lesser one, or crash in its copies."""
    module = package / "asked.py"
    module.write_text(BLOCK)
    targets: list[dict[str, str]] = [V3, {"NUMBA_CPU_NAME": "generic"}, {"NUMBA_CPU_NAME": "x86-64-v3"}]
    targets += [{"LIVEHAND_INSTRUCTIONS": known.name} for known in available(named_features(FEATURES))]
    for known in (False, True):
        for target in targets:
            good, hits, lanes, columns = ask(package, "import made.asked", **target)
            assert good and (hits > 0) is known, target
            assert (columns == 64) is (lanes == 16)
            assert lanes == 8 or "NUMBA_CPU_FEATURES" not in target
            assert lanes == 4 or target.get("NUMBA_CPU_NAME") != "generic"


@pytest.mark.parametrize(
    ("features", "name"),
    [
        ({"avx", "avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni"}, "avx512-vnni"),
        ({"avx", "avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"}, "avx512"),
        ({"avx", "avx2", "fma", "avxvnni"}, "avx-vnni"),
        ({"avx", "avx2", "fma"}, "avx2"),
        ({"avx"}, "plain"),
        ({"neon"}, "plain"),
        ({"neon", "dotprod"}, "neon-dot"),
        ({"neon", "dotprod", "i8mm"}, "neon-i8mm"),
    ],
)
def test_a_target_gets_the_best_instructions_that_it_has(features: set[str], name: str) -> None:
    assert choose(frozenset(features)).name == name


def test_instructions_that_the_target_lacks_are_refused_by_name() -> None:
    assert choose(frozenset({"avx", "avx2", "fma"}), "plain").name == "plain"
    with pytest.raises(DeviceError, match=r"'avx512'.*LIVEHAND_INSTRUCTIONS to one of avx2, plain"):
        choose(frozenset({"avx", "avx2", "fma"}), "avx512")


def test_a_list_of_features_is_read_as_llvm_reads_it() -> None:
    assert named_features("+avx2, +fma,-avx512f,") == {"avx2", "fma"}
    assert named_features("+avx512f,-avx512f,-fma,+fma") == {"fma"} and not named_features("")


@pytest.mark.slow
def test_the_command_line_chooses_and_names_the_instructions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(INSTRUCTIONS_VARIABLE, raising=False)
    monkeypatch.setenv("LIVEHAND_CACHE", str(tmp_path))
    assert {known.name for needs, known in _NEEDS} == set(INSTRUCTIONS)
    lacking = next(
        (name for name in INSTRUCTIONS if name not in {k.name for k in available(named_features(FEATURES))}), ""
    )
    command = [sys.executable, "-m", "livehand_core", "bench", "--no-engine", "--plain-frames", "0", "--frames", "2"]
    done = subprocess.run([*command, "--instructions", "plain"], capture_output=True, text=True)
    assert done.returncode == 0 and "kernels use plain" in done.stdout, done.stderr
    if lacking:
        done = subprocess.run([*command, "--instructions", lacking], capture_output=True, text=True)
        assert done.returncode == 2 and f"does not have the instructions {lacking!r}" in done.stderr
