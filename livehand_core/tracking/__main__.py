"""``python -m livehand_core.tracking``: the tracker process. ``client`` starts it and speaks to it through pipes."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys

from ..engine.__main__ import claim_streams
from .server import TrackerServer


def main() -> int:
    """Serve one client until it goes away; the exit code."""
    incoming, outgoing = claim_streams()
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    # Ctrl-C is the parent's affair, and it tells by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return TrackerServer(incoming, outgoing).run()


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Without the interpreter's own end: a driver of a camera may never return.
    os._exit(code)
