"""Lets MediaPipe's hand model judge renders of the built-in hand: ``python tools/judge_hand.py``.

Renders 100 views (right and left, palm, back and both sides; gestures and natural poses) of the high-detail hand with
Cycles and asks MediaPipe for hands in them. It judges three things: how many it finds, how many on the right side, and
how far its landmarks lie from the projected joints, in palm widths (knuckle of the index to that of the little finger,
at its distance from the camera).

The hand is seen as MediaPipe was made for, as before a laptop: at half a metre with a field of 45 degrees, out of a
sleeve, and each render before three blurred rooms, which makes 300 pictures. ``--bare`` asks a harder question: the
hand alone, cut off at the wrist, filling half of the picture, before plain grey. Figures are printed and written beside
a contact sheet in ``out/judge``. MediaPipe lives in an environment of its own (``.venv-judge``), made here. Exit code 1
where a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from hand_builder.anatomy import tips  # noqa: E402
from judge_setting import add_sleeve, room  # noqa: E402

from livehand_core.cameras import Camera, look_at  # noqa: E402
from livehand_core.files import atomic_path  # noqa: E402
from livehand_core.hand.builtin import builtin_hand  # noqa: E402
from livehand_core.hand.gestures import GESTURES, mirror_hand_pose, sample_pose  # noqa: E402
from livehand_core.hand.looks import DEFAULT_LOOK, LOOKS, look_of  # noqa: E402
from livehand_core.hand.skinning import joint_transforms, pose_joints, pose_vertices  # noqa: E402
from livehand_core.poses import HandPose, Side  # noqa: E402
from livehand_core.rotations import slerp  # noqa: E402

ENVIRONMENT = ROOT / ".venv-judge"
# Newer jax and OpenCV make pip try hundreds of combinations; NumPy 2 does not load.
PINS = ("mediapipe==0.10.21", "jax==0.7.1", "jaxlib==0.7.1", "opencv-contrib-python==4.11.0.86", "numpy<2")
FOUND_AT_LEAST = 0.95
SIDE_RIGHT_AT_LEAST = 0.95
LANDMARK_ERROR_AT_MOST = 0.15
VIEWS = {
    # direction from a right hand's middle to the camera, in MANO's axes
    "palm": (-0.25, -1.0, 0.10),
    "back": (-0.25, 1.0, 0.15),
    "thumb side": (-0.20, -0.45, 0.90),
    "far side": (-0.20, -0.60, -0.75),
}
PER_VIEW = 25
SIZE = 640
BARE_SIZE = 384
"""Pixels a side: in both settings the hand has as many of them."""
DISTANCE = 5.2
"""From the camera to the hand's middle, in radii of the hand: about half a metre."""
FOCAL = 768.0
ROOMS = 3
"""Backdrops for each render."""
BACKDROPS = ((118, 126, 132), (200, 202, 205), (58, 62, 66))

_LANDMARKS = (0, 13, 14, 15, -5, 1, 2, 3, -1, 4, 5, 6, -2, 10, 11, 12, -3, 7, 8, 9, -4)
"""MediaPipe's 21 landmarks as our joints 0 to 15; negative: the tip of index, middle, ring, little finger, thumb."""
_TIP_OF = {-1: 0, -2: 1, -3: 3, -4: 2, -5: 4}
"""Our fingers' order is index, middle, pinky, ring, thumb."""


@dataclass(frozen=True)
class View:
    """One picture: which family it belongs to, the hand's pose, and the camera."""

    family: str
    pose: HandPose
    camera: Camera


@dataclass(frozen=True)
class Finding:
    """What MediaPipe says of a picture: (21, 2) landmarks in pixels and the hand's side."""

    landmarks: np.ndarray
    side: Side


def view_plan(look: str = DEFAULT_LOOK, size: int = SIZE, seed: int = 3) -> list[View]:
    """``PER_VIEW`` views of each family, right and left hands in turn; named gestures first, then natural poses.

    Args:
        size: of all pictures, pixels a side; poses and cameras' places do not depend on it.
    """
    random = np.random.default_rng(seed)
    names = list(GESTURES)
    plan: list[View] = []
    for family, direction in VIEWS.items():
        for number in range(PER_VIEW):
            drawn = sample_pose(random)
            pose = slerp(GESTURES[names[number]], drawn, random.uniform(0.0, 0.3)) if number < len(names) else drawn
            side: Side = "left" if len(plan) % 2 else "right"
            towards = np.array(direction) + random.normal(0.0, 0.15, size=3)
            up = np.array([-1.0, 0.0, 0.0]) + random.normal(0.0, 0.25, size=3)
            if side == "left":
                pose, towards, up = mirror_hand_pose(pose), towards * [-1.0, 1.0, 1.0], up * [-1.0, 1.0, 1.0]
            hand = HandPose(np.zeros(3), pose, look_of(look).shape, np.zeros(3), side)
            plan.append(View(family, hand, _framed(hand, towards / np.linalg.norm(towards), up, size)))
    return plan


def _framed(pose: HandPose, towards: np.ndarray, up: np.ndarray, size: int) -> Camera:
    """The camera in a direction, with the hand in the middle of its picture."""
    points = pose_vertices(builtin_hand(pose.side), pose)
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    eye = middle + DISTANCE * float(np.linalg.norm(points - middle, axis=1).max()) * towards
    return Camera(size, size, FOCAL, FOCAL, 0.5 * size, 0.5 * size, look_at(eye, middle, up))


def true_landmarks(view: View) -> tuple[np.ndarray, float]:
    """(21, 2) pixels of joints and finger tips where MediaPipe has its landmarks, and the palm's width in pixels."""
    data = builtin_hand(view.pose.side)
    joints = pose_joints(data, view.pose)
    frames = joint_transforms(data, view.pose)
    rest = builtin_hand("right").rest_joints()
    mirror = np.array([-1.0, 1.0, 1.0]) if view.pose.side == "left" else np.ones(3)
    shaped = data.rest_joints(view.pose.betas)
    points = []
    for landmark in _LANDMARKS:
        if landmark >= 0:
            points.append(joints[landmark])
            continue
        last = 3 * _TIP_OF[landmark] + 3
        # The last bone grows with the finger: as much as the one before it.
        growth = np.linalg.norm(shaped[last] - shaped[last - 1]) / np.linalg.norm(rest[last] - rest[last - 1])
        points.append(
            joints[last] + frames[last, :3, :3] @ (growth * mirror * (tips()[_TIP_OF[landmark]] - rest[last]))
        )
    pixels, depth = view.camera.project(np.stack(points))
    width = float(np.linalg.norm(joints[1] - joints[7]) * view.camera.fx / depth.mean())
    return pixels, width


def render_views(plan: list[View], folder: Path, samples: int, look: str, sleeve: bool) -> None:
    """Write 000.png and so on (RGBA) into ``folder``."""
    import bpy

    from livehand_blender.capture.detail_hand import create_detail_hand, update_detail_hand
    from livehand_blender.capture.shoot import place_camera, prepare_output
    from livehand_blender.capture.studio import add_studio, configure_cycles

    size = plan[0].camera.width
    for side in ("right", "left"):
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        scene = bpy.context.scene
        hand = create_detail_hand(side, scene, look)
        add_studio(scene, mirrored=side == "left")
        if sleeve:
            rest = HandPose(np.zeros(3), np.zeros((15, 3)), look_of(look).shape, np.zeros(3), side)
            add_sleeve(scene, pose_vertices(builtin_hand(side), rest))
        configure_cycles(scene, samples, (size, size))
        prepare_output(scene, (size, size))
        camera = bpy.data.objects.new("judge", bpy.data.cameras.new("judge"))
        scene.collection.objects.link(camera)
        scene.camera = camera
        for index, view in enumerate(plan):
            if view.pose.side != side:
                continue
            update_detail_hand(hand, view.pose)
            place_camera(scene, camera, view.camera, 1.0)
            scene.render.filepath = str(folder / f"{index:03d}.png")
            bpy.ops.render.render(write_still=True)
            print(f"view {index + 1} of {len(plan)}: {side}, {view.family}", flush=True)


def show(plan: list[View], folder: Path, bare: bool) -> tuple[list[View], list[Path]]:
    """Each render of a folder before its backdrops: the view of each opaque picture, and where that is."""
    from PIL import Image

    views, pictures = [], []
    for number in range(1 if bare else ROOMS):
        for index, view in enumerate(plan):
            render = Image.open(folder / f"{index:03d}.png").convert("RGBA")
            if bare:
                picture = Image.new("RGBA", render.size, (*BACKDROPS[index % len(BACKDROPS)], 255))
            else:
                picture = Image.fromarray(room(np.random.default_rng((index, number)), render.width)).convert("RGBA")
            picture.alpha_composite(render)
            views.append(view)
            pictures.append(folder / f"{index:03d}_{number}.png")
            picture.convert("RGB").save(pictures[-1])
    return views, pictures


_DETECT = """
import json, sys
import cv2, mediapipe
found = []
with mediapipe.solutions.hands.Hands(static_image_mode=True, max_num_hands=1, min_detection_confidence=0.5) as hands:
    for path in sys.argv[1:]:
        image = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
        answer = hands.process(image)
        if not answer.multi_hand_landmarks:
            found.append(None)
            continue
        points = [[p.x, p.y] for p in answer.multi_hand_landmarks[0].landmark]
        found.append([points, answer.multi_handedness[0].classification[0].label])
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


def detect(pictures: list[Path], size: int) -> list[Finding | None]:
    """What MediaPipe finds in each opaque picture of ``size`` pixels a side; None where it finds no hand."""
    done = subprocess.run(
        [str(make_environment()), "-c", _DETECT, *map(str, pictures)], check=True, capture_output=True, text=True
    )
    findings: list[Finding | None] = []
    for answer in json.loads(done.stdout.split("FOUND", 1)[1]):
        if answer is None:
            findings.append(None)
            continue
        # MediaPipe takes every picture for a mirrored one, as of a camera that shows its user.
        findings.append(Finding(size * np.array(answer[0]), "right" if answer[1] == "Left" else "left"))
    return findings


@dataclass(frozen=True)
class Judgement:
    """Of all views: share found, share of those with the right side, mean landmark error in palm widths."""

    found: float
    side_right: float
    landmark_error: float

    def passed(self) -> bool:
        """Whether all three bounds are kept."""
        return (
            self.found >= FOUND_AT_LEAST
            and self.side_right >= SIDE_RIGHT_AT_LEAST
            and self.landmark_error <= LANDMARK_ERROR_AT_MOST
        )


def judge(plan: list[View], findings: list[Finding | None]) -> Judgement:
    """Compare what was found with what was rendered."""
    pairs = [(view, finding) for view, finding in zip(plan, findings, strict=True) if finding is not None]
    errors = []
    for view, finding in pairs:
        truth, width = true_landmarks(view)
        errors.append(np.linalg.norm(finding.landmarks - truth, axis=1).mean() / width)
    right = [view.pose.side == finding.side for view, finding in pairs]
    nothing = not pairs
    return Judgement(
        len(pairs) / len(plan), 0.0 if nothing else float(np.mean(right)), np.inf if nothing else float(np.mean(errors))
    )


def contact_sheet(
    plan: list[View], pictures: list[Path], findings: list[Finding | None], path: Path, columns: int
) -> None:
    """All pictures, landmarks found in green, true ones in red; framed red: nothing found, yellow: the wrong side."""
    from PIL import Image, ImageDraw

    side = 192
    scale = side / plan[0].camera.width
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (side * columns, side * rows))
    for index, (view, picture, finding) in enumerate(zip(plan, pictures, findings, strict=True)):
        tile = Image.open(picture).convert("RGB").resize((side, side))
        draw = ImageDraw.Draw(tile)
        if finding is None or finding.side != view.pose.side:
            outline = (230, 30, 30) if finding is None else (240, 210, 40)
            draw.rectangle((0, 0, side - 1, side - 1), outline=outline, width=4)
        for points, colour in (
            (true_landmarks(view)[0], (230, 40, 40)),
            (getattr(finding, "landmarks", ()), (40, 230, 90)),
        ):
            for x, y in points:
                draw.ellipse((x * scale - 2, y * scale - 2, x * scale + 2, y * scale + 2), fill=colour)
        sheet.paste(tile, (side * (index % columns), side * (index // columns)))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "judge")
    parser.add_argument("--identity", choices=sorted(LOOKS), default=DEFAULT_LOOK, help="whose hand")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--keep", action="store_true", help="judge the pictures that are already there")
    parser.add_argument("--bare", action="store_true", help="the hand alone, before grey, filling half of the picture")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    plan = view_plan(args.identity, BARE_SIZE if args.bare else SIZE)
    if not args.keep:
        render_views(plan, args.out, args.samples, args.identity, sleeve=not args.bare)
    plan, pictures = show(plan, args.out, args.bare)
    findings = detect(pictures, plan[0].camera.width)
    contact_sheet(plan, pictures, findings, args.out / "contact_sheet.png", 10 if args.bare else 20)
    result = {"identity": args.identity, "bare": args.bare, "pictures": len(plan)}
    for family in (*VIEWS, "all"):
        chosen = [k for k, view in enumerate(plan) if family in (view.family, "all")]
        of = judge([plan[k] for k in chosen], [findings[k] for k in chosen])
        result[family] = {"found": of.found, "side_right": of.side_right, "landmark_error": of.landmark_error}
        print(
            f"{family}: found {of.found:.0%}, side right {of.side_right:.0%}, "
            f"landmarks {of.landmark_error:.3f} palm widths off"
        )
    with atomic_path(args.out / "judgement.json") as temporary:
        temporary.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(f"contact sheet: {args.out / 'contact_sheet.png'}")
    return 0 if judge(plan, findings).passed() else 1


if __name__ == "__main__":
    sys.exit(main())
