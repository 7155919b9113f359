"""``python -m livehand_blender.capture``, and the script of ``blender -b --python``; see capture/command."""

import importlib
import sys
from pathlib import Path


def main() -> None:
    """Under Blender the arguments follow ``--``; under Python they are the process's own."""
    # As Blender's script this file belongs to no package, and an installed extension names its own as it likes.
    package = Path(__file__).resolve().parents[1]
    sys.path.insert(0, str(package.parent))
    command = importlib.import_module(f"{package.name}.capture.command")
    arguments = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    command.capture(command.parse(arguments))


if __name__ == "__main__":
    main()
