"""Render the synthetic twin of a real data set: ``.venv/bin/python tools/twin.py captures/twin_source``.

The built-in high-detail hand with a forearm, before a dark studio, written in InterHand2.6M's true layout: images,
cameras, joints, and fits that are off as real ones are (5 mm, a shape that varies by frame, one outlier of 40 mm),
with grey cameras, black frames and a camera whose size the metadata have wrong. ``truth/`` holds what no real set has:
the masks and the poses. So preparation, refinement and training can be measured against what is known.

    livehand dataset interhand captures/twin_source captures/twin --hand-model livehand-builtin-1
    .venv/bin/python tools/twin.py captures/twin_source --judge captures/twin

Images that are there are kept, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from livehand_core.cameras import Camera  # noqa: E402
from livehand_core.captures.capture import Capture, CaptureFrame, read_capture  # noqa: E402
from livehand_core.captures.plan import capture_poses, make_rig  # noqa: E402
from livehand_core.captures.pose_file import read_pose_file  # noqa: E402
from livehand_core.datasets.masks import Posed  # noqa: E402
from livehand_core.files import atomic_path  # noqa: E402
from livehand_core.hand.builtin import builtin_hand  # noqa: E402
from livehand_core.hand.skinning import joint_transforms, pose_joints, pose_vertices  # noqa: E402
from livehand_core.poses import HandPose, PoseSequence  # noqa: E402

TO_SET = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""From a world whose z points up to the set's, whose y points down."""

USUAL = (0, 13, 14, 15, 15, 1, 2, 3, 3, 4, 5, 6, 6, 10, 11, 12, 12, 7, 8, 9, 9)
"""MANO's joints in the usual order of 21; the tips stand at the last joints, and are told as not annotated."""

TO_INTERHAND = np.argsort([20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16])

TIPS = (4, 8, 12, 16, 20)

FOREARM = ((0.0, 1.0), (0.05, 1.04), (0.12, 1.18), (0.22, 1.42), (0.35, 1.55))
"""Metres from the hand's open rim, and the rim's size there: the arm begins where the mesh ends, as masks are cut."""
CUFF = ((-0.012, 0.85), (-0.003, 0.97), (0.0, 1.0))
"""The detailed hand ends some 2 mm before its proxy; this is seen in the gap, and counts as the hand."""

FIRST_FRAME, FRAME_STEP = 1200, 6
GREY_CAMERAS = 2
BLACK_EVERY = 37
OUTLIER = 0.04


@dataclass(frozen=True)
class Twin:
    """What is rendered: cameras by name, true poses, and the fits that are told of them."""

    cameras: dict[str, Camera]
    poses: tuple[HandPose, ...]
    fits: tuple[HandPose, ...]


def make_twin(options: argparse.Namespace) -> Twin:
    """The plan depends on nothing but the options."""
    random = np.random.default_rng(options.seed)
    data = builtin_hand("right")
    poses = []
    for pose in capture_poses(options.poses, options.seed):
        orient, place = random.normal(0.0, 0.25, 3), random.normal(0.0, 0.012, 3)
        poses.append(replace(pose, global_orient=orient, transl=place))
    points = np.concatenate([pose_vertices(data, pose) for pose in poses])
    rig = make_rig(points, options.cameras, 0, options.width, options.height, 1270.0, 0.85, options.seed)
    names = [f"{400000 + 13 * index}" for index in range(len(rig.cameras))]
    fits = [disturbed_fit(pose, random, options.off) for pose in poses]
    outlier = len(fits) // 2
    fits[outlier] = replace(fits[outlier], transl=fits[outlier].transl + OUTLIER * _direction(random))
    return Twin(dict(zip(names, rig.cameras, strict=True)), tuple(poses), tuple(fits))


def _direction(random: np.random.Generator) -> np.ndarray:
    value = random.normal(size=3)
    return value / np.linalg.norm(value)


def disturbed_fit(pose: HandPose, random: np.random.Generator, off: float, shape: np.ndarray | None = None) -> HandPose:
    """A fit whose vertices are ``off`` metres away in the mean: angles, place and shape all a little wrong.

    Args:
        shape: (10,) by which all fits of a person are off; None draws one.
    """
    data = builtin_hand(pose.side)
    turns, shift, drawn = random.normal(0.0, 1.0, (15, 3)), _direction(random), random.normal(0.0, 1.0, 10)
    orient = random.normal(0.0, 1.0, 3)

    def disturbed(size: float) -> HandPose:
        by = 0.4 * size * drawn if shape is None else 0.4 * shape
        return replace(
            pose,
            hand_pose=pose.hand_pose + 0.08 * size * turns,
            global_orient=pose.global_orient + 0.03 * size * orient,
            betas=pose.betas + by,
            transl=pose.transl + 0.002 * size * shift,
        )

    low, high = 0.0, 8.0
    for _ in range(24):
        middle = 0.5 * (low + high)
        away = np.linalg.norm(pose_vertices(data, disturbed(middle)) - pose_vertices(data, pose), axis=1).mean()
        low, high = (middle, high) if away < off else (low, middle)
    return disturbed(low)


def render(options: argparse.Namespace, twin: Twin) -> None:
    """Every image and true mask that is not there yet."""
    import bpy

    from livehand_blender.capture.detail_hand import create_detail_hand, update_detail_hand
    from livehand_blender.capture.shoot import place_camera, prepare_output
    from livehand_blender.capture.skin_material import cap_material
    from livehand_blender.capture.studio import add_studio, configure_cycles

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    add_studio(scene, strength=0.9)
    configure_cycles(scene, options.samples, (options.width, options.height))
    prepare_output(scene, (options.width, options.height))
    scene.cycles.denoising_quality = "FAST"
    hand = create_detail_hand("right", scene)
    data = builtin_hand("right")
    skin, rest = cap_material("default"), Posed.of(data, HandPose.rest())
    cuff, arm = (
        _object(scene, name, *tube(rest, rings), skin) for name, rings in (("cuff", CUFF), ("forearm", FOREARM))
    )
    wall = _wall(scene)
    eye = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(eye)
    scene.camera = eye
    from mathutils import Matrix

    work = [(index, name) for index in range(len(twin.poses)) for name in twin.cameras]
    work = [
        item
        for item in work
        if not _image(options.folder, *item).is_file() or not _mask(options.folder, *item).is_file()
    ]
    began, last = time.monotonic(), -1
    for done, (index, name) in enumerate(work, 1):
        if index != last:
            update_detail_hand(hand, twin.poses[index])
            wrist, still = (joint_transforms(data, pose)[0] for pose in (twin.poses[index], HandPose.rest()))
            arm.matrix_world = cuff.matrix_world = Matrix((wrist @ np.linalg.inv(still)).tolist())
            last = index
        place_camera(scene, eye, twin.cameras[name], 1.0)
        scene.cycles.seed = index * 1000 + int(name)
        wall.hide_render = arm.is_holdout = scene.render.film_transparent = False
        scene.cycles.samples = options.samples
        _render(bpy, scene, _image(options.folder, index, name), "JPEG")
        wall.hide_render, arm.is_holdout, scene.render.film_transparent = True, True, True
        scene.cycles.samples = 4
        _render(bpy, scene, _mask(options.folder, index, name), "PNG")
        if done % 10 == 0 or done == len(work):
            each = (time.monotonic() - began) / done
            print(
                f"{done} of {len(work)} images, {each:.1f} s each, {each * (len(work) - done) / 60:.1f} min left",
                flush=True,
            )


def _render(bpy: Any, scene: Any, path: Path, kind: str) -> None:
    settings = scene.render.image_settings
    settings.file_format = kind
    settings.color_mode = "RGB" if kind == "JPEG" else "RGBA"
    settings.quality = 92
    with atomic_path(path) as temporary:
        scene.render.filepath = str(temporary)
        bpy.ops.render.render(write_still=True)


def tube(hand: Posed, profile: tuple[tuple[float, float], ...]) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) vertices in metres and (F, 4) faces along a hand's rim; ``profile`` as FOREARM."""
    after = dict(hand.rim.tolist())
    loop = [next(iter(after))]
    while (following := after[loop[-1]]) != loop[0]:
        loop.append(following)
    rim = hand.vertices[loop]
    middle = rim.mean(axis=0)
    rings = [middle + along * hand.forearm + wide * (rim - middle) for along, wide in profile]
    here = np.arange((len(rings) - 1) * len(rim)).reshape(-1, len(rim))
    beside = np.roll(here, -1, axis=1)
    faces = np.stack([here, beside, beside + len(rim), here + len(rim)], axis=-1).reshape(-1, 4)
    return np.concatenate(rings), faces


def _object(scene: Any, name: str, vertices: np.ndarray, faces: np.ndarray, material: Any) -> Any:
    import bpy

    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices.tolist(), [], faces.tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), dtype=bool))
    mesh.materials.append(material)
    thing = bpy.data.objects.new(name, mesh)
    scene.collection.objects.link(thing)
    return thing


def _wall(scene: Any) -> Any:
    """A dark dome around everything, as the studio of the real set."""
    import bpy

    bpy.ops.mesh.primitive_uv_sphere_add(radius=2.5, segments=48, ring_count=24)
    thing = bpy.context.object
    material = bpy.data.materials.new("dome")
    material.use_nodes = True
    tree = material.node_tree
    cloth = tree.nodes["Principled BSDF"]
    noise = tree.nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = 3.0
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.elements[0].color = (0.004, 0.004, 0.005, 1.0)
    ramp.color_ramp.elements[1].color = (0.03, 0.028, 0.026, 1.0)
    tree.links.new(noise.outputs["Fac"], ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], cloth.inputs["Base Color"])
    cloth.inputs["Roughness"].default_value = 1.0
    thing.data.materials.append(material)
    return thing


def _file(index: int, name: str) -> str:
    return f"Capture0/0001_twin/cam{name}/image{FIRST_FRAME + FRAME_STEP * index}"


def _image(folder: Path, index: int, name: str) -> Path:
    return folder / "images" / "test" / f"{_file(index, name)}.jpg"


def _mask(folder: Path, index: int, name: str) -> Path:
    return folder / "truth" / "masks" / f"{_file(index, name)}.png"


def spoil(folder: Path, twin: Twin) -> None:
    """Grey cameras and black frames, as the real set has them."""
    from PIL import Image

    grey = list(twin.cameras)[-GREY_CAMERAS:]
    for count, (index, name) in enumerate((i, n) for i in range(len(twin.poses)) for n in twin.cameras):
        path = _image(folder, index, name)
        with Image.open(path) as image:
            picture = image.convert("RGB")
        if name in grey:
            picture = picture.convert("L").convert("RGB")
        elif count % BLACK_EVERY == BLACK_EVERY - 1:
            picture = Image.new("RGB", picture.size)
        else:
            continue
        with atomic_path(path) as temporary:
            picture.save(temporary, quality=92)


def write_annotations(folder: Path, twin: Twin) -> None:
    """The four JSON files of the set, and the truth."""
    data, frames = builtin_hand("right"), [FIRST_FRAME + FRAME_STEP * index for index in range(len(twin.poses))]
    images: list[dict[str, Any]] = []
    for index, frame in enumerate(frames):
        for name, camera in twin.cameras.items():
            width, height = camera.width, camera.height
            if name == next(iter(twin.cameras)):
                width, height = height, width
            entry = {"id": len(images), "file_name": f"{_file(index, name)}.jpg", "width": width, "height": height}
            images.append(
                {**entry, "capture": 0, "subject": 0, "seq_name": "0001_twin", "camera": name, "frame_idx": frame}
            )
    kinds = [{"id": e["id"], "image_id": e["id"], "hand_type": "right", "hand_type_valid": 1} for e in images]
    cameras: dict[str, dict[str, Any]] = {"campos": {}, "camrot": {}, "focal": {}, "princpt": {}}
    for name, camera in twin.cameras.items():
        turn, place = TO_SET @ camera.camera_to_world[:3, :3], TO_SET @ camera.camera_to_world[:3, 3]
        cameras["campos"][name], cameras["camrot"][name] = (1000.0 * place).tolist(), turn.T.tolist()
        cameras["focal"][name], cameras["princpt"][name] = [camera.fx, camera.fy], [camera.cx, camera.cy]
    joints, fits = {}, {}
    for frame, pose, fit in zip(frames, twin.poses, twin.fits, strict=True):
        usual = 1000.0 * pose_joints(data, pose)[list(USUAL)] @ TO_SET.T
        valid = np.ones(21, dtype=int)
        valid[list(TIPS)] = 0
        world = np.concatenate([usual[TO_INTERHAND], np.ones((21, 3))])
        told = np.concatenate([valid[TO_INTERHAND], np.zeros(21, dtype=int)])
        joints[str(frame)] = {"world_coord": world.tolist(), "joint_valid": told[:, None].tolist()}
        moved = fit.moved(TO_SET, np.zeros(3), data.rest_joints(fit.betas)[0])
        raw = moved.hand_pose.reshape(-1) - data.hands_mean
        one = {"pose": [*moved.global_orient, *raw], "shape": moved.betas.tolist(), "trans": moved.transl.tolist()}
        fits[str(frame)] = {"right": one, "left": None}
    place = folder / "annotations" / "test"
    for kind, value in {
        "data": {"images": images, "annotations": kinds},
        "camera": {"0": cameras},
        "joint_3d": {"0": joints},
        "MANO_NeuralAnnot": {"0": fits},
    }.items():
        with atomic_path(place / f"InterHand2.6M_test_{kind}.json") as temporary:
            temporary.write_text(json.dumps(value), encoding="utf-8")
    true = [pose.moved(TO_SET, np.zeros(3), data.rest_joints(pose.betas)[0]) for pose in twin.poses]
    PoseSequence(tuple(true)).save(folder / "truth" / "poses.npz")


def with_true_poses(source: Path, prepared: Capture) -> Capture:
    """A capture that was prepared of the twin, with the true poses in place of its own."""
    true = read_pose_file(source / "truth" / "poses.npz", builtin_hand("right").name).poses.poses
    poses = list(prepared.poses.poses)
    for frame in prepared.frames:
        poses[frame.pose] = true[(_number(frame) - FIRST_FRAME) // FRAME_STEP]
    return replace(prepared, poses=PoseSequence(tuple(poses), prepared.poses.fps))


def _number(frame: CaptureFrame) -> int:
    """The set's number of a prepared frame."""
    return int(Path(frame.image).parent.name)


def judge(source: Path, prepared: Path) -> None:
    """How the prepared capture compares with the truth: masks, and vertices of its poses."""
    from PIL import Image

    data, capture = builtin_hand("right"), read_capture(prepared)
    true = with_true_poses(source, capture)
    ious, away = [], {}
    for frame in capture.frames:
        mask = source / "truth" / "masks" / "Capture0" / "0001_twin" / frame.camera_name / f"image{_number(frame)}.png"
        told = np.asarray(Image.open(mask))[..., 3] >= 128
        own = capture.image(frame)[..., 3] > 0.5
        ious.append((told & own).sum() / (told | own).sum())
        off = pose_vertices(data, capture.hand(frame)) - pose_vertices(data, true.hand(frame))
        away[frame.pose] = 1000.0 * np.linalg.norm(off, axis=1).mean()
    table = np.array(ious)
    print(f"{len(table)} masks: IoU mean {table.mean():.4f}, median {np.median(table):.4f}, worst {table.min():.4f}")
    mean = np.mean(list(away.values()))
    print(f"{len(away)} poses: vertices off by {mean:.2f} mm in the mean, {max(away.values()):.2f} mm at most")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the twin's folder")
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--poses", type=int, default=24)
    parser.add_argument("--width", type=int, default=334)
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--off", type=float, default=0.005, help="metres that fits are off in the mean")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--judge", type=Path, metavar="CAPTURE", help="compare a prepared capture with the truth")
    options = parser.parse_args(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else None)
    if options.judge is not None:
        judge(options.folder, options.judge)
        return
    twin = make_twin(options)
    write_annotations(options.folder, twin)
    render(options, twin)
    spoil(options.folder, twin)
    print(f"{len(twin.poses) * len(twin.cameras)} images in {options.folder}", flush=True)


if __name__ == "__main__":
    main()
