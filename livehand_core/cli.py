"""``livehand``: the command line. Each subcommand lives in a module of its own that is imported when it is called."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from . import __version__
from .compilation import COMPILING, watching
from .errors import LiveHandError
from .interrupts import INTERRUPTED
from .libraries import MODULES, explained
from .progress import Progress

COMMANDS: dict[str, tuple[str, str, str]] = {
    "train": (".training.command", "training", "train an avatar on a capture"),
    "personalise": (".training.personalise_command", "training", "add an identity to an avatar from a few pictures"),
    "dataset": (".datasets.command", "datasets", "turn a data set of real hands into a capture"),
    "footage": (".datasets.footage.command", "footage", "turn own videos of a hand into a capture"),
    "check": (".captures.command", "check", "find what is wrong with a capture"),
    "evaluate": (".evaluation.command", "evaluation", "measure an avatar on a capture's held-out images"),
    "render": (".views.command", "pictures", "render views of an avatar: stills, sequences, videos"),
    "track": (".tracking.command", "tracking", "turn the hands in a video into motion"),
    "live": (".live.command", "live", "a window in which an avatar moves with your hand"),
    "mesh": (".meshes.command", "meshes", "take the surface out of an avatar: OBJ, PLY, glTF"),
    "part": (".hand.part_command", "check", "take a body model's part, hand, foot or head, as a capture's model"),
    "splats": (".splats.command", "meshes", "turn an avatar in a pose, or through a motion, into Gaussian splats"),
    "bench": (".benchmark.command", "rendering", "measure how fast an avatar is drawn on this machine"),
    "bench-training": (".training.bench_command", "training", "measure how fast the training step is"),
    "import": (".avatars.import_command", "import", "turn an official LiveHand checkpoint into an avatar"),
    "parity": (".avatars.parity_command", "plain", "compare with a recorded case of the published pipeline"),
    "info": (".avatars.story", "check", "say where an avatar comes from: licence, consent, what it was trained on"),
    "farm": (".farm.command", "farm", "say how a farm job stands; run it here, by OpenJD or by Slurm"),
    "sign": (".provenance.sign_command", "provenance", "sign pictures and videos: what made them, with which avatars"),
    "verify": (".provenance.verify_command", "provenance", "say whether pictures are as they were signed, and by whom"),
    "prepare": (".prepare", "rendering", "compile the renderer for this processor, once"),
    "doctor": (".doctor", "rendering", "list what is installed, which devices there are and what is missing"),
}
"""Name -> (module with ``configure(parser)`` and ``run(args) -> exit code``, its job of ``libraries.JOBS``, help)."""

SMALL_ALGEBRA = {"footage", "track", "live"}
"""Commands that solve small systems for every picture: OpenBLAS's threads would wait for the next one by spinning, and
take a core from whoever draws."""

EXIT_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code: 0 done, 2 an error (its text is on stderr), 130 interrupted.

    Args:
        arguments: without the program's name; None takes this process's.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold letters that the terminal's encoding has not.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        args = _parser(given).parse_args(given, argparse.Namespace(given=given))
        with _compiling_shown("--machine" in given):
            return _run(args)
    except LiveHandError as error:
        print(f"livehand: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("livehand: interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(args: argparse.Namespace) -> int:
    """The exit code of a command. Raises LibraryError where it meets a library that is not there."""
    try:
        return int(args.run(args))
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in MODULES:
            raise
        raise explained(error, args.job) from error


@contextmanager
def _compiling_shown(machine: bool) -> Iterator[None]:
    """Tell the terminal, or the program that reads this one's lines, how far the kernels are compiled."""
    progress = Progress("parts", machine)

    def tell(done: int, of: int) -> None:
        progress(done, of, COMPILING)

    try:
        with watching(tell):
            yield
    finally:
        progress.close()


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the subcommand that is called is imported, so that help and errors need no torch."""
    parser = argparse.ArgumentParser(
        prog="livehand",
        description="LiveHand: photorealistic hands from trained avatars.",
        epilog="livehand COMMAND --help tells more of a command.",
    )
    parser.add_argument("--version", action="version", version=f"livehand {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    called = next((word for word in given if not word.startswith("-")), None)
    for name, (module_name, job, text) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=text)
        if name == called:
            if name in SMALL_ALGEBRA:
                # Read when NumPy is loaded, which no command is without.
                os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
            module = import_module(module_name, __package__)
            module.configure(subparser)
            subparser.set_defaults(run=module.run, job=job)
    return parser
