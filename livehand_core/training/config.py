"""What a training run is told to do, as one value that is stored as TOML in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any, Literal

from ..documents import Reader
from ..errors import TrainingError
from ..files import atomic_path
from ..networks.config import FieldConfig, SuperResolutionConfig, check_detail, check_identity_detail
from ..records import build

CONFIG = Reader("The settings", TrainingError, "Start the run anew.", limit=1 << 20)

REACH = 0.06
"""Metres from the skin up to which space is taught to be empty: rays between two fingers pass points at 0.04."""

SKIN = 0.003
"""Metres from the proxy within which the skin of a hand that fits it lies, with room to spare."""


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one run. Lengths in metres, angles in radians, times in minutes.

    Attributes:
        steps: number of optimiser steps; 0 when ``minutes`` decides.
        minutes: training time after which the schedule ends; 0 when ``steps`` decides. Only a run of a given number
            of steps can be repeated to the same result.
        clock: what ``minutes`` are of: ``"wall"``, or ``"processor"``, the time that the processor's cores worked for
            the run, over their number: the same training whatever else the machine does.
        seed: of everything drawn.
        tile: wished side of the tile a step renders of an image, in low-resolution pixels; 0 for the hand's whole box.
        tiles_per_step: images a step draws a tile from.
        field_rate, super_resolution_rate: Adam's learning rates at their highest.
        rate_end: the last learning rate as a part of the highest (cosine decay); the first steps warm up.
        average_decay: decay of the moving average of the weights that is exported.
        sampling: ``"linear"``: from bound to bound; ``"surface"``: in a layer around the skin, which is measured once
            after the first ``coarse_part`` of the run, and linear before.
        samples: samples a ray, as the avatar is rendered; with surface sampling of a straight way through the layer.
        coarse_samples: samples a ray in the first ``coarse_part`` of the run.
        coarse_part: part of the run, 0 to 1.
        bounds_margin: distance that rays begin in front of and end behind the proxy's surface.
        lateral_margin: how far rays are evaluated past the proxy's silhouette.
        last_interval: depth that the last sample of a ray stands for. The published 1e10 makes it opaque and stops its
            gradient, so that density past the silhouette stays; a finite one lets it be unlearnt.
        light: ``"scene_light"`` trains an avatar that stands in any light, from a capture that tells of its lights;
            ``"as_trained"`` one that brings its light along; ``"auto"`` the first where there are several lights.
        detail_size, detail_channels: of the texture that a relightable avatar is given at the picture's resolution; a
            power of two, 0 for none.
        identity_detail_size: texels a side of what each identity adds to it; 0 for as many as it has. Half of them do
            for hands whose creases lie where the others' do.
        coordinates: ``"uvd"`` for the texture cube; ``"xyz"``, an ablation, for world coordinates, in which the hand is
            learnt anew in every pose.
        conditioning: ``"wrist"``: joint angles, and view directions in the wrist's frame, so that the hand may turn
            anywhere. ``"published"``, an ablation, adds the wrist's turn to the angles and leaves directions in the
            world. ``"local"``, of parts and chosen by itself: at each place the joints that move it.
        depth, width, view_width: hidden layers of the field, channels of each, and of the one that sees the view.
        position_frequencies: L of the position's encoding.
        hidden: channels of the two super-resolution blocks.
        density_scale: factor on the density layer, so that Adam reaches densities of thousands a metre.
        normal_frequencies: L of the encoding of the surface's normal; 0 trains the published form without it.
        distance_scale: factor on the distance d before its encoding, which makes it as lively as u and v.
        latent_size: numbers of an identity's code, where several are trained; none is longer than 1.
        code_rate: Adam's learning rate of the codes.
        texture_sizes: sides of the learnt textures over (u, v), in texels; none trains the published form.
        texture_channels: of each of them.
        texture_rate: of their texels, which each see few of the samples, beside ``ray_rate``; on tiles it is lower as
            ``field_rate`` is.
        ray_steps: steps at the beginning that train the field alone, on rays drawn from all images.
        ray_batch: rays of each of them.
        ray_rate: Adam's learning rate in them.
        density_noise: standard deviation of the noise on raw densities, in 1/m.
        alpha_weight: weight of the opacity's squared error beside the colour's.
        empty_space_weight: weight of the empty-space loss, which unlearns density far from the skin, also in poses that
            were not trained; 0 for none.
        empty_space_distance: metres from the proxy's surface beyond which it asks for emptiness; 0 for half of
            ``bounds_margin``, but no less than 3 mm. It should be farther out than real skin lies from the proxy.
        empty_space_points: points that are sampled in every fourth step.
        structure_weight, gradient_weight: parts of the weight-free perceptual term.
        lpips_weight: weight of LPIPS where its backbone is at hand; the weight-free term is used where it is not.
        pose_gain: how loud the normalised pose enters the field at the start.
        pose_noise: standard deviation of the noise on the normalised pose.
        view_noise: standard deviation of a turn of the view directions, one a tile, radians.
        calibrate_colour: learn a gain and a bias a camera (rendering uses 1 and 0).
        calibration_rate: Adam's learning rate of these.
        refine: learn corrections of the fits beside the field, see ``refinement``: poses, shapes, the proxy's surface.
        refine_silhouettes: first bring the fits' outlines onto those of the masks.
        refine_start: part of the run after which the field moves them, 0 to 1.
        refine_rate: learning rate of them, in the spreads that fits are off by.
        refine_prior: weight of the squares of what they are moved by, in spreads.
        refine_smoothness: weight of the surface's, beside.
        refine_cameras: correct the cameras' turns and places too.
        checkpoint_minutes, preview_minutes: how often each is written.
        memory_gb: GB (10^9 bytes) of images and their light that stay in memory; 0 for half of what is free when the
            run starts.
        name: of the avatar.
        licence: of the avatar; empty for the capture's.
        consent: what the person whose hand it is has agreed to; empty for what the capture says.
    """

    steps: int = 0
    minutes: float = 0.0
    clock: Literal["wall", "processor"] = "wall"
    seed: int = 0
    tile: int = 0
    tiles_per_step: int = 1
    field_rate: float = 2.5e-3
    super_resolution_rate: float = 2.5e-3
    rate_end: float = 0.02
    average_decay: float = 0.999
    sampling: Literal["linear", "surface"] = "linear"
    samples: int = 16
    coarse_samples: int = 16
    coarse_part: float = 0.0
    bounds_margin: float = 0.01
    lateral_margin: float = 0.004
    last_interval: float = 0.001
    light: Literal["auto", "as_trained", "scene_light"] = "auto"
    detail_size: int = 512
    detail_channels: int = 8
    identity_detail_size: int = 0
    coordinates: Literal["uvd", "xyz"] = "uvd"
    conditioning: Literal["wrist", "published", "local"] = "wrist"
    depth: int = 4
    width: int = 128
    view_width: int = 64
    position_frequencies: int = 10
    hidden: tuple[int, int] = (128, 64)
    density_scale: float = 1000.0
    normal_frequencies: int = 2
    distance_scale: float = 64.0
    latent_size: int = 8
    code_rate: float = 1e-3
    texture_sizes: tuple[int, ...] = ()
    texture_channels: int = 4
    texture_rate: float = 1e-2
    ray_steps: int = 0
    ray_batch: int = 4096
    ray_rate: float = 2.5e-3
    density_noise: float = 1.0
    alpha_weight: float = 0.5
    empty_space_weight: float = 0.1
    empty_space_distance: float = 0.0
    empty_space_points: int = 1024
    structure_weight: float = 0.01
    gradient_weight: float = 0.02
    lpips_weight: float = 1.0
    pose_gain: float = 0.3
    pose_noise: float = 0.3
    view_noise: float = 0.0
    calibrate_colour: bool = False
    calibration_rate: float = 1e-4
    refine: bool = False
    refine_silhouettes: bool = True
    refine_start: float = 0.3
    refine_rate: float = 0.005
    refine_prior: float = 1e-4
    refine_smoothness: float = 10.0
    refine_cameras: bool = False
    checkpoint_minutes: float = 5.0
    preview_minutes: float = 10.0
    memory_gb: float = 0.0
    name: str = "avatar"
    licence: str = ""
    consent: str = ""

    def __post_init__(self) -> None:
        if self.steps < 0 or self.minutes < 0.0 or (self.steps == 0) == (self.minutes == 0.0):
            raise TrainingError("The run's length is not clear.", "Give either --steps or --minutes, above zero.")
        if self.latent_size < 1:
            raise TrainingError("latent_size must be at least 1 for several identities.", "Set it to 1 or more.")
        if self.samples < 2 or self.coarse_samples < 2:
            raise TrainingError("A ray needs at least 2 samples.", "Set samples to 2 or more.")
        of_uvd = self.texture_sizes or self.normal_frequencies or self.distance_scale != 1.0 or self.empty_space_weight
        if self.coordinates == "xyz" and of_uvd:
            raise TrainingError(
                "Textures, normals, distance_scale and the empty-space loss need uvd coordinates.",
                "With coordinates xyz, set texture_sizes to [], normal_frequencies and empty_space_weight to 0, and "
                "distance_scale to 1.",
            )
        if self.sampling == "surface" and (self.coordinates == "xyz" or not 0.0 < self.coarse_part < 1.0):
            raise TrainingError(
                "Surface sampling needs a skin that has been learnt, over uvd coordinates.",
                "Give coordinates uvd, and a coarse_part above 0 and below 1, after which the layer is measured.",
            )
        if self.refine and self.coordinates == "xyz":
            raise TrainingError(
                "Fits are refined by their texture cube; world coordinates have none.",
                "Give coordinates uvd, or --no-refine.",
            )
        if self.refine and self.conditioning == "local":
            raise TrainingError("Fits are refined of hands, not of other parts.", "Give --no-refine.")
        if min(self.refine_rate, self.refine_prior, self.refine_smoothness) < 0.0 or not 0.0 <= self.refine_start < 1.0:
            raise TrainingError(
                "A setting of the refinement is out of range.",
                "Give refine_rate, refine_prior and refine_smoothness 0 or more, refine_start 0 or more and below 1.",
            )
        if self.empty_space_weight < 0.0 or self.empty_space_points < 1:
            raise TrainingError(
                "The empty-space loss has a negative weight or no points.",
                "Set empty_space_weight to 0 or more and empty_space_points to 1 or more.",
            )
        if self.empty_space_weight and not 0.0 <= self.empty_space_distance < REACH:
            raise TrainingError(
                f"empty_space_distance is {self.empty_space_distance} m, outside the range that is taught to be empty.",
                f"Set it to 0 or more and less than {REACH}, in metres.",
            )
        if self.tile < 0 or self.tiles_per_step < 1:
            raise TrainingError(
                "tile or tiles_per_step is out of range.", "Set tile to 0 or more and tiles_per_step to 1 or more."
            )
        if min(self.ray_steps, self.seed) < 0 or self.ray_batch < 1 or max(self.samples, self.coarse_samples) > 1024:
            raise TrainingError(
                "A number of steps, rays or samples, or the seed, is out of range.",
                "Give seed and ray_steps 0 or more, ray_batch 1 or more, and samples up to 1024.",
            )
        if not 0.0 <= self.memory_gb < 1e6:
            raise TrainingError("memory_gb is out of range.", "Set it to a number of GB, or to 0.")
        if self.light == "scene_light" and self.coordinates == "xyz":
            raise TrainingError("A relightable avatar needs uvd coordinates.", "Set light to as_trained.")
        check_detail(self.detail_size, self.detail_channels if self.detail_size else 0)
        check_identity_detail(self.identity_detail_size or self.detail_size or 1, self.detail_size)
        # What networks cannot have is refused now and not when they are made.
        FieldConfig(
            depth=self.depth,
            width=self.width,
            view_width=self.view_width,
            latent_size=self.latent_size,
            position_frequencies=self.position_frequencies,
            normal_frequencies=self.normal_frequencies if self.coordinates == "uvd" else 0,
            density_scale=self.density_scale,
            distance_scale=self.distance_scale,
            texture_sizes=self.texture_sizes,
            texture_channels=self.texture_channels,
        )
        SuperResolutionConfig(hidden=self.hidden)

    @property
    def empty_from(self) -> float:
        """Metres from the proxy's surface beyond which the empty-space loss asks for emptiness."""
        return self.empty_space_distance or min(max(SKIN, 0.5 * self.bounds_margin), 0.5 * REACH)

    def progress(self, step: int, seconds: float) -> float:
        """How much of the run is done, 0 to 1."""
        done = step / self.steps if self.steps else seconds / (60.0 * self.minutes)
        return min(max(done, 0.0), 1.0)


PRESETS: dict[str, dict[str, Any]] = {
    # As published (docs/method.md 2): a full image a step. For a device with a GPU.
    "published": {},
    # Single rays first, then two small tiles a step and light super-resolution: half an hour on two CPU cores.
    "cpu": {
        "texture_sizes": (128, 256, 512),
        "tile": 32,
        "ray_steps": 2000,
        "tiles_per_step": 2,
        "field_rate": 8e-4,
        "super_resolution_rate": 1e-3,
        "coarse_samples": 6,
        "coarse_part": 0.8,
        "sampling": "surface",
        "samples": 4,
        "bounds_margin": 0.003,
        "lateral_margin": 0.003,
        "hidden": (64, 32),
        "view_noise": 0.04,
    },
}


def preset(name: str, /, **changes: Any) -> TrainingConfig:
    """The settings of a preset with some changed.

    Raises:
        TrainingError: an unknown preset, or settings that do not fit together.
    """
    if name not in PRESETS:
        raise TrainingError(f"The preset {name!r} is unknown.", f"Choose from {', '.join(PRESETS)}.")
    return _checked({**PRESETS[name], **changes}, "Settings do not fit")


def save_config(config: TrainingConfig, path: str | PathLike[str]) -> None:
    """Write the settings as TOML. Raises LiveHandError when the folder cannot be written."""
    import tomli_w

    with atomic_path(path) as temporary:
        temporary.write_text(tomli_w.dumps(asdict(config)), encoding="utf-8")


def load_config(path: str | PathLike[str], **changes: Any) -> TrainingConfig:
    """Read what :func:`save_config` wrote, with some settings changed.

    Raises:
        TrainingError: the file is missing, damaged, or has settings this version does not know.
    """
    values = CONFIG.toml(path)
    return _checked(values | changes, f"The settings {path} do not fit")


def _checked(values: Mapping[str, Any], label: str) -> TrainingConfig:
    """The settings, each of the type that it must have. Raises TrainingError otherwise."""
    try:
        return build(TrainingConfig, values)
    except ValueError as error:
        raise TrainingError(f"{label}: {error}.", "livehand_core/training/config.py lists them.") from error
