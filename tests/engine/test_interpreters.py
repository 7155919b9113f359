"""The search for a Python that serves: the order, the reasons, the memory of good answers."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from livehand_core.engine import interpreters
from livehand_core.engine.interpreters import (
    ENVIRONMENT_VARIABLE,
    candidates,
    check_interpreter,
    child_environment,
    environment_python,
    find_interpreter,
)
from livehand_core.errors import EngineError
from tests.engine.helpers import WriteScript

OWN = Path(sys.executable)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "_checked", {})
    monkeypatch.setattr(interpreters, "PROBE_SECONDS", 60.0)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)


def environment(folder: Path, target: Path | None) -> Path:
    """A folder that looks like a virtual environment whose Python is ``target``."""
    python = environment_python(folder)
    python.parent.mkdir(parents=True)
    if target is not None:
        python.write_text(f'#!/bin/sh\nexec "{target}" "$@"\n')
        python.chmod(0o755)
    return folder


def test_this_python_serves() -> None:
    found = find_interpreter()
    assert found.path == OWN and found.rejected == () and found.torch_version[0].isdigit()
    assert found.python_version == ".".join(str(n) for n in sys.version_info[:3])


def test_the_places_are_tried_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = environment(tmp_path / "made", OWN)
    variable = environment(tmp_path / "variable", OWN)
    preferred = environment(tmp_path / "preferred", OWN)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(variable))
    expected = [environment_python(folder) for folder in (preferred, variable, made)]
    assert [path for _, path in candidates(str(preferred), made)] == [*expected, OWN]
    assert find_interpreter(str(preferred), made).path == expected[0]
    assert find_interpreter("", made).path == expected[1]
    monkeypatch.delenv(ENVIRONMENT_VARIABLE)
    assert find_interpreter("  ", made).path == expected[2]
    assert find_interpreter("", None).path == OWN


def test_a_place_that_does_not_serve_is_passed_over_and_told(tmp_path: Path) -> None:
    found = find_interpreter(str(tmp_path / "gone"), environment(tmp_path / "made", None))
    assert found.path == OWN and found.source == "This program's own Python"
    assert len(found.rejected) == 2
    assert "The preference" in found.rejected[0] and "gone is not there" in found.rejected[0]
    assert "The add-on's environment" in found.rejected[1]


def test_when_none_serves_each_place_and_its_reason_is_listed(
    tmp_path: Path, script: WriteScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(script(f'exec "{OWN}" -S "$@"')))
    monkeypatch.setattr(sys, "executable", "/usr/bin/blender")
    with pytest.raises(EngineError) as caught:
        find_interpreter(str(tmp_path / "gone"), tmp_path / "made")
    message = caught.value.message
    assert "(1) The preference" in message and "(2) The variable LIVEHAND_PYTHON" in message
    assert "(3) The add-on's environment" in message and "(4)" not in message
    assert "has no numpy, numba, llvmlite." in message and message.startswith("Rendering needs")
    assert ENVIRONMENT_VARIABLE in caught.value.remedy and "Make Environment" in caught.value.remedy


@pytest.mark.parametrize("own", ["", "/opt/blender-4.5/blender", "C:/Blender/blender.exe"])
def test_blender_itself_is_never_run_as_an_interpreter(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", own)
    assert candidates("", None) == []
    with pytest.raises(EngineError, match="No place to look in"):
        find_interpreter()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("exit 0", "does not behave like Python .exit code 0"),
        ("echo 'not licensed' >&2; exit 1", "does not behave like Python .not licensed"),
        (
            """echo 'LIVEHAND {"version": [3, 9, 18], "missing": [], "torch": "2.1"}'""",
            "is Python 3.9.18; 3.11 or newer is",
        ),
        ("""echo 'LIVEHAND {"version": [3, 12, 1], "missing": ["numba"], "torch": ""}'""", "has no numba"),
    ],
)
def test_an_interpreter_that_does_not_serve_says_why(script: WriteScript, body: str, reason: str) -> None:
    with pytest.raises(EngineError, match=reason) as caught:
        check_interpreter(script(body))
    assert caught.value.remedy


def test_a_missing_library_comes_with_the_command_that_installs_it(script: WriteScript) -> None:
    python = script(f'exec "{OWN}" -S "$@"')
    with pytest.raises(EngineError, match="has no") as caught:
        check_interpreter(python)
    assert f"{python} -m pip install numpy numba llvmlite" in caught.value.remedy


@pytest.mark.parametrize("body", ["exec sleep 60", "sleep 60; echo late"])
def test_an_interpreter_that_hangs_is_given_up(script: WriteScript, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "PROBE_SECONDS", 0.3)
    begun = time.monotonic()
    with pytest.raises(EngineError, match="no answer within"):
        check_interpreter(script(body))
    assert time.monotonic() - begun < 20.0


def test_files_that_cannot_be_run_are_named(tmp_path: Path, script: WriteScript) -> None:
    with pytest.raises(EngineError, match="is not there"):
        check_interpreter(tmp_path / "gone")
    with pytest.raises(EngineError, match="is not executable"):
        check_interpreter(tmp_path)
    plain = script("exit 0")
    plain.chmod(0o644)
    with pytest.raises(EngineError, match="is not executable"):
        check_interpreter(plain)
    plain.write_bytes(b"\x7fELF rubbish")
    plain.chmod(0o755)
    with pytest.raises(EngineError, match="cannot be started"):
        check_interpreter(plain)


def test_a_good_answer_is_remembered_until_the_file_changes_and_a_bad_one_is_not(
    script: WriteScript, tmp_path: Path
) -> None:
    counter = tmp_path / "count"
    python = script(f'echo x >> "{counter}"; exec "{OWN}" "$@"')
    for _ in range(3):
        check_interpreter(python)
    assert counter.read_text().count("x") == 1
    python = script(f'echo x >> "{counter}"; exec "{OWN}" -S "$@"\n#changed\n')
    for _ in range(2):
        with pytest.raises(EngineError):
            check_interpreter(python)
    assert counter.read_text().count("x") == 3


def test_an_interpreter_by_its_bare_name_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = environment_python(environment(tmp_path / "made", OWN)).parent
    monkeypatch.setenv("PATH", str(folder))
    assert candidates("python", None)[0][1] == folder / "python"


def test_another_python_gets_no_paths_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/blender/python")
    monkeypatch.setenv("PYTHONPATH", "/blender/scripts")
    other = child_environment(Path("/other/python"), {"PYTHONPATH": "/given", "X": "1"})
    assert "PYTHONHOME" not in other and other["PYTHONPATH"] == "/given" and other["X"] == "1"
    assert "PYTHONPATH" not in child_environment(Path("/other/python"))
    assert child_environment(OWN)["PYTHONPATH"] == "/blender/scripts"


def test_each_job_takes_the_first_place_that_has_what_it_needs(tmp_path: Path, script: WriteScript) -> None:
    """A Python without torch renders; training and meshes pass it over for the next one."""
    counter = tmp_path / "count"
    answer = json.dumps({"version": [3, 12, 1], "missing": ["torch", "igl"], "torch": ""})
    bare = script(f"""echo x >> "{counter}"; echo 'LIVEHAND {answer}'""")
    found = find_interpreter(str(bare))
    assert found.path == bare and found.torch_version == "" and found.missing == ("torch", "igl")
    for job in ("torch", "import", "meshes", "plain", "training", "evaluation"):
        other = find_interpreter(str(bare), None, job)
        assert other.path == OWN and "has no torch" in other.rejected[0], job
    with pytest.raises(EngineError, match="has no torch, libigl") as caught:
        check_interpreter(bare, "training")
    assert "With Training" in caught.value.remedy and f"{bare} -m pip install torch libigl" in caught.value.remedy
    assert counter.read_text().count("x") == 1, "one question serves all jobs"
