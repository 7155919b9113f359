"""The command of ``livehand_blender/capture``, for whoever calls it by this path: see there for its options."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from livehand_blender.capture.__main__ import main

if __name__ == "__main__":
    main()
