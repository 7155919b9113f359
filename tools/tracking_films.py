"""Films of known poses that the hand tracker is measured by: ``python tools/tracking_films.py``.

Cycles renders five short motions of the high-detail hand, out of a sleeve and before a blurred room, as before a
laptop: a fist that closes and opens, fingers that count, a pinch, a hand that waves, and one at rest. The live tracker
reads the pictures, and the poses that it finds are held to the ones that were rendered: joint angles, finger tips once
the hands are laid on each other, the jitter of the hand at rest. Figures are printed and written to ``figures.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from judge_setting import add_sleeve, room  # noqa: E402

from livehand_core.cameras import Camera, look_at  # noqa: E402
from livehand_core.files import atomic_path  # noqa: E402
from livehand_core.hand.builtin import builtin_hand  # noqa: E402
from livehand_core.hand.gestures import GESTURES, joint_angles  # noqa: E402
from livehand_core.hand.limits import JOINT_RANGES  # noqa: E402
from livehand_core.hand.skinning import pose_joints, pose_vertices  # noqa: E402
from livehand_core.poses import HandPose  # noqa: E402
from livehand_core.rotations import slerp  # noqa: E402

SIZE, FOCAL, DISTANCE = 448, 538.0, 0.5
"""Pixels a side, focal length in pixels, metres: a field of 45 degrees, as of a laptop's camera."""
FPS = 30.0
FRAMES = 24
MOTIONS = {
    # gestures on the way, and how far the camera swings, degrees
    "fist": (("open", "fist", "open"), 0.0),
    "count": (("fist", "point", "peace", "three"), 0.0),
    "pinch": (("relaxed", "pinch", "ok"), 0.0),
    "wave": (("open", "relaxed"), 35.0),
    "rest": (("relaxed", "relaxed"), 0.0),
}


def motion(name: str) -> list[tuple[HandPose, Camera]]:
    """The poses of a motion, in the hand's own frame, and the camera of each."""
    gestures, swing = MOTIONS[name]
    shots = []
    for number in range(FRAMES):
        along = number / (FRAMES - 1) * (len(gestures) - 1)
        first = min(int(along), len(gestures) - 2)
        share = along - first
        bent = slerp(GESTURES[gestures[first]], GESTURES[gestures[first + 1]], share * share * (3.0 - 2.0 * share))
        pose = HandPose(np.zeros(3), bent, np.zeros(10), np.zeros(3), "right")
        turn = np.radians(swing) * np.sin(2.0 * np.pi * number / FRAMES)
        middle = np.array([-0.09, 0.0, 0.0])
        towards = np.array([-0.15, -np.cos(turn), 0.15 + np.sin(turn)])
        eye = middle + DISTANCE * towards / np.linalg.norm(towards)
        up = np.array([-1.0, 0.0, 0.15])
        matrix = look_at(eye, middle, up)
        shots.append((pose, Camera(SIZE, SIZE, FOCAL, FOCAL, 0.5 * SIZE, 0.5 * SIZE, matrix)))
    return shots


def render(out: Path, samples: int) -> None:
    """Write the pictures of all motions; those that are there stay."""
    import bpy
    from PIL import Image

    from livehand_blender.capture.detail_hand import create_detail_hand, update_detail_hand
    from livehand_blender.capture.shoot import place_camera, prepare_output
    from livehand_blender.capture.studio import add_studio, configure_cycles

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    hand = create_detail_hand("right", scene)
    add_studio(scene, mirrored=False)
    add_sleeve(scene, pose_vertices(builtin_hand("right"), HandPose.rest("right")))
    configure_cycles(scene, samples, (SIZE, SIZE))
    prepare_output(scene, (SIZE, SIZE))
    eye = bpy.data.objects.new("eye", bpy.data.cameras.new("eye"))
    scene.collection.objects.link(eye)
    scene.camera = eye
    for film, name in enumerate(MOTIONS):
        backdrop = Image.fromarray(room(np.random.default_rng(film), SIZE)).convert("RGBA")
        for number, (pose, camera) in enumerate(motion(name)):
            path = out / name / f"{number:03d}.png"
            if path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            update_detail_hand(hand, pose)
            place_camera(scene, eye, camera, 1.0)
            scene.render.filepath = str(out / "render.png")
            bpy.ops.render.render(write_still=True)
            picture = backdrop.copy()
            picture.alpha_composite(Image.open(out / "render.png").convert("RGBA"))
            # A camera's noise differs from frame to frame.
            noise = np.random.default_rng((film, number)).normal(0.0, 2.0, (SIZE, SIZE, 3))
            noisy = np.clip(np.asarray(picture.convert("RGB")) + noise, 0.0, 255.0).astype(np.uint8)
            with atomic_path(path) as temporary:
                Image.fromarray(noisy).save(temporary)
            print(f"{name} {number + 1} of {FRAMES}", flush=True)


def measure(out: Path, smoothing: float) -> dict[str, dict[str, float]]:
    """Track each film as the tracker does live, and compare: degrees and millimetres."""
    from livehand_core.tracking.sources import open_source
    from livehand_core.tracking.tracker import HandTracker
    from livehand_core.tracking.values import TrackingOptions

    fov = float(np.degrees(2.0 * np.arctan(0.5 * SIZE / FOCAL)))
    bends = JOINT_RANGES[..., 1] - JOINT_RANGES[..., 0] > np.radians(9.0)
    figures = {}
    for name in MOTIONS:
        tracker = HandTracker(TrackingOptions(hands="right", smoothing=smoothing, fov=fov))
        angles, tips, found, seen = [], [], [], 0
        for frame, (pose, _) in zip(open_source(out / name, FPS), motion(name), strict=True):
            hands = tracker(frame).hands
            if not hands:
                continue
            seen += hands[0].state == "tracked"
            ours = hands[0].pose
            found.append(joint_angles(ours.hand_pose))
            angles.append(np.degrees(np.abs(found[-1] - joint_angles(pose.hand_pose)))[bends])
            tips.append(1e3 * tip_distances(ours, pose))
        figures[name] = {
            "found": seen / FRAMES,
            "angle": float(np.mean(angles)),
            "tips": float(np.mean(tips)),
            "jitter": float(np.degrees(np.std(np.diff(found, axis=0)[FRAMES // 3 :], axis=0)).mean() / np.sqrt(2.0)),
        }
    return figures


def tip_distances(found: HandPose, true: HandPose) -> np.ndarray:
    """(5,) metres between finger tips once the joints and tips of one hand are laid on those of the other."""
    first, second = (_points(pose) for pose in (found, true))
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    u, _, v = np.linalg.svd(a.T @ b)
    turn = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))]) @ v
    return np.linalg.norm(a @ turn - b, axis=1)[16:]


def _points(pose: HandPose) -> np.ndarray:
    from livehand_core.tracking.skeleton import tip_vertices

    data = builtin_hand(pose.side)
    return np.concatenate([pose_joints(data, pose), pose_vertices(data, pose)[tip_vertices(data)]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "tracking")
    parser.add_argument("--samples", type=int, default=6)
    parser.add_argument("--smoothing", type=float, default=0.5)
    parser.add_argument("--keep", action="store_true", help="measure the films that are there")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.keep:
        render(args.out, args.samples)
    figures = measure(args.out, args.smoothing)
    for name, row in figures.items():
        print(
            f"{name}: found {row['found']:.0%}, angles {row['angle']:.1f} degrees off, tips {row['tips']:.1f} mm, "
            f"jitter {row['jitter']:.2f} degrees"
        )
    with atomic_path(args.out / "figures.json") as temporary:
        temporary.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
