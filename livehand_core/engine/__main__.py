"""``python -m livehand_core.engine``: the engine process. Started by the client, which speaks to it through pipes."""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import logging
import os
import signal
import sys

from .backend import RendererBackend
from .server import Server


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m livehand_core.engine",
        description="LiveHand's engine. It is started by LiveHand and is of no use in a terminal.",
    )
    # For the engine's own tests: module:class of another Backend.
    parser.add_argument("--backend", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    incoming, outgoing = claim_streams()
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    # Ctrl-C is the parent's affair, and it tells by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if arguments.backend:
        module, _, name = arguments.backend.partition(":")
        backend = getattr(importlib.import_module(module), name)()
    else:
        backend = RendererBackend()
    return Server(incoming, outgoing, backend).run()


def claim_streams() -> tuple[int, int]:
    """Take the two pipes away from standard input and output, so that no library's print ends up between messages.

    Returns:
        descriptors to read and to write. Afterwards standard input is empty and standard output is the log.
    """
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(incoming, os.O_BINARY)
        msvcrt.setmode(outgoing, os.O_BINARY)
    return incoming, outgoing


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Without the interpreter's own end: a thread still inside a CUDA call would make it hang or crash.
    os._exit(code)
