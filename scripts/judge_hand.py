"""Lets MediaPipe's hand model judge renders of the built-in hand: ``python scripts/judge_hand.py``.

Renders 40 views (palm, back, both sides; varied poses) of the high-detail hand with Cycles, looks for a hand in each,
prints the rate and writes a contact sheet to ``out/``. MediaPipe lives in an environment of its own (``.venv-judge``),
made here. Exit code 1 when fewer than 80 % are found.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

ENVIRONMENT = ROOT / ".venv-judge"
# Newer jax and OpenCV make pip try hundreds of combinations; NumPy 2 does not load.
PINS = ("mediapipe==0.10.21", "jax==0.7.1", "jaxlib==0.7.1", "opencv-contrib-python==4.11.0.86", "numpy<2")
NEEDED = 0.8
GESTURES = ("rest", "open", "relaxed", "spread", "point", "peace", "three", "cup", "pinch", "thumb_up")
VIEWS = {
    # direction from the hand's middle to the camera, in MANO's axes of a right hand
    "palm": (-0.25, -1.0, 0.10),
    "back": (-0.25, 1.0, 0.15),
    "thumb side": (-0.20, -0.45, 0.90),
    "far side": (-0.20, -0.60, -0.75),
}
BACKDROP = (118, 126, 132)


def view_plan(seed: int = 3) -> list[tuple[str, str, np.ndarray, np.ndarray]]:
    """40 entries: view name, gesture, (15, 3) hand pose, (3,) camera direction with a little scatter."""
    from livehand_core.hand.gestures import gesture, sample_pose
    from livehand_core.rotations import slerp

    rng = np.random.default_rng(seed)
    plan = []
    for view, direction in VIEWS.items():
        for name in GESTURES:
            pose = slerp(gesture(name), sample_pose(rng), float(rng.uniform(0.0, 0.3)))
            towards = np.array(direction) + rng.normal(0.0, 0.12, size=3)
            plan.append((view, name, pose, towards / np.linalg.norm(towards)))
    return plan


def render_views(folder: Path, samples: int) -> None:
    """Write 000.png ... 039.png (RGBA) into ``folder``."""
    import bpy
    from mathutils import Matrix

    from livehand_blender.capture.detail_hand import create_detail_hand, update_detail_hand
    from livehand_blender.capture.studio import add_studio, configure_cycles
    from livehand_core.poses import HandPose

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    hand = create_detail_hand("right", scene)
    add_studio(scene)
    configure_cycles(scene, samples, (384, 384))
    camera = bpy.data.objects.new("judge", bpy.data.cameras.new("judge"))
    camera.data.angle = np.radians(28.0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    plan = view_plan()
    for index, (view, name, pose, direction) in enumerate(plan):
        update_detail_hand(hand, HandPose(np.zeros(3), pose, np.zeros(10), np.zeros(3)))
        points = np.array([vertex.co for vertex in hand.data.vertices])
        middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
        radius = np.linalg.norm(points - middle, axis=1).max()
        frame = np.eye(4)
        right = np.cross((-1.0, 0.0, 0.0), direction)
        frame[:3, 0] = right / np.linalg.norm(right)
        frame[:3, 1] = np.cross(direction, frame[:3, 0])
        frame[:3, 2] = direction
        frame[:3, 3] = middle + 4.3 * radius * direction
        camera.matrix_world = Matrix(frame.tolist())
        scene.render.filepath = str(folder / f"{index:03d}.png")
        bpy.ops.render.render(write_still=True)
        print(f"view {index + 1} of {len(plan)}: {view}, {name}", flush=True)


_DETECT = """
import json, sys
import cv2, mediapipe
found = []
with mediapipe.solutions.hands.Hands(static_image_mode=True, max_num_hands=1, min_detection_confidence=0.5) as hands:
    for path in sys.argv[1:]:
        image = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
        marks = hands.process(image).multi_hand_landmarks
        found.append([[p.x, p.y] for p in marks[0].landmark] if marks else None)
print("FOUND" + json.dumps(found))
"""


def make_environment() -> Path:
    """The interpreter of the judge's environment, made on first use."""
    python = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = ENVIRONMENT / "pins.txt"
    if sys.version_info[:2] > (3, 12):
        raise SystemExit("MediaPipe 0.10.21 has no wheels for this Python: run this script with Python 3.11 or 3.12.")
    if not (stamp.exists() and stamp.read_text() == "\n".join(PINS)):
        print(f"making {ENVIRONMENT.name} with {PINS[0]} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PINS], check=True)
        stamp.write_text("\n".join(PINS))
    return python


def detect(pictures: list[Path]) -> list[list[list[float]] | None]:
    """For each opaque picture the 21 landmarks (x, y from 0 to 1) of the hand that MediaPipe found, or None."""
    done = subprocess.run(
        [str(make_environment()), "-c", _DETECT, *map(str, pictures)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.split("FOUND", 1)[1])


def contact_sheet(pictures: list[Path], marks: list[list[list[float]] | None], path: Path, columns: int = 10) -> None:
    """All views with the landmarks found; a red frame where none was."""
    from PIL import Image, ImageDraw

    side = 192
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (side * columns, side * rows))
    for index, (picture, points) in enumerate(zip(pictures, marks, strict=True)):
        tile = Image.open(picture).convert("RGB").resize((side, side))
        draw = ImageDraw.Draw(tile)
        if points is None:
            draw.rectangle((0, 0, side - 1, side - 1), outline=(230, 30, 30), width=4)
        for x, y in points or ():
            draw.ellipse((x * side - 2, y * side - 2, x * side + 2, y * side + 2), fill=(40, 230, 90))
        sheet.paste(tile, (side * (index % columns), side * (index // columns)))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "judge")
    parser.add_argument("--samples", type=int, default=6)
    parser.add_argument("--keep", action="store_true", help="judge the pictures that are already there")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.keep:
        render_views(args.out, args.samples)
    from PIL import Image

    pictures = []
    for index in range(len(view_plan())):
        image = Image.open(args.out / f"{index:03d}.png").convert("RGBA")
        opaque = Image.new("RGBA", image.size, (*BACKDROP, 255))
        opaque.alpha_composite(image)
        pictures.append(args.out / f"{index:03d}_opaque.png")
        opaque.convert("RGB").save(pictures[-1])
    marks = detect(pictures)
    contact_sheet(pictures, marks, args.out / "contact_sheet.png")
    plan = view_plan()
    for view in VIEWS:
        hits = [mark is not None for (name, *_), mark in zip(plan, marks, strict=True) if name == view]
        print(f"{view}: {sum(hits)} of {len(hits)}")
    rate = sum(mark is not None for mark in marks) / len(marks)
    print(f"hand found in {rate:.0%} of {len(marks)} views; contact sheet: {args.out / 'contact_sheet.png'}")
    return 0 if rate >= NEEDED else 1


if __name__ == "__main__":
    sys.exit(main())
