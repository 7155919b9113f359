"""The examples of docs/scripting.md, one after the other, in one Blender: for tests and ``blender_matrix.py``.

    PYTHON_WITH_BPY scripts/page_examples.py hand.png

The add-on is that of the checkout; LIVEHAND_PYTHON names the engine's interpreter. The rendered hand goes to hand.png.
"""

from __future__ import annotations

import re
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "scripting.md"
IN_BLENDER = ("A hand, posed, keyed, rendered", "Fingers", "Identities", "Poses and motions as data")
"""Headings whose examples follow one another in an empty file."""


def examples(heading: str) -> list[str]:
    """The Python blocks below a heading of the page."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)


def main() -> None:
    """Run them; the last line tells Blender's version, the number of keyed curves, and the other hand."""
    import bpy

    sys.path.insert(0, str(ROOT))
    import livehand_blender
    from livehand_blender.compat import action_curves

    livehand_blender.register()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    space: dict[str, Any] = {}
    for heading in IN_BLENDER:
        for number, block in enumerate(examples(heading)):
            code = block.replace("bl_ext.user_default.livehand", "livehand_blender")
            exec(compile(code, f"{heading} {number + 1}", "exec"), space)
    shutil.copy(space["scene"].render.filepath, sys.argv[1])
    curves = len(action_curves(space["hand"]))
    print(f"{bpy.app.version_string}: {curves} curves, {space['left'].name}")
    livehand_blender.unregister()


if __name__ == "__main__":
    try:
        main()
        status = 0
    except BaseException:
        traceback.print_exc()
        status = 1
    from livehand_blender.lifecycle import end_process

    end_process(status)
