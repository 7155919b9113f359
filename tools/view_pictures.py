"""Make the pictures of docs/views.md and docs/training.md anew, by the commands that stand there and by Blender.

    .venv/bin/python tools/view_pictures.py [--avatar FILE] [--family FILE]

Writes docs/images/views.webp and docs/images/mesh.webp, or, of an avatar of several identities, identities.webp there;
takes about a minute on two cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

IMAGES = ROOT / "docs" / "images"
GROUND = "#1d1f24"
COLUMNS = 7
CELL = "200x236"
LARGEST_BYTES = 200_000

ROWS = (
    ("--pose", "open", "relaxed", "pinch", "fist", "point", "peace", "thumb_up", "--azimuth", "20"),
    ("--pose", "relaxed", "--camera", "orbit", "--turns", "0.857"),
    ("--pose", "open", "--shapes", "0", "1", "--shapes-by", "3", "--azimuth", "180"),
)
"""What the rows of the picture of views show: poses, an orbit, shapes."""

MOTION = ("--pose", "open", "relaxed", "fist", "point", "pinch", "--camera", "orbit", "--turns", "0.8")
BLEND = ("--pose", "open", "--azimuth", "180")
"""What the rows of the picture of identities show: of each identity, and of all, one after the other."""


def main() -> int:
    """0 when both pictures are written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--avatar", default="default", help="avatar file")
    parser.add_argument("--family", help="avatar file of several identities: make their picture")
    parser.add_argument("--blender-part", nargs=2, type=Path, metavar=("MESH", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.blender_part:
        return photograph(*options.blender_part)
    with TemporaryDirectory() as name:
        folder = Path(name)
        if options.family:
            identities(options.family, folder)
            return 0
        rows = [folder / f"row{number}.png" for number in range(len(ROWS))]
        for path, words in zip(rows, ROWS, strict=True):
            sheet(options.avatar, path, *words)
        save(rows, IMAGES / "views.webp")
        mesh = folder / "hand.glb"
        livehand("mesh", options.avatar, "--pose", "point", "--out", str(mesh))
        # Blender's module is a process of its own: it and torch bring their own thread pools.
        subprocess.run([sys.executable, __file__, "--blender-part", str(mesh), str(folder)], check=True)
        save(
            [[folder / f"{kind}{side}.png" for side in ("palm", "back") for kind in ("clay", "skin")]],
            IMAGES / "mesh.webp",
        )
    return 0


def identities(avatar: str, folder: Path) -> None:
    """One motion on each identity of an avatar, a row each, and a row that blends from one to the next."""
    from livehand_core.avatars.metadata import read_metadata

    names = [identity.name for identity in read_metadata(avatar).identities]
    rows = [folder / f"{number}.png" for number in range(len(names) + 1)]
    for path, name in zip(rows, names, strict=False):
        sheet(avatar, path, "--identity", name, *MOTION)
    sheet(avatar, rows[-1], "--identity", *names, *BLEND)
    save(rows, IMAGES / "identities.webp")


def sheet(avatar: str, path: Path, *words: str) -> None:
    """COLUMNS pictures of an avatar beside each other."""
    look = ["--frames", str(COLUMNS), "--columns", str(COLUMNS), "--size", CELL, "--background", GROUND]
    livehand("render", avatar, "--out", str(path), *words, *look)


def livehand(*words: str) -> None:
    """Run a command line; exits when it fails."""
    subprocess.run([sys.executable, "-m", "livehand_core", *words], check=True, cwd=ROOT)


def save(rows: list[Path] | list[list[Path]], out: Path) -> None:
    """Put pictures below, or in lists beside, each other, as WebP of at most LARGEST_BYTES."""
    import numpy as np
    from PIL import Image

    def read(path: Path) -> np.ndarray:
        return np.asarray(Image.open(path).convert("RGB"))

    parts = [
        np.concatenate([read(path) for path in row], axis=1) if isinstance(row, list) else read(row) for row in rows
    ]
    picture = Image.fromarray(np.concatenate(parts, axis=0))
    for quality in range(90, 40, -5):
        picture.save(out, quality=quality, method=6)
        if out.stat().st_size <= LARGEST_BYTES:
            break
    print(f"{out}: {picture.width} x {picture.height}, {out.stat().st_size} bytes")


def photograph(mesh: Path, folder: Path) -> int:
    """Inside Blender: import the mesh and render it as clay and with its vertex colours, from palm and back."""
    import bpy
    from mathutils import Matrix, Vector

    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(mesh))
    (hand,) = (thing for thing in bpy.data.objects if thing.type == "MESH")
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 24
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = 350, 420
    scene.view_settings.view_transform = "Standard"
    world = bpy.data.worlds.new("World")
    scene.world = world
    if bpy.app.version < (5, 0, 0):
        world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.012, 0.014, 0.018, 1.0)
    clay, skin = bpy.data.materials.new("Clay"), bpy.data.materials.new("Skin")
    if bpy.app.version < (5, 0, 0):
        clay.use_nodes = skin.use_nodes = True
    shader = next(node for node in clay.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (0.5, 0.5, 0.5, 1.0)
    # The avatar's light is in the colours: they are shown as they are.
    tree = skin.node_tree
    colour, glow = tree.nodes.new("ShaderNodeVertexColor"), tree.nodes.new("ShaderNodeEmission")
    colour.layer_name = hand.data.color_attributes[0].name
    tree.links.new(colour.outputs["Color"], glow.inputs["Color"])
    output = next(node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
    tree.links.new(glow.outputs["Emission"], output.inputs["Surface"])
    middle = sum((hand.matrix_world @ Vector(corner) for corner in hand.bound_box), Vector()) / 8.0
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    lamp = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    lamp.data.energy, lamp.data.angle = 2.2, 0.4
    fill = bpy.data.objects.new("Fill", bpy.data.lights.new("Fill", "SUN"))
    fill.data.energy, fill.data.angle = 0.6, 1.0
    for thing in (camera, lamp, fill):
        scene.collection.objects.link(thing)
    scene.camera = camera
    camera.data.lens = 100.0
    for side, towards in (("palm", Vector((0.0, -1.0, 0.25))), ("back", Vector((0.0, 1.0, 0.25)))):
        camera.matrix_world = Matrix.Translation(middle + 0.7 * towards.normalized()) @ turn(towards)
        lamp.matrix_world = turn(towards + Vector((-0.6, 0.0, 0.5)))
        fill.matrix_world = turn(towards + Vector((0.3, 0.0, -0.8)))
        for kind, material in (("clay", clay), ("skin", skin)):
            hand.data.materials.clear()
            hand.data.materials.append(material)
            scene.render.filepath = str(folder / f"{kind}{side}.png")
            bpy.ops.render.render(write_still=True)
    return 0


def turn(towards):  # type: ignore[no-untyped-def]
    """4x4 rotation of a camera or sun that looks along -towards with the fingers (-x) up."""
    from mathutils import Matrix, Vector

    back = towards.normalized()
    right = Vector((-1.0, 0.0, 0.0)).cross(back).normalized()
    return Matrix((right, back.cross(right), back)).transposed().to_4x4()


if __name__ == "__main__":
    raise SystemExit(main())
