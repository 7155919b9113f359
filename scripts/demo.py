"""An animated hand, rendered by Blender through the LiveHand engine: ``python3 scripts/demo.py``.

Makes the environment it needs, then writes into out/: demo.mp4 (72 frames), demo.blend (the scene, for
``blender -b out/demo.blend -a`` with the add-on installed), contact_sheet.png (six frames beside Cycles renders of the
high-detail hand that the avatar was trained on) and prints what both cost and how far they differ.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import environment

if TYPE_CHECKING:
    from demo_report import Pair


CYCLES_SAMPLES = 32


def main() -> int:
    """Run the demo; 0 when film and contact sheet are written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=environment.ROOT / "out", help="folder of the results")
    parser.add_argument("--avatar", type=Path, help="avatar file in place of the one that ships inside")
    parser.add_argument("--no-cycles", action="store_true", help="the film only, no contact sheet")
    options = parser.parse_args()
    environment.enter()
    sys.path.insert(0, str(environment.ROOT))
    # The engine process runs on the interpreter that runs this.
    os.environ.setdefault("LIVEHAND_PYTHON", sys.executable)
    # Once a machine: otherwise the first frames would be the compiler's.
    subprocess.run([sys.executable, "-m", "livehand_core", "prepare"], cwd=environment.ROOT, check=False)
    started = time.monotonic()
    import livehand_blender
    from livehand_core.errors import LiveHandError

    try:
        livehand_blender.register()
        run(options.out.resolve(), options.avatar, not options.no_cycles)
    except (LiveHandError, RuntimeError) as error:  # Blender turns an engine's error report into a RuntimeError.
        print(f"\nThe demo stopped: {error}", file=sys.stderr)
        return 2
    finally:
        # A render engine that is still registered when Blender's module is unloaded crashes it.
        livehand_blender.unregister()
    say(f"finished in {time.monotonic() - started:.0f} s")
    return 0


def run(out: Path, avatar: Path | None, with_cycles: bool) -> None:
    """Scene, film, stills, Cycles, contact sheet, table."""
    import bpy
    import demo_scene

    out.mkdir(parents=True, exist_ok=True)
    say(f"making the scene in Blender {bpy.app.version_string}")
    scene = demo_scene.build(str(avatar.resolve()) if avatar else "")
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "demo.blend"))
    say(f"rendering {demo_scene.FRAMES} frames of {demo_scene.WIDTH}x{demo_scene.HEIGHT} with LiveHand")
    scene.render.filepath = str(out / "demo.mp4")
    film, engine = render_film(scene)
    if not with_cycles:
        return
    pairs = render_pairs(scene, out / "frames")
    from demo_report import contact_sheet, table

    sheet = contact_sheet(pairs, f"Cycles, {scene.cycles.samples} samples, denoised: the high-detail hand")
    sheet.save(out / "contact_sheet.png", optimize=True)
    print()
    print(table(pairs, film, engine))
    print()
    if is_relightable(scene):
        say("Both stand in the scene's lamps, none of which the avatar was trained in.")
    else:
        say("This avatar has learnt its light with its skin: the Cycles frames are lit by the lights of the capture")
        say("that it was trained on, tied to the wrist as they were there.")
    say("The film's gestures are among that capture's poses, its views are not; docs/training.md has the figures for")
    say("poses and cameras that were held out.")
    for name in ("demo.mp4", "contact_sheet.png", "demo.blend"):
        say(f"{out / name} ({(out / name).stat().st_size / 1e6:.2f} MB)")


def render_film(scene: Any) -> tuple[list[float], list[float]]:
    """Render the animation; seconds of each frame, and thereof in the engine process."""
    import bpy

    from livehand_blender.render import session

    film: list[float] = []
    engine: list[float] = []
    marks: dict[str, float] = {}
    count = scene.frame_end - scene.frame_start + 1

    def before(*_: Any) -> None:
        marks["frame"] = time.perf_counter()

    def after(*_: Any) -> None:
        film.append(time.perf_counter() - marks["frame"])
        record = session.last_frame()
        engine.append(record.engine_seconds if record else 0.0)
        # The first frame also starts the engine: it says nothing about the others.
        usual = sum(film[1:]) / (len(film) - 1) if len(film) > 1 else film[0]
        if len(film) % 6 == 0 or len(film) == 1:
            left = usual * (count - len(film))
            say(f"frame {len(film)} of {count}, {usual:.2f} s a frame, {left:.0f} s left")

    with handlers({"render_pre": before, "render_post": after}):
        bpy.ops.render.render(animation=True)
    return film, engine


def render_pairs(scene: Any, folder: Path) -> list[Pair]:
    """The contact sheet's frames by both engines, over the film's backdrop."""
    import bpy
    import demo_scene
    from demo_report import Pair, over_backdrop

    from livehand_blender import compat

    folder.mkdir(parents=True, exist_ok=True)
    frames = list(demo_scene.SHEET_FRAMES)
    scene.render.film_transparent = True
    compat.set_image_format(scene.render.image_settings, "PNG")
    scene.render.image_settings.color_mode = "RGBA"

    def still(name: str, frame: int) -> tuple[Path, float]:
        path = folder / f"{name}_{frame:04d}.png"
        scene.frame_set(frame)
        scene.render.filepath = str(path)
        started = time.perf_counter()
        bpy.ops.render.render(write_still=True)
        return path, time.perf_counter() - started

    say(f"rendering {len(frames)} stills with LiveHand")
    neural = [still("livehand", frame)[0] for frame in frames]
    place = stage_cycles(scene)
    cycles: list[tuple[Path, float]] = []
    for number, frame in enumerate(frames):
        scene.frame_set(frame)
        place()
        cycles.append(still("cycles", frame))
        left = sum(seconds for _, seconds in cycles) / len(cycles) * (len(frames) - number - 1)
        say(f"Cycles frame {number + 1} of {len(frames)}, {cycles[-1][1]:.1f} s, {left:.0f} s left")
    return [
        Pair(
            f"{demo_scene.SHEET_FRAMES[frame]}, frame {frame}",
            over_backdrop(own, demo_scene.BACKDROP),
            over_backdrop(other, demo_scene.BACKDROP),
            seconds,
        )
        for frame, own, (other, seconds) in zip(frames, neural, cycles, strict=True)
    ]


def is_relightable(scene: Any) -> bool:
    """Whether the avatar of the scene's hand stands in the scene's light."""
    from livehand_blender.rig.armature import is_hand
    from livehand_core.avatars.metadata import read_metadata

    rig = next(thing for thing in scene.objects if is_hand(thing))
    return read_metadata(rig.livehand.avatar or "default").relightable


def stage_cycles(scene: Any) -> Callable[[], None]:
    """Dress the scene for Cycles: the high-detail hand in the proxy's place, in the scene's light, or, for an avatar
    that brings its own along, in that of its capture.

    Returns:
        A function that puts hand and lights where the rig is at the current frame.
    """
    import bpy
    import numpy as np

    from livehand_blender.capture.detail_hand import create_detail_hand, update_detail_hand
    from livehand_blender.capture.studio import add_studio, configure_cycles, move_studio
    from livehand_blender.rig.armature import is_hand, proxy_meshes
    from livehand_blender.rig.pose import read_pose
    from livehand_core.hand.builtin import builtin_hand
    from livehand_core.rotations import axis_angle_to_matrix

    rig = next(thing for thing in scene.objects if is_hand(thing))
    for proxy in proxy_meshes(rig):
        proxy.hide_render = True
    studio = None
    if not is_relightable(scene):
        for thing in scene.objects:
            thing.hide_render |= thing.type == "LIGHT"
        studio = add_studio(scene)
    configure_cycles(scene, CYCLES_SAMPLES, (scene.render.resolution_x, scene.render.resolution_y))
    scene.render.use_persistent_data = False
    hand = create_detail_hand("right", scene)
    wrist = builtin_hand("right").rest_joints()[0]

    def place() -> None:
        pose, _ = read_pose(rig.evaluated_get(bpy.context.evaluated_depsgraph_get()))
        update_detail_hand(hand, pose)
        if studio is None:
            return
        matrix = np.eye(4)
        matrix[:3, :3] = axis_angle_to_matrix(pose.global_orient)
        matrix[:3, 3] = wrist + pose.transl - matrix[:3, :3] @ wrist
        move_studio(studio, matrix)

    return place


class handlers:
    """Blender application handlers for the length of a ``with`` block."""

    def __init__(self, functions: dict[str, Callable[..., None]]) -> None:
        self.functions = functions

    def __enter__(self) -> None:
        import bpy

        for name, function in self.functions.items():
            getattr(bpy.app.handlers, name).append(function)

    def __exit__(self, *_: object) -> None:
        import bpy

        for name, function in self.functions.items():
            getattr(bpy.app.handlers, name).remove(function)


def say(text: str) -> None:
    """One line of progress, visible at once also through a pipe."""
    print(f"[demo] {text}", flush=True)


if __name__ == "__main__":
    status = main()
    from livehand_blender.lifecycle import end_process

    end_process(status)
