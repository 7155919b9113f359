"""How fast the live view is, in Blender's real window: ``sudo python3 scripts/viewport_bench.py [--suite sid]``.

Turns the view by the mouse as an artist does, in a window of the usual size and in a small one with a render region of
512x334 pixels that the hand fills. Prints new pictures a second, how often a second Blender draws the same window
without any hand, which no live picture can outdo, what a picture takes beyond the engine's frame,
and the add-on's longest stay on Blender's main thread. Blender is found as the window tests find it; see
docs/development.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import environment
from build_extension import build
from debian_root import BLENDER_OF_SUITE
from gui import machine as machines
from gui.display import SIZE, Display
from gui.window import BlenderWindow

SMALL, REGION = (640, 480), (512, 334)
"""The smallest window that Blender opens, and the render region in it."""

VIEWS = {"usual window": SIZE, "small window": SMALL}
RENDER_REGION = (
    "space = bpy.context.space_data\n"
    "space.use_render_border = True\n"
    "for axis, share in zip('xy', part):\n"
    "    setattr(space, f'render_border_min_{axis}', 0.5 - 0.5 * share)\n"
    "    setattr(space, f'render_border_max_{axis}', 0.5 + 0.5 * share)\n"
)
HIDE = (
    "for rig in bpy.data.objects:\n"
    "    if rig.type == 'ARMATURE':\n"
    "        rig.hide_viewport = hidden\n"
    "        for part in rig.children_recursive:\n"
    "            part.hide_viewport = hidden\n"
)
FRONT = [0.70710678, 0.70710678, 0.0, 0.0]


def main() -> int:
    """Measure; 0 unless there is no Blender or no picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=BLENDER_OF_SUITE, help="the Debian in build/ whose Blender is taken")
    parser.add_argument("--seconds", type=float, default=5.0, help="of turning, for each window")
    parser.add_argument("--only", choices=[name.split()[0] for name in VIEWS], help="one of the two windows")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    environment.enter()
    if options.suite:
        os.environ["LIVEHAND_DEBIAN"] = str(machines.default_folder(options.suite))
    machine, why = machines.find()
    if machine is None:
        print(f"Nothing is measured: {why}.", file=sys.stderr)
        return 3
    out = environment.ROOT / "out" / "viewport_bench" / ".".join(map(str, machine.version()[:2]))
    archive = build(out / "dist", out / "extension")
    found: dict[str, Any] = {"blender": ".".join(map(str, machine.version()))}
    views = {name: size for name, size in VIEWS.items() if name.startswith(options.only or "")}
    with Display(machine) as display:
        for name, size in views.items():
            with BlenderWindow(machine, display, out / "run", archive, size=size) as blender:
                found[name] = measure(blender, display, options.seconds, small=size == SMALL)
            show(name, found[name])
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0 if all(found[name]["moving"]["count"] for name in views) else 1


def measure(blender: BlenderWindow, display: Display, seconds: float, small: bool) -> dict[str, Any]:
    """Figures of one window, from ``timings.report``; ``small``: its view fills it and has the render region."""
    blender.ask("new_file")
    if small:
        blender.python("bpy.ops.screen.screen_full_area(use_hide_panels=True)")
        blender.ask("areas")
    blender.python("bpy.ops.livehand.add_hand(); bpy.ops.livehand.use_engine()")
    blender.ask("look_at", location=[-0.09, 0.0, 0.0], distance=0.22 if small else 0.5, rotation=FRONT)
    if small:
        blender.python(RENDER_REGION, part=[REGION[axis] / SMALL[axis] for axis in (0, 1)])
    blender.ask("shading", kind="RENDERED", overlays=True, gizmos=True)
    wait_for_full(blender)
    blender.python("import timings; timings.watch()")
    left, top, right, bottom = blender.ask("region_box")
    x, y = (left + right) / 2.0, (top + bottom) / 2.0
    reach = 0.15 * (right - left)
    path = [
        (x + reach * math.sin(step / 8.0), y + 0.3 * reach * math.cos(step / 8.0)) for step in range(int(50 * seconds))
    ]
    display.drag(path[:20], 2, 0.5)
    time.sleep(0.5)
    blender.python("import timings; timings.begin()")
    display.drag(path, 2, seconds)
    moving: dict[str, Any] = blender.python("import timings; result = timings.report()")
    # What the window alone allows: the same without a hand, so that the engine rests.
    blender.python(HIDE, hidden=True)
    time.sleep(0.5)
    blender.python("import timings; timings.begin()")
    display.drag(path, 2, 0.6 * seconds)
    empty: dict[str, Any] = blender.python("import timings; result = timings.report()")
    blender.python(HIDE, hidden=False)
    wait_for_full(blender)
    # One change at a time, each given its rest: what a single picture takes.
    blender.python("import timings; timings.begin()")
    for step in range(8):
        display.drag([(x, y), (x + 6.0 + step, y)], 2, 0.02)
        time.sleep(0.8)
    still: dict[str, Any] = blender.python("import timings; result = timings.report()")
    view = [round(right - left), round(bottom - top)]
    return {**moving, "view": view, "full": still["full"], "empty_draws": empty["draws"]}


def wait_for_full(blender: BlenderWindow, seconds: float = 240.0) -> None:
    """Until the view shows its full picture."""
    code = (
        "from bl_ext.user_default.livehand.render import live\n"
        "import gc\n"
        "views = [one for one in gc.get_objects() if isinstance(one, live.LiveView)]\n"
        "result = any(view.picture is not None and view.picture.full for view in views)\n"
    )
    if not blender.wait_for(lambda: bool(blender.python(code)), seconds):
        raise SystemExit("The view shows no picture; Blender's log and the engine's are in out/viewport_bench.")
    time.sleep(1.0)


def show(name: str, figures: dict[str, Any]) -> None:
    """Print one window's figures."""
    print(f"\n{name}: a view of {figures['view'][0]} x {figures['view'][1]}")
    print(
        f"  turning: {figures['updates']:.1f} new pictures a second; without a hand Blender draws the view "
        f"{figures['empty_draws']:.1f} times"
    )
    for kind in ("moving", "full"):
        taken = figures[kind]
        size = f"{taken['size'][0]} x {taken['size'][1]}"
        print(f"  {kind} ({size}): engine {taken['engine']:.1f} ms, beyond it {taken['overhead']:.1f} ms")
    for part, (count, median, longest) in sorted(figures["parts"].items()):
        print(f"  {part:<12}{count:>6} times, median {median:.2f} ms, longest {longest:.2f} ms")


if __name__ == "__main__":
    sys.exit(main())
