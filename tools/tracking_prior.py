"""What bends a hand's landmarks make likely: ``python tools/tracking_prior.py FOLDER`` makes the tracker's prior anew.

The default avatar is drawn in thousands of random poses before blurred rooms, the tracker's networks look at the
pictures, and a small network learns the poses' angles, and how unsure each is, from what they say. The poses bend each
finger at random and owe nothing to the named gestures of ``hand.gestures``, of which the films of
``tracking_films.py`` are made; a tenth of them is held back and chooses when to stop.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from judge_setting import room  # noqa: E402
from tracking_films import MOTIONS, motion  # noqa: E402

from livehand_core.cameras import Camera, look_at  # noqa: E402
from livehand_core.files import write_arrays  # noqa: E402
from livehand_core.frames import DEFAULT_AVATAR, FrameRequest, HandInstance  # noqa: E402
from livehand_core.hand.gestures import joint_angles, joint_rotations, penetration  # noqa: E402
from livehand_core.hand.limits import JOINT_RANGES  # noqa: E402
from livehand_core.poses import HandPose  # noqa: E402
from livehand_core.rotations import axis_angle_to_matrix  # noqa: E402
from livehand_core.tracking.expectation import PATH  # noqa: E402

WIDTH, NOISE = 96, 0.05
"""Of the network's hidden layers; and of what it is told while it learns, in standard deviations."""
SIZE = 400
PART = 100
PALMWARDS = 0.75
"""Share of the views that see more of the palm's side; the others come from anywhere."""
FAR_FROM_FILMS = 4.0
"""Degrees, in the mean over all joints, by which each pose differs from every one of the films."""
FINGERS_APART = np.array([1.0, 0.0, -1.6, -0.8])
"""Where index, middle, little and ring finger stand, in steps from the middle one."""


def bent(random: np.random.Generator) -> np.ndarray:
    """(15, 3) angles in radians: fingers that bend alike or each for itself, outer joints with the middle ones."""
    angles = np.zeros((15, 3))
    common, alone = random.beta(1.0, 1.0), random.random() < 0.6
    spread = random.normal(0.0, 0.5)
    for finger, apart in enumerate(FINGERS_APART):
        curl = random.beta(0.6, 0.6) if alone else common + random.normal(0.0, 0.12)
        curl = float(np.clip(curl, 0.0, 1.0))
        row = 3 * finger
        second = np.radians(100.0 * curl + random.normal(0.0, 12.0))
        angles[row, 0] = np.radians(-8.0 + 88.0 * curl + random.normal(0.0, 12.0))
        angles[row, 1] = np.radians((1.0 - curl) * 8.0 * spread * apart - 6.0 * curl * apart + random.normal(0.0, 2.5))
        angles[row + 1, 0] = second
        angles[row + 2, 0] = 2.0 / 3.0 * second + np.radians(random.normal(0.0, 5.0))
    low, high = JOINT_RANGES[12:, :, 0], JOINT_RANGES[12:, :, 1]
    angles[12:] = low + (high - low) * random.beta(1.6, 1.6, (3, 3))
    return np.clip(angles, JOINT_RANGES[..., 0], JOINT_RANGES[..., 1])


def pose_of(random: np.random.Generator, films: np.ndarray) -> np.ndarray:
    """(15, 3) axis-angle of a pose in which no finger is inside another, unlike those of the films."""
    while True:
        angles = bent(random)
        pose = joint_rotations(angles)
        if penetration(pose) < 0.004 and np.degrees(np.abs(angles - films).mean((1, 2))).min() > FAR_FROM_FILMS:
            return pose


def view_of(random: np.random.Generator) -> Camera:
    """A camera before the hand at rest, whose palm faces -y and whose fingers point along -x."""
    while True:
        towards = random.normal(size=3)
        towards /= np.linalg.norm(towards)
        if (random.random() > PALMWARDS or towards[1] < -0.25) and abs(towards[0]) < 0.8:
            break
    middle = np.array([-0.09, 0.0, 0.0]) + random.normal(0.0, 0.01, 3)
    lean = axis_angle_to_matrix(random.normal(0.0, 0.6) * towards)
    fov = np.radians(random.uniform(40.0, 70.0))
    focal = 0.5 * SIZE / np.tan(0.5 * fov)
    eye = middle + random.uniform(0.30, 0.62) * focal / 460.0 * towards
    up = lean @ np.array([-1.0, 0.0, 0.0])
    return Camera(SIZE, SIZE, focal, focal, 0.5 * SIZE, 0.5 * SIZE, look_at(eye, middle, up))


def picture_of(random: np.random.Generator, renderer: object, pose: HandPose, camera: Camera) -> np.ndarray:
    """(SIZE, SIZE, 3) uint8: a room, an arm in a sleeve, the hand before it."""
    from PIL import Image, ImageDraw, ImageFilter

    picture = Image.fromarray(room(random, SIZE))
    ends, depths = camera.project(np.array([[0.004, 0.0, 0.0], [0.26, 0.0, 0.0]]))
    if (depths > 0.08).all():
        thick = 0.5 * random.uniform(0.055, 0.08) * camera.fx / depths
        along = (ends[1] - ends[0]) / max(np.linalg.norm(ends[1] - ends[0]), 1e-6)
        side = np.array([-along[1], along[0]])
        corners = [ends[0] + thick[0] * side, ends[1] + 1.4 * thick[1] * side]
        corners += [ends[1] - 1.4 * thick[1] * side, ends[0] - thick[0] * side]
        colour = tuple(int(n) for n in random.integers(15, 200, 3))
        ImageDraw.Draw(picture).polygon([tuple(corner) for corner in corners], fill=colour)
        picture = picture.filter(ImageFilter.GaussianBlur(1.2))
    rgba = renderer.render(FrameRequest(camera, (HandInstance(pose, DEFAULT_AVATAR),)))["rgba"]  # type: ignore[attr-defined]
    drawn = 255.0 * random.uniform(0.65, 1.15) * rgba[..., :3] + (1.0 - rgba[..., 3:]) * np.asarray(picture)
    return np.clip(drawn + random.normal(0.0, 2.0, drawn.shape), 0.0, 255.0).astype(np.uint8)


def look(folder: Path, count: int) -> None:
    """Draw and look; parts that are there stay."""
    from livehand_core.rendering import Renderer
    from livehand_core.tracking.landmarks import LandmarkTracker

    films = np.stack([joint_angles(pose.hand_pose) for name in MOTIONS for pose, _ in motion(name)])
    renderer = Renderer("cpu")
    trackers = [LandmarkTracker(1, detail, 1) for detail in ("full", "lite")]  # type: ignore[arg-type]
    for part in range(count // PART):
        path = folder / f"part_{part:04d}.npz"
        if path.exists():
            continue
        random = np.random.default_rng([7, part])
        rows: dict[str, list[np.ndarray]] = {"image": [], "world": [], "angles": [], "camera": []}
        for _ in range(PART):
            pose = HandPose(np.zeros(3), pose_of(random, films), np.zeros(10), np.zeros(3), "right")
            camera = view_of(random)
            picture = picture_of(random, renderer, pose, camera)
            for tracker in trackers:
                tracker.forget()
                found = tracker(picture, 0.0) and tracker(picture, 0.01)
                if found:
                    rows["image"].append(found[0].image)
                    rows["world"].append(found[0].world)
                    rows["angles"].append(joint_angles(pose.hand_pose))
                    rows["camera"].append(np.array([camera.fx, *camera.camera_to_world.reshape(16)]))
        write_arrays(path, {name: np.stack(values).astype(np.float32) for name, values in rows.items()})
        print(f"{(part + 1) * PART} of {count}, {len(rows['image'])} seen of {2 * PART}", flush=True)


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (n, 105), angles (n, D) and the part that each row is of."""
    from livehand_core.hand.builtin import builtin_hand
    from livehand_core.tracking.expectation import features
    from livehand_core.tracking.skeleton import Skeleton

    skeleton = Skeleton(builtin_hand("right"))
    seen, angles, parts = [], [], []
    for number, path in enumerate(sorted(folder.glob("part_*.npz"))):
        with np.load(path) as part:
            for image, world, bent_as in zip(part["image"], part["world"], part["angles"], strict=True):
                seen.append(features(image.astype(np.float64), world.astype(np.float64), "right"))
                angles.append(bent_as[skeleton.joints - 1, skeleton.kinds])
                parts.append(number)
    return np.stack(seen), np.stack(angles).astype(np.float64), np.array(parts)


def learn(folder: Path, steps: int = 1500) -> tuple[dict[str, np.ndarray], str]:
    """The network by its weights, and how good it is: Gaussian likelihood, AdamW, noise on what it is told."""
    import torch

    from livehand_core.tracking.expectation import WIDTHS, answer

    seen, angles, parts = read(folder)
    held = parts % 10 == 0
    weights = {"mean": seen[~held].mean(0), "spread": seen[~held].std(0) + 0.02}
    weights |= {"usual": angles[~held].mean(0), "range": angles[~held].std(0) + 0.02}
    told = torch.tensor((seen - weights["mean"]) / weights["spread"], dtype=torch.float32)
    wanted = torch.tensor((angles - weights["usual"]) / weights["range"], dtype=torch.float32)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sizes = (seen.shape[1], WIDTH, WIDTH, 2 * angles.shape[1])
    layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    net = torch.nn.Sequential(layers[0], torch.nn.SiLU(), layers[1], torch.nn.SiLU(), layers[2])

    def loss(rows: torch.Tensor, noise: float) -> torch.Tensor:
        middle, wide = net(told[rows] + noise * torch.randn(len(rows), sizes[0])).chunk(2, 1)
        wide = wide.clamp(*WIDTHS)
        return (0.5 * ((wanted[rows] - middle) * torch.exp(-wide)) ** 2 + wide).mean()

    train, test = (torch.tensor(np.flatnonzero(rows)) for rows in (~held, held))
    steer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.1)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(steer, steps)
    best, kept = float("inf"), {}
    for step in range(steps):
        steer.zero_grad()
        loss(train[torch.randint(len(train), (256,))], NOISE).backward()
        steer.step()
        slower.step()
        if step % 100 == 99:
            with torch.no_grad():
                now = float(loss(test, 0.0))
            if now < best:
                best = now
                kept = {f"matrix{n}": layer.weight.detach().numpy().T.copy() for n, layer in enumerate(layers, 1)}
                kept |= {f"shift{n}": layer.bias.detach().numpy().copy() for n, layer in enumerate(layers, 1)}
    weights = {name: value.astype(np.float32) for name, value in (weights | kept).items()}
    off = answer(weights, seen[held]).angles - angles[held]
    alike = angles[held] - weights["usual"]
    square = [np.degrees(np.sqrt(np.mean(one**2))) for one in (off, alike)]
    return weights, f"{len(seen)} hands; held back ones: {square[0]:.1f} degrees off, {square[1]:.1f} by the mean pose"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="that what the networks saw is kept in")
    parser.add_argument("--count", type=int, default=6000, help="pictures; 0 learns from those that are there (6000)")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.count:
        look(args.folder, args.count)
    weights, line = learn(args.folder)
    write_arrays(PATH, weights)
    print(f"{PATH}: {line}")


if __name__ == "__main__":
    main()
