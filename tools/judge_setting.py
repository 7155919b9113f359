"""What surrounds the hand where ``judge_hand`` shows it to a judge: a sleeve, and rooms out of focus behind it.

Photographs of hands have both. All of it is drawn from numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

WALLS = (
    (222, 216, 205),
    (205, 208, 210),
    (190, 196, 190),
    (226, 205, 180),
    (168, 176, 186),
    (214, 222, 226),
    (150, 140, 128),
    (120, 128, 132),
)
TABLE = (140.0, 110.0, 85.0)
CLOTH = (0.05, 0.07, 0.12)

_SLEEVE = ((-0.004, 1.04), (-0.004, 1.22), (0.0, 1.26), (0.06, 1.33), (0.15, 1.5), (0.30, 1.75))
"""Rings of a sleeve: metres beyond the wrist's end, and its width in widths of the wrist."""
_CORNERS = 64
_WRIST_METRES = 0.016
"""How much of the hand's end counts as the wrist."""


def room(random: np.random.Generator, size: int) -> np.ndarray:
    """(size, size, 3) uint8 of a wall in the light of one side, with things on it and perhaps a table, out of focus."""
    from PIL import Image, ImageFilter

    y, x = np.mgrid[:size, :size] / size
    wall = np.array(WALLS[random.integers(len(WALLS))]) * random.uniform(0.55, 1.0)
    towards = random.uniform(0.0, 2.0 * np.pi)
    light = 1.0 + 0.36 * ((x - 0.5) * np.cos(towards) + (y - 0.5) * np.sin(towards))
    picture = wall * light[..., None]
    for _ in range(random.integers(4, 10)):
        (width, height), (across, down) = random.uniform(0.08, 0.45, 2), random.uniform(0.0, 1.0, 2)
        thing = (abs(x - across) < 0.5 * width) & (abs(y - down) < 0.5 * height)
        picture[thing] = wall * random.uniform(0.25, 1.2) + random.normal(0.0, 22.0, 3)
    if random.random() < 0.7:
        picture[y > random.uniform(0.7, 0.95)] = np.array(TABLE) * random.uniform(0.4, 1.2)
    blur = size / 77.0 * random.uniform(0.6, 1.4)
    sharp = Image.fromarray(np.clip(picture, 0.0, 255.0).astype(np.uint8))
    soft = np.asarray(sharp.filter(ImageFilter.GaussianBlur(blur)), dtype=np.float64)
    return np.clip(soft + random.normal(0.0, 2.0, soft.shape), 0.0, 255.0).astype(np.uint8)


def sleeve_surface(
    hand: np.ndarray, profile: tuple[tuple[float, float], ...] = _SLEEVE
) -> tuple[np.ndarray, np.ndarray]:
    """A tube that goes on from the wrist, by default a sleeve with a turned-in edge that widens.

    Args:
        hand: (V, 3) metres, a hand's vertices with the wrist at rest, its fingers along x.
        profile: metres along the arm, and radii of the wrist there.

    Returns:
        (N, 3) vertices in metres and (F, 4) int64 faces.
    """
    outward = 1.0 if abs(hand[:, 0].max()) < abs(hand[:, 0].min()) else -1.0
    end = (outward * hand[:, 0]).max()
    wrist = hand[outward * hand[:, 0] > end - _WRIST_METRES, 1:]
    middle, half = 0.5 * (wrist.min(axis=0) + wrist.max(axis=0)), 0.5 * np.ptp(wrist, axis=0)
    turn = 2.0 * np.pi * np.arange(_CORNERS) / _CORNERS
    # A little squarer than an ellipse, as wrists are.
    outline = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    outline = np.sign(outline) * abs(outline) ** 0.85 * half
    rings = []
    for along, wide in profile:
        rounder = np.array([1.0 + 0.25 * np.clip(along / 0.2, 0.0, 1.0), 1.0])
        x = np.full((_CORNERS, 1), outward * (end + along))
        rings.append(np.concatenate([x, middle + wide * rounder * outline], axis=1))
    here = np.arange((len(profile) - 1) * _CORNERS).reshape(-1, _CORNERS)
    beside = np.roll(here, -1, axis=1)
    faces = np.stack([here, beside, beside + _CORNERS, here + _CORNERS], axis=-1).reshape(-1, 4)
    return np.concatenate(rings), faces


def add_sleeve(scene: Any, hand: np.ndarray) -> Any:
    """A dark sleeve around the wrist of (V, 3) vertices, as an object linked to the scene's collection."""
    import bpy

    vertices, faces = sleeve_surface(hand)
    mesh = bpy.data.meshes.new("sleeve")
    mesh.from_pydata(vertices.tolist(), [], faces.tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), dtype=bool))
    material = bpy.data.materials.new("cloth")
    material.use_nodes = True
    cloth = material.node_tree.nodes["Principled BSDF"]
    cloth.inputs["Base Color"].default_value = (*CLOTH, 1.0)
    cloth.inputs["Roughness"].default_value = 0.95
    mesh.materials.append(material)
    thing = bpy.data.objects.new(mesh.name, mesh)
    scene.collection.objects.link(thing)
    return thing
