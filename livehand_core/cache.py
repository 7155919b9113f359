"""The folder where the engine keeps what it can find out again, so that the next start need not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE_VARIABLE = "LIVEHAND_CACHE"


def cache_folder() -> Path:
    """The folder that LIVEHAND_CACHE names, else one of the user's; it need not exist."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "livehand" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "livehand"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "livehand"
