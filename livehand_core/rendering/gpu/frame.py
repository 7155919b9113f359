"""A hand's frame as dispatches: mesh, bounds, samples, field, super-resolution, picture, passes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...avatars.metadata import Architecture, AvatarMetadata
from ...framing import Box
from ...kernels.compose import ALPHA_RAMP, LIT_RAMP, WEIGHT_FLOOR
from ...kernels.mesh.placement import ENTRY, MOST_PARTS, MOST_QUERIES, NEARBY, RELAXED, STEEPEST, TOLERANCE
from ...kernels.networks.field import LEAST_OPACITY
from ..plan import Plan
from ..thresholds import RAYS_AT_ONCE
from .device import Buffer, Gpu, Recorder, packed, row_groups, tiles
from .field import Field, stride
from .mesh import Mesh
from .raster import camera_bytes, image_tiles
from .shaders import Constant
from .shading import Materials, Shading
from .super_resolution import SuperResolution

WORK_BYTES = 36
"""Of a chunk's plan: three kernels' workgroups by axis."""


@dataclass(frozen=True)
class Networks:
    """An avatar on a GPU: its mesh, its two networks, its part in shading if it is relightable, and its metadata."""

    gpu: Gpu
    metadata: AvatarMetadata
    mesh: Mesh
    field: Field
    super_resolution: SuperResolution
    shading: Shading | None = None


@dataclass(frozen=True)
class Picture:
    """A picture on the GPU, see ``picture.wgsl``: its buffer, pixels in a row, and where it lies in which canvas."""

    buffer: Buffer
    pitch: int
    box: Box
    canvas: tuple[int, int]


@dataclass(frozen=True)
class FeatureImage:
    """What a march leaves: the image (see ``bounds.wgsl``) of a box, and how many rays were evaluated."""

    image: Buffer
    count: Buffer


def record_features(
    networks: Networks, record: Recorder, plan: Plan, inputs: tuple[np.ndarray, np.ndarray | None], threshold: float
) -> FeatureImage:
    """Bounds, samples, field and integration over the feature image's box.

    Args:
        networks: with the frame's mesh posed and the identity's textures shown.
        record: takes the dispatches.
        plan: of the hand.
        inputs: pose and code, see ``setup.conditioning``.
        threshold: transmittance below which a ray ends.
    """
    gpu, field = networks.gpu, networks.field
    seen = plan.low_box.of(plan.low)
    pixels = seen.width * seen.height
    chunk = min(pixels, RAYS_AT_ONCE)
    chunks = -(-pixels // RAYS_AT_ONCE)
    placement = placement_constants(networks.metadata.architecture)
    constants: dict[str, Constant] = field.constants | placement | {"CHUNK": RAYS_AT_ONCE}
    constants["LEAST_OPACITY"] = float(LEAST_OPACITY)
    image = gpu.scratch("image", pixels * (field.colours + 1) * 16)
    count, rays = gpu.scratch("count", 16), gpu.scratch("rays", pixels * 16)
    work = gpu.scratch("work", chunks * WORK_BYTES)
    depth = networks.mesh.rasterise(record, seen, "low depth")
    parameters = camera_bytes(seen) + packed(margin=float(networks.metadata.depth_margin), radius=plan.kernel // 2)
    for entry, groups in (("reset", (1, 1, 1)), ("find", image_tiles(seen)), ("prepare", (chunks, 1, 1))):
        kernel = gpu.kernel(["bounds"], entry, "rwwww", constants)
        record.run(kernel, parameters, (depth, count, rays, image, work), groups)
    positions = gpu.scratch("positions", chunk * room(networks.metadata.architecture) * stride(field.config) * 4)
    views = gpu.scratch("view terms", chunk * field.views * 16)
    surface = networks.mesh.constants | constants
    mesh = (networks.mesh.topology, networks.mesh.face_uv, networks.mesh.posed)
    way = "surface_samples" if networks.metadata.architecture.sampling == "surface" else "samples"
    find_samples = gpu.kernel(["nearest", way], "find", "rrrrrw", surface)
    find_views = gpu.kernel(["encoding", "view_terms"], "find", "rrrw", constants)
    march = gpu.kernel(
        ["encoding", "dense:hidden", "dense:view", "dense:colour", "field"], "march", "rrrrrw", constants
    )
    for number in range(chunks):
        if number:
            record.cut()
        start = number * RAYS_AT_ONCE
        place = camera_bytes(seen) + packed(start=start)
        sampled = camera_bytes(seen) + packed(start=start, last_interval=float(networks.metadata.last_interval))
        at = number * WORK_BYTES
        record.run(find_samples, sampled, (*mesh, count, rays, positions), work=(work, at))
        record.run(find_views, place, (count, rays, field.weights, views), work=(work, at + 12))
        own = field.parameters(start, *inputs, threshold)
        record.run(march, own, (count, rays, positions, views, field.weights, image), work=(work, at + 24))
    return FeatureImage(image, count)


def room(architecture: Architecture) -> int:
    """How many samples a ray has room for."""
    return architecture.n_samples * (MOST_PARTS if architecture.sampling == "surface" else 1)


def placement_constants(architecture: Architecture) -> dict[str, Constant]:
    """Of the shaders that place samples: how many a ray has room for, how many a thread places, and the rule."""
    samples = room(architecture)
    if architecture.sampling == "linear":
        return {"SAMPLES": samples, "PLACED_AT_ONCE": samples}
    rule = {"TOLERANCE": TOLERANCE, "ENTRY": ENTRY, "NEARBY": NEARBY, "STEEPEST": STEEPEST, "RELAXED": RELAXED}
    return {
        "SAMPLES": samples,
        "PLACED_AT_ONCE": 1,
        "MOST_QUERIES": MOST_QUERIES,
        "PART": 1.0 / architecture.n_samples,
        **{name: float(value) for name, value in rule.items()},
    }


def record_picture(networks: Networks, record: Recorder, plan: Plan, features: FeatureImage) -> Picture:
    """The super-resolution's picture of the feature image's box, in the working camera's canvas or rounded to it."""
    gpu, architecture = networks.gpu, networks.metadata.architecture
    factor, box = architecture.super_resolution.factor, plan.low_box
    width, height = box.width * factor, box.height * factor
    shading, lit = networks.shading, None
    if shading is not None:
        seen = shading.surface(record, plan.picture_camera, "seen")

        def lit(materials: Buffer, tile: Box, answer: Buffer) -> None:
            shading.shade(record, seen, Materials(materials, tile), answer, width)

    upsampled = networks.super_resolution.upsample(record, features.image, box.width, box.height, lit)
    if shading is not None:
        upsampled = shading.blend(record, seen, upsampled, width, height, "blended")
    picture = gpu.scratch("picture", width * height * 32)
    begin, end = ALPHA_RAMP if shading is None else LIT_RAMP
    constants: dict[str, Constant] = {
        "real": "f32",
        "C4": networks.field.colours,
        "FACTOR": factor,
        "OFFSET": networks.metadata.pixel_offset,
        "OWN_ALPHA": architecture.super_resolution.gives_opacity,
        "LIT": shading is not None,
        "WEIGHT_FLOOR": float(WEIGHT_FLOOR),
        "RAMP_BEGIN": begin,
        "RAMP_END": end,
    }
    kernel = gpu.kernel(["picture"], "finish", "rrw", constants)
    size = packed(width=box.width, height=box.height)
    record.run(kernel, size, (features.image, upsampled, picture), tiles(width, height))
    return Picture(picture, width, plan.picture, plan.canvas)


def record_resized(gpu: Gpu, record: Recorder, picture: Picture, size: tuple[int, int], name: str) -> Picture:
    """The picture's canvas at another size, in the scratch buffer of a name."""
    width, height = size
    assert min(picture.box.left, picture.box.top) >= 0
    cut = picture.box.grown(0, *picture.canvas)
    answer = gpu.scratch(name, width * height * 32)
    parameters = packed(
        pitch=picture.pitch,
        source=(cut.width, cut.height),
        place=(cut.left, cut.top),
        canvas=picture.canvas,
        size=size,
    )
    kernel = gpu.kernel(["resize"], "resample", "rw", {"real": "f32"})
    record.run(kernel, parameters, (picture.buffer, answer), tiles(width, height))
    return Picture(answer, width, Box(0, 0, width, height), size)


def record_passes(
    networks: Networks, record: Recorder, plan: Plan, picture: Picture, passes: frozenset[str]
) -> tuple[Buffer, int]:
    """Colour, depth and what else is asked for over the plan's box: a buffer, and its bytes."""
    gpu, mesh, camera = networks.gpu, networks.mesh, plan.box.of(plan.view.camera)
    with_surface = bool(passes & {"depth", "normal", "uvd"})
    surface = mesh.rasterise(record, camera, "surface") if with_surface else gpu.scratch("count", 16)
    constants: dict[str, Constant] = mesh.constants | {
        "real": "f32",
        "WITH_SURFACE": with_surface,
        "WITH_NORMAL": "normal" in passes,
        "WITH_UVD": "uvd" in passes,
    }
    size = camera.width * camera.height * 4 * (5 + 3 * len(passes & {"normal", "uvd"}))
    answer = gpu.scratch("passes", size)
    middle = (plan.view.camera.world_to_camera @ [*plan.vertices.mean(axis=0), 1.0])[2]
    turn = np.zeros((3, 4))
    turn[:, :3] = plan.view.normal_to_world
    parameters = camera_bytes(camera) + packed(
        normal_to_world=turn, pitch=picture.pitch, middle=float(middle), scale=float(plan.view.scale)
    )
    kernel = gpu.kernel(["nearest", "passes"], "finish", "rrrrrw", constants)
    buffers = (mesh.topology, mesh.face_uv, mesh.posed, picture.buffer, surface, answer)
    record.run(kernel, parameters, buffers, image_tiles(camera))
    return answer, size


def record_low(networks: Networks, record: Recorder, plan: Plan, features: FeatureImage) -> tuple[Buffer, int]:
    """The feature image's colours, opacity and expected depth: a buffer, and its bytes."""
    gpu = networks.gpu
    pixels = plan.low_box.width * plan.low_box.height
    answer, lit, shading = gpu.scratch("low", pixels * 20), features.image, networks.shading
    if shading is not None:
        lit, camera = gpu.scratch("low lit", pixels * 16), plan.low_box.of(plan.low)
        surface = shading.surface(record, camera, "seen low")
        box = Box(0, 0, camera.width, camera.height)
        shading.shade(record, surface, Materials(features.image, box, of_features=True), lit, camera.width)
        lit = shading.blend(record, surface, lit, camera.width, camera.height, "low blended")
    constants: dict[str, Constant] = {"real": "f32", "C4": networks.field.colours, "LIT": shading is not None}
    kernel = gpu.kernel(["low"], "take", "rrw", constants)
    record.run(kernel, packed(pixels=pixels, at=0), (features.image, lit, answer), row_groups(-(-pixels // 64)))
    return answer, pixels * 20
