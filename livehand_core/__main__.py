"""``python -m livehand_core``: the same as ``livehand``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
