"""The command line: the table of subcommands, exit codes, and how light it is."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import types
from importlib.util import find_spec

import pytest

from livehand_core import __version__, cli, compilation
from livehand_core.errors import AvatarError


def command(monkeypatch: pytest.MonkeyPatch, run: object) -> None:
    """Put a subcommand ``probe`` into the table."""
    module = types.ModuleType("livehand_core.probe_command")
    module.configure = lambda parser: parser.add_argument("--number", type=int, default=3)  # type: ignore[attr-defined]
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "livehand_core.probe_command", module)
    monkeypatch.setitem(cli.COMMANDS, "probe", (".probe_command", "training", "for the test"))


def test_a_subcommand_gets_its_arguments_and_gives_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    command(monkeypatch, lambda args: args.number)
    assert cli.main(["probe"]) == 3
    assert cli.main(["probe", "--number", "5"]) == 5


def test_an_error_is_one_line_on_stderr_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: argparse.Namespace) -> int:
        raise AvatarError("hand.safetensors is damaged.", "Copy it again.")

    command(monkeypatch, run)
    assert cli.main(["probe"]) == 2
    output = capsys.readouterr()
    assert output.out == "" and output.err == "livehand: hand.safetensors is damaged. Copy it again.\n"


def test_an_interrupt_is_exit_code_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    command(monkeypatch, run)
    assert cli.main(["probe"]) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["doctor", "--nonsense"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2 and "usage: livehand" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_subcommand_is_there_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert find_spec(cli.COMMANDS[name][0], "livehand_core") is not None
    with pytest.raises(SystemExit) as caught:
        cli.main([name, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: livehand {name}")
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert name in capsys.readouterr().out


def test_the_version_and_the_help_need_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from livehand_core.cli import main\n"
        "for arguments in (['--version'], ['--help'], ['doctor', '--help'], ['import', '--help']):\n"
        "    try:\n        main(arguments)\n    except SystemExit as end:\n        assert not end.code, end.code\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"livehand {__version__}\n")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_command_that_follows_pictures_leaves_the_other_cores_alone() -> None:
    """NumPy's own threads, which spin between small systems, are not there."""
    script = "import os; from livehand_core import cli; cli._parser(['live']); import numpy; "
    script += "print(len(os.listdir('/proc/self/task')))"
    variables = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    told = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "1"


def test_the_module_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "livehand_core", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"livehand {__version__}\n")


def test_a_command_that_compiles_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(args: argparse.Namespace) -> int:
        compilation.announce()
        return 0

    command(monkeypatch, run)
    assert cli.main(["probe"]) == 0
    output = capsys.readouterr()
    assert output.err.startswith("compiling the renderer for this processor, once after an installation: ")
    assert output.out == ""
