"""Where the time of a final frame goes: Blender, the add-on and the engine, for stills and an animation.

    .venv/bin/python tools/f12_stages.py [--ball resting|moving] [--rounds 3]

Renders eight frames of the demo's film as stills, then as an animation, after a round that starts and compiles.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

FRAMES = range(4, 68, 8)

STAGES = {
    "hands_in_known_light": "hands, light, probe",
    "read_frame": "camera and request",
    "blender_pixels": "passes",
}
"""Functions of render/engine -> what they do."""

spent: dict[str, list[float]] = {}


def main() -> None:
    """Print milliseconds a frame."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ball", choices=("resting", "moving"), help="a ball of 4000 triangles beside the hand")
    parser.add_argument("--rounds", type=int, default=3, help="of the eight frames")
    options = parser.parse_args()
    os.environ.setdefault("LIVEHAND_PYTHON", sys.executable)
    import bpy
    import demo_scene

    import livehand_blender
    from livehand_blender import compat
    from livehand_blender.render import engine, session

    livehand_blender.register()
    scene = demo_scene.build()
    compat.set_image_format(scene.render.image_settings, "PNG")
    if options.ball:
        add_ball(scene, options.ball == "moving")
    for name in STAGES:
        setattr(engine, name, timed(STAGES[name], getattr(engine, name)))
    session.render = timed("engine", session.render)  # type: ignore[assignment]
    whole = timed("of it within render()", engine.LiveHandRenderEngine.render)
    # Blender counts its arguments.
    engine.LiveHandRenderEngine.render = lambda self, depsgraph: whole(self, depsgraph)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = f"{folder}/still.png"
        for round_ in range(options.rounds + 1):
            if round_ == 1:
                spent.clear()
            for frame in FRAMES:
                scene.frame_set(frame)
                timed("still", bpy.ops.render.render)(write_still=True)
        tell(options.rounds * len(FRAMES))
        spent.clear()
        scene.render.filepath = f"{folder}/frame"
        scene.frame_start, scene.frame_end, scene.frame_step = FRAMES.start, FRAMES.stop - 1, 2
        timed("animation", bpy.ops.render.render)(animation=True)
        tell(len(range(FRAMES.start, FRAMES.stop, 2)))
    livehand_blender.unregister()


def add_ball(scene: Any, moving: bool) -> None:
    """A ball beside the fingers, that moves a millimetre a frame."""
    import bpy

    bpy.ops.mesh.primitive_uv_sphere_add(segments=64, ring_count=32, radius=0.03, location=(-0.09, -0.06, 0.07))
    ball = bpy.context.object
    for frame in (1, 100) if moving else ():
        ball.location.x = -0.09 + 0.001 * frame
        ball.keyframe_insert("location", frame=frame)


def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, its milliseconds kept under a name."""

    def run(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            spent.setdefault(name, []).append(1e3 * (time.perf_counter() - started))

    return run


def tell(frames: int) -> None:
    """Means a frame, and the median of what is done once a frame."""
    print(f"\n{frames} frames, load {os.getloadavg()[0]:.1f}")
    for name, values in sorted(spent.items(), key=lambda item: -sum(item[1])):
        median = f"   median {statistics.median(values):7.1f}" if len(values) == frames else ""
        print(f"{name:24s} {sum(values) / frames:7.1f} ms{median}")


if __name__ == "__main__":
    main()
    from livehand_blender.lifecycle import end_process

    end_process(0)
