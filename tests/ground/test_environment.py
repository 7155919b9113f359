"""The set-up of ``.venv``: its parsers, its choice of builds, and what it tells a person who has to help."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import environment
import pytest
import system_libraries
from system_libraries import SetupFailed

LDD = """\
\tlinux-vdso.so.1 (0x00007ffd)
\tlibX11.so.6 => /lib/x86_64-linux-gnu/libX11.so.6 (0x00007f)
\tlibSM.so.6 => not found
\tlibxkbcommon.so.0 => not found
\tlibSM.so.6 => not found
"""


def test_ldd_names_each_missing_library_once() -> None:
    assert system_libraries.parse_ldd(LDD) == ["libSM.so.6", "libxkbcommon.so.0"]


def test_packages_of_missing_libraries() -> None:
    names = ["libSM.so.6", "libxkbcommon.so.0", "libnew.so.3"]
    assert system_libraries.debian_packages(names) == ["libsm6", "libxkbcommon0", "libnew3"]


def test_missing_library_message_holds_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(system_libraries, "missing_libraries", lambda python: ["libSM.so.6"])
    monkeypatch.setattr(system_libraries, "install_with_apt", lambda packages: False)
    with pytest.raises(SetupFailed, match=r"libSM\.so\.6(.|\n)*sudo apt-get install .* libsm6"):
        system_libraries.ensure_system_libraries(Path(sys.executable))


def test_a_missing_software_gpu_is_installed_or_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [("", "wgpu is not installed"), ("llvmpipe, Vulkan", "")]
    asked: list[list[str]] = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(system_libraries, "_gpu", lambda *_: answers[len(asked) % 2])
    monkeypatch.setattr(system_libraries, "install_with_apt", lambda packages: asked.append(packages) is None)
    python = Path(sys.executable)
    assert system_libraries.ensure_software_gpu(python, environment.ROOT) == "llvmpipe, Vulkan"
    assert asked == [["libvulkan1", "mesa-vulkan-drivers"]] and "left out" not in capsys.readouterr().out
    asked.clear()
    monkeypatch.setattr(system_libraries, "install_with_apt", lambda packages: False)
    assert system_libraries.ensure_software_gpu(python, environment.ROOT) == ""
    said = capsys.readouterr().out
    assert "left out: wgpu is not installed" in said and "apt-get install --no-install-recommends libvulkan1" in said


def test_what_the_gpus_tests_run_on_is_asked_of_the_renderer_itself(tmp_path: Path) -> None:
    found, why = system_libraries._gpu(Path(sys.executable), environment.ROOT)
    assert found or why
    assert system_libraries._gpu(Path(sys.executable), tmp_path) == ("", why) or "No module" in why or found


@pytest.mark.skipif(os.name != "posix", reason="apt-get is Debian's")
def test_apt_is_left_alone_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(system_libraries.subprocess, "run", lambda *a, **k: pytest.fail("nothing may be started"))
    assert not system_libraries.install_with_apt(["libsm6"])


def test_lock_is_read_and_refused_when_loose(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("# note\nnumpy==1.26.4\n\nPillow==13.0.0  # why\n")
    assert environment.read_lock(lock) == {"numpy": "1.26.4", "Pillow": "13.0.0"}
    lock.write_text("numpy>=1.26\n")
    with pytest.raises(SetupFailed, match=r"numpy>=1\.26"):
        environment.read_lock(lock)


def test_missing_pins_are_found() -> None:
    import numpy

    pins = {"numpy": numpy.__version__, "pytest": "0.0.1", "no-such-distribution-here": "1.0"}
    missing = environment.missing_pins(Path(sys.executable), pins)
    assert missing == ["pytest==0.0.1", "no-such-distribution-here==1.0"]


def test_stamp_follows_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements").mkdir()
    lock = tmp_path / "requirements" / "ci-py311.txt"
    lock.write_text("numpy==1.26.4\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    first = environment.stamp_for((3, 11))
    lock.write_bytes(b"numpy==1.26.4\r\n")
    assert environment.stamp_for((3, 11)) == first, "a checkout's line ends do not matter"
    lock.write_text("numpy==1.26.5\n")
    assert environment.stamp_for((3, 11)) != first


def test_damaged_stamp_counts_as_none(tmp_path: Path) -> None:
    assert environment.read_stamp(tmp_path) is None
    (tmp_path / environment.STAMP).write_text("{")
    assert environment.read_stamp(tmp_path) is None


def test_no_fitting_python_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "python_version", lambda python: (3, 12))
    with pytest.raises(SetupFailed, match=r"3\.11 or 3\.13"):
        environment.find_python()


def test_cpu_build_is_preferred_without_nvidia(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(environment, "has_nvidia", lambda: False)
    monkeypatch.setattr(environment, "resolved_version", lambda python, pin: "2.13.0")
    monkeypatch.setattr(environment, "pip_run", lambda python, arguments: calls.append(list(arguments)) or 0)
    environment.install_torch(Path(sys.executable), ["torch==2.13.0"], Path("lock.txt"))
    assert len(calls) == 1 and environment.TORCH_CPU_INDEX in calls[0]


def test_default_index_follows_when_the_cpu_index_is_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[list[str]] = []

    def pip_run(python: Path, arguments: list[str]) -> int:
        calls.append(list(arguments))
        return int(environment.TORCH_CPU_INDEX in arguments)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(environment, "has_nvidia", lambda: False)
    monkeypatch.setattr(environment, "resolved_version", lambda python, pin: "2.13.0")
    monkeypatch.setattr(environment, "pip_run", pip_run)
    environment.install_torch(Path(sys.executable), ["torch==2.13.0"], Path("lock.txt"))
    assert [environment.TORCH_CPU_INDEX in call for call in calls] == [True, False]
    assert "about 3 GB" in capsys.readouterr().out


def test_failed_download_is_tried_again_and_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    monkeypatch.setattr(environment, "pip_run", lambda python, arguments: tries.append(1) or 1)
    monkeypatch.setattr(environment.time, "sleep", lambda seconds: None)
    with pytest.raises(SetupFailed, match="network"):
        environment.pip_install(Path(sys.executable), ["x"], "x")
    assert len(tries) == 3
