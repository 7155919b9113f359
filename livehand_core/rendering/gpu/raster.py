"""Triangles at the pixels of a camera, on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...cameras import Camera
from .device import Buffer, Gpu, Recorder, packed, row_groups, tiles
from .shaders import Constant


@dataclass(frozen=True)
class Triangles:
    """What ``raster.wgsl`` draws.

    Attributes:
        gpu: where.
        constants: F, FACES, VERTICES, and CORNER and VERTEX4 where they are not 1.
        topology, posed: corners and vertices.
    """

    gpu: Gpu
    constants: Mapping[str, Constant]
    topology: Buffer
    posed: Buffer

    def depths(self, record: Recorder, camera: Camera, name: str) -> Buffer:
        """At a camera's pixels, as bits of float32, in the scratch buffer of a name."""
        surface = self.gpu.scratch(name, camera.width * camera.height * 4)
        self._draw(record, camera, surface, 1)
        return surface

    def seen(self, record: Recorder, camera: Camera, name: str) -> Buffer:
        """Depths; behind them the triangles that have them, F or more where none does; then room for one more plane."""
        surface = self.gpu.scratch(name, camera.width * camera.height * 12)
        self._draw(record, camera, surface, 2)
        return surface

    def _draw(self, record: Recorder, camera: Camera, surface: Buffer, planes: int) -> None:
        faces = self.constants["F"]
        assert isinstance(faces, int)
        pixels = row_groups(-(-camera.width * camera.height * planes // 64))
        rounds = [("clear", pixels, 0), *(("draw", row_groups(faces), number) for number in range(planes))]
        for entry, groups, naming in rounds:
            kernel = self.gpu.kernel(
                ["triangle", "raster"], entry, "rrw", {"CORNER": 1, "VERTEX4": 1, **self.constants}
            )
            parameters = camera_bytes(camera) + packed(planes=planes, naming=naming)
            record.run(kernel, parameters, (self.topology, self.posed, surface), groups)


def camera_bytes(camera: Camera) -> bytes:
    """The shaders' struct ``Camera``."""
    return packed(
        to_camera=camera.world_to_camera[:3],
        to_world=camera.camera_to_world[:3],
        focal=(camera.fx, camera.fy),
        centre=(camera.cx - camera.pixel_offset, camera.cy - camera.pixel_offset),
        size=(camera.width, camera.height),
        orthographic=camera.projection == "orthographic",
        unused=0,
    )


def image_tiles(camera: Camera) -> tuple[int, int, int]:
    """Workgroups over a camera's image."""
    return tiles(camera.width, camera.height)
