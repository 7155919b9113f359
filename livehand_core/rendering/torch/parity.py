"""Every stage of a frame against a recorded case of the published pipeline; avatars/parity_command calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...avatars.file import Avatar
from ...avatars.official import import_checkpoint
from ...cameras import OPENGL_TO_OPENCV, Camera
from ...errors import LiveHandError
from ...files import ARCHIVE_ERRORS
from ...framing import published_kernel
from ...networks import RadianceField
from ...surface import (
    NearestSurface,
    canonical_coordinates,
    nearest_surface,
    rasterise_depth,
    ray_bounds,
)
from ...surface.nearest import closest_barycentric
from .integration import integrate
from .rays import Rays, camera_rays
from .sampling import from_weights, stratified

STAGE_TOLERANCE = 1e-4
"""Largest error of a stage over its largest value, fed with what was recorded before it."""

IMAGE_TOLERANCE = 2e-4
"""Largest absolute error of the final image at the end of the whole chain."""

TIE_DISTANCE = 1e-7
"""Metres by which two triangles may differ in distance and still tie."""


@dataclass(frozen=True)
class StageError:
    """How far one stage is from the recorded one.

    Attributes:
        stage: key in the case file.
        alone: largest error when the stage is fed what was recorded before it, over the stage's largest value.
        chained: largest absolute error when every stage is fed by our own one before it.
    """

    stage: str
    alone: float
    chained: float

    @property
    def passed(self) -> bool:
        return self.alone <= STAGE_TOLERANCE and (self.stage != "rgb_high" or self.chained <= IMAGE_TOLERANCE)


@dataclass(frozen=True)
class ParityReport:
    """Errors by stage, and the nearest-triangle ties that were settled as in the recording.

    Attributes:
        stages: in the order of the pipeline.
        samples: number of samples along rays.
        ties: samples at which another triangle is equally near, and was taken in the recording.
    """

    stages: tuple[StageError, ...]
    samples: int
    ties: int

    @property
    def passed(self) -> bool:
        return all(stage.passed for stage in self.stages)


def load_case(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a case file (keys as in docs/method.md 3).

    Raises:
        LiveHandError: it is not there or is no case file.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            case = {key: archive[key] for key in archive.files}
    except ARCHIVE_ERRORS as error:
        raise LiveHandError(f"{path} is not a parity case ({error}).", "Give a .npz of recorded stages.") from error
    missing = {
        "vertices",
        "faces",
        "camera_to_world",
        "height",
        "width",
        "focal",
        "full_pose",
        "rgb_high",
    } - case.keys()
    if missing:
        raise LiveHandError(f"{path} lacks {', '.join(sorted(missing))}.", "Give a .npz of recorded stages.")
    return case


def case_avatar(case: Mapping[str, np.ndarray], checkpoint: str | Path) -> Avatar:
    """The checkpoint of a case as an avatar; the super-resolution's factor comes from the image sizes."""
    # A recording may hold uv that an xyz field never looked at: where it does not tell, the checkpoint does.
    coordinates = str(case["coordinates"]) if "coordinates" in case else None
    factor = int(case["sr_factor"]) if "sr_factor" in case else round(int(case["height"]) / len(case["rgb_low"]))
    return import_checkpoint(checkpoint, factor=factor, coordinates=coordinates)  # type: ignore[arg-type]


def compare(case: Mapping[str, np.ndarray], avatar: Avatar) -> ParityReport:
    """Run the case through every stage, once fed by the recording and once fed by ourselves, and compare.

    The density that decides a ray may be thousands a metre and is a function of coordinates scaled by 512, so rounding
    of the first stages grows along the chain: it is the single stages that are held to STAGE_TOLERANCE, and the final
    image of the whole chain to IMAGE_TOLERANCE. Nearest-triangle ties are settled by the recording: where its triangle
    is as near as ours, it is taken.
    """
    with torch.inference_mode():
        pipeline = _Pipeline(case, avatar)
        chained = pipeline.run({})
        recorded = {name: pipeline.recorded(name, value) for name, value in chained.items() if name in case}
        # A stage that was recorded in another shape, or empty, cannot feed the next one.
        same = {name: value for name, value in recorded.items() if value.shape == chained[name].shape}
        alone = pipeline.run({name: value for name, value in same.items() if value.numel()})
    errors = []
    for stage, truth in recorded.items():
        scale = max(float(truth.nan_to_num().abs().max()), 1e-12) if truth.numel() else 1.0
        errors.append(StageError(stage, _largest(alone[stage], truth) / scale, _largest(chained[stage], truth)))
    return ParityReport(tuple(errors), len(chained["points"]), pipeline.ties)


def _largest(values: torch.Tensor, truth: torch.Tensor) -> float:
    """Largest absolute difference; infinity when they are not numbers at the same places."""
    if values.shape != truth.shape or not torch.equal(torch.isnan(values), torch.isnan(truth)):
        return float("inf")
    return float((values - truth).nan_to_num().abs().max()) if values.numel() else 0.0


class _Pipeline:
    """The stages of one case, with any of their inputs replaced by recorded ones."""

    def __init__(self, case: Mapping[str, np.ndarray], avatar: Avatar) -> None:
        self.case, self.metadata = case, avatar.metadata
        self.field, self.fine, self.super_resolution = avatar.networks()
        architecture = avatar.metadata.architecture
        self.coordinates = architecture.field.coordinates
        factor = architecture.super_resolution.factor
        self.vertices = torch.from_numpy(case["vertices"]).float()
        self.faces = torch.from_numpy(case["faces"]).long()
        self.size = (int(case["width"]), int(case["height"]))
        width, height, focal = *self.size, float(case["focal"])
        pose = case["camera_to_world"].astype(np.float64) @ OPENGL_TO_OPENCV
        camera = Camera(width, height, focal, focal, width / 2, height / 2, pose, pixel_offset=0.0)
        self.low = camera.resized(max(width // factor, 1), max(height // factor, 1))
        self.samples = int(case["n_samples"]) if "n_samples" in case else architecture.n_samples
        self.extra = int(case["n_importance"]) if "n_importance" in case else architecture.n_importance
        self.latent = torch.from_numpy(np.asarray(case["latent"])).float().reshape(-1) if "latent" in case else None
        self.pose = torch.from_numpy(case["full_pose"]).float().reshape(-1)
        self.ties = 0

    def recorded(self, name: str, like: torch.Tensor) -> torch.Tensor:
        """A recorded stage as a tensor; in its own shape when it does not have ours."""
        value = torch.tensor(np.asarray(self.case[name]), dtype=like.dtype)
        return value.reshape(like.shape) if value.numel() == like.numel() else value

    def run(self, given: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Every stage's answer; a stage reads ``given`` in place of our own answer where it holds one."""
        done: dict[str, torch.Tensor] = {}

        def put(name: str, value: torch.Tensor) -> torch.Tensor:
            done[name] = value
            return given.get(name, value)

        low, shape = self.low, (self.low.height, self.low.width)
        depth_image = rasterise_depth(self.vertices, self.faces, low)
        near, far = ray_bounds(depth_image, published_kernel(low.height), self.metadata.depth_margin)
        stacked = torch.stack([near, far, near], dim=-1)
        bounds = put("bounds", torch.where((near < far)[..., None], stacked, torch.nan))
        rows, columns = torch.nonzero(torch.ones(shape, dtype=torch.bool), as_tuple=True)
        every = camera_rays(low, columns, rows)
        put("ray_origins", every.origins.reshape(*shape, 3))
        put("ray_directions", every.directions.view(*shape, 3))

        valid = torch.isfinite(bounds[..., 0])
        rows, columns = torch.nonzero(valid, as_tuple=True)
        rays = camera_rays(low, columns, rows)
        depths = stratified(bounds[valid][:, 0], bounds[valid][:, 1], self.samples)
        network = self.field
        if self.fine is not None:
            colour, sigma = self._evaluate(self.field, rays, self._positions(rays.at(depths)))
            weights = integrate(colour, sigma, depths, rays.lengths).weights
            depths, network = from_weights(depths, weights, self.extra), self.fine
        points = put("points", rays.at(depths).reshape(-1, 3)).view(-1, depths.shape[1], 3)
        if self.coordinates == "uvd":
            positions = self._positions(points).reshape(-1, 3)
            uv, distance = put("uv", positions[:, :2]), put("signed_distance", positions[:, 2:])
            positions = torch.cat([uv, distance], dim=-1).view(points.shape)
        else:
            positions = points
        put("view_directions", rays.view_directions[:, None].expand(*depths.shape, 3).reshape(-1, 3))
        colour, sigma = self._evaluate(network, rays, positions)
        raw = put("raw", torch.cat([colour, sigma[..., None]], dim=-1).reshape(-1, colour.shape[-1] + 1))
        raw = raw.view(*depths.shape, raw.shape[-1])

        result = integrate(raw[..., :-1], raw[..., -1], depths, rays.lengths)
        features = torch.zeros(*shape, raw.shape[-1] - 1)
        opacity, depth = torch.zeros(shape), torch.zeros(shape)
        features[valid], opacity[valid], depth[valid] = result.features, result.opacity, result.depth
        features, opacity = put("feature_map", features), put("opacity", opacity)
        put("depth", depth)
        put("rgb_low", features[..., :3])
        high = self.super_resolution(features.movedim(-1, 0)[None], opacity[None, None])
        if high.shape[-2:] != self.size[::-1]:
            high = torch.nn.functional.interpolate(high, self.size[::-1], mode="bilinear", antialias=True)
        put("rgb_high", high[0].movedim(0, -1))
        return done

    def _evaluate(
        self, network: RadianceField, rays: Rays, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        colour, sigma = network(positions, rays.view_directions, self.pose, self.latent)
        return colour, sigma

    def _positions(self, points: torch.Tensor) -> torch.Tensor:
        """The field's coordinates of (R, S, 3) points; counts the ties that the recording settles."""
        if self.coordinates == "xyz" or not points.numel():
            return points
        flat = points.reshape(-1, 3)
        nearest = nearest_surface(flat, self.vertices, self.faces)
        recorded = torch.from_numpy(self.case["face_index"]).long() if "face_index" in self.case else nearest.face
        if len(recorded) == len(flat):
            triangles = self.vertices[self.faces[recorded]]
            barycentric = closest_barycentric(flat, triangles)
            closest = (barycentric[..., None] * triangles).sum(dim=-2)
            excess = (flat - closest).norm(dim=-1) - (flat - nearest.closest).norm(dim=-1)
            tie = (recorded != nearest.face) & (excess.abs() <= TIE_DISTANCE)
            self.ties = int(tie.sum())
            nearest = NearestSurface(
                torch.where(tie, recorded, nearest.face),
                torch.where(tie[:, None], barycentric, nearest.barycentric),
                torch.where(tie[:, None], closest, nearest.closest),
            )
        face_uv = torch.from_numpy(self.case["face_uv"]).float()
        sign = self.metadata.sign
        return canonical_coordinates(flat, self.vertices, self.faces, face_uv, nearest, sign).view(points.shape)
