"""The doctor: a finding for each thing, a remedy for each problem, and the exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from livehand_core import __version__, doctor
from livehand_core.cli import main
from livehand_core.doctor import Finding, as_text, examine
from livehand_core.engine import interpreters
from livehand_core.engine.protocol import PROTOCOL_VERSION
from tests.engine.helpers import WriteScript


def findings(topic: str, **options: object) -> list[Finding]:
    return [finding for finding in examine(**options) if finding.topic == topic]  # type: ignore[arg-type]


def test_everything_is_looked_at_without_starting_the_engine() -> None:
    report = list(examine(start_engine=False))
    topics = [finding.topic for finding in report]
    for topic in (
        "system",
        "this Python",
        "built-in hand",
        "default avatar",
        "MANO",
        "engine's Python",
        "libraries",
        "training",
    ):
        assert topic in topics
    assert "engine" not in topics and "device" not in topics
    assert all(finding.detail for finding in report)
    assert all(finding.remedy for finding in report if finding.state == "problem")
    assert "torch 2" in next(f.detail for f in report if f.topic == "libraries")


def test_the_engine_is_started_and_tells_of_its_devices() -> None:
    report = list(examine())
    engine = [finding for finding in report if finding.topic == "engine"]
    assert [finding.state for finding in engine] == ["ok"] and f"protocol {PROTOCOL_VERSION}, torch 2" in engine[
        0
    ].detail
    assert any(f.detail.startswith("cpu") for f in report if f.topic == "device")


def test_without_an_interpreter_the_reasons_and_the_remedy_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(interpreters.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "executable", "")
    report = list(examine(str(tmp_path / "gone")))
    assert report[-1].topic == "engine's Python" and report[-1].state == "problem"
    assert "gone is not there" in report[-1].detail and report[-1].remedy


def test_a_python_without_torch_is_healthy_and_what_it_cannot_do_has_its_remedy(script: WriteScript) -> None:
    """Rendering needs no torch: no problem, but a note for each other job."""
    answer = json.dumps({"version": [3, 12, 1], "missing": ["torch", "igl", "lpips", "skimage"], "torch": ""})
    python = script(f"echo 'LIVEHAND {answer}'")
    report = {finding.topic: finding for finding in examine(str(python), start_engine=False)}
    assert "problem" not in {finding.state for finding in report.values()}
    assert {report[job].state for job in ("rendering", "pictures", "gpu")} == {"ok"}
    lacking = {"torch": "torch", "meshes": "scikit-image", "training": "libigl", "evaluation": "torch"}
    for job, library in lacking.items():
        assert report[job].state == "note" and library in report[job].detail
        assert f"{python} -m pip install" in report[job].remedy


def test_kernels_that_cannot_be_kept_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert [finding.state for finding in findings("compiled kernels", start_engine=False)] == ["ok"]
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIVEHAND_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(doctor, "core_folder", lambda: tmp_path / "file")
    (told,) = findings("compiled kernels", start_engine=False)
    assert told.state == "note" and "LIVEHAND_CACHE" in told.remedy


def test_a_place_that_was_passed_over_is_told(tmp_path: Path) -> None:
    passed = findings("passed over", preference=str(tmp_path / "gone"), start_engine=False)
    assert len(passed) == 1 and "gone is not there" in passed[0].detail


def test_an_engine_that_does_not_start_is_a_problem(script: WriteScript, monkeypatch: pytest.MonkeyPatch) -> None:
    python = script(f'case "$2" in *runpy*) echo "no licence" >&2; exit 9;; esac; exec "{sys.executable}" "$@"')
    broken = findings("engine", preference=str(python))
    assert broken[0].state == "problem" and "no licence" in broken[0].detail


@pytest.mark.parametrize("content", [None, b"not a pickle", b"cos\nsystem\n(S'true'\ntR."])
def test_a_mano_file_that_does_not_serve_is_a_problem(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "MANO_RIGHT.pkl"
    if content is not None:
        path.write_bytes(content)
    for given, count in ((path, 1), (tmp_path, 2)):
        report = findings("MANO", mano=given, start_engine=False)
        # A path that is a folder stands for both hands.
        assert [finding.state for finding in report] == ["problem"] * count
        assert all("MANO_" in finding.detail and finding.remedy for finding in report)


def test_no_mano_is_only_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVEHAND_MANO", raising=False)
    assert [finding.state for finding in findings("MANO", start_engine=False)] == ["note"]


def test_a_remedy_stands_on_a_line_of_its_own() -> None:
    assert as_text(Finding("device", "ok", "cpu")).count("\n") == 0
    text = as_text(Finding("device", "problem", "none", "Buy one."))
    assert text.splitlines()[1].strip() == "-> Buy one."


@pytest.mark.parametrize("state", ["ok", "note", "problem"])
def test_the_exit_code_and_the_json_say_whether_rendering_works(
    state: doctor.State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda *args, **options: iter([Finding("thing", state, "as it is", "Act.")]))
    code = main(["doctor", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "version": __version__,
        "healthy": state != "problem",
        "findings": [{"topic": "thing", "state": state, "detail": "as it is", "remedy": "Act."}],
    }
    assert code == main(["doctor"]) == (1 if state == "problem" else 0)
    assert "thing" in capsys.readouterr().out


def test_the_doctor_needs_no_torch_of_its_own() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from livehand_core.doctor import examine\n"
        "assert [f for f in examine() if f.topic == 'engine'][0].state == 'ok'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
