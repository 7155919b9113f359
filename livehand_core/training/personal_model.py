"""One more identity beside those that an avatar knows, in numbers that a few pictures can tell.

A blend of the known ones, with a code and texels of its own beside it. The blend may go beyond those known: a skin
darker than theirs is one of them, and more of what sets it apart. Texels are sums of bands from coarse to fine, each
counted in what the known identities differ by in that band, and held to it by a prior: so the pictures tell colours
everywhere, and creases only where they show them.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from ..avatars import Avatar
from ..networks.detail import identity_texture
from .config import TrainingConfig
from .frozen import FrozenModel

GAIN_CAMERA = 1
"""The camera whose colour calibration all pictures share; that of the first is fixed."""

BANDS = (1, 4, 16, 64)
"""Texels a side of the bands of a texture, coarse to fine; the texture's own follows."""

LEAST_SPREAD = 0.005
"""Of texels, where known identities hardly differ."""

NOISE = 0.06
"""By which a pixel may be off for other reasons than its texels: a texel as far off as known identities differ in its
band costs as much as one such pixel."""

CODE_PRIOR, GAIN_PRIOR = 0.002, 0.05


class PersonalModel(FrozenModel):
    """An avatar's networks, frozen, and one more identity, which is all that is trained.

    Attributes:
        shares_own: (identities,) by which the blend's shares differ from even ones, once their mean is taken out.
        code_own: (latent_size,) beside the blend's code.
        bands: of each texture, coarse to fine, (S, S, C) beside the blend's; of a relightable avatar those of the
            detail texture are the last.
        weight: of the square of a texel of a band.
        shown: what a step's tiles see of ``identity``.
    """

    def __init__(self, avatar: Avatar, config: TrainingConfig, pixels: int) -> None:
        """``pixels``: of all pictures."""
        super().__init__(avatar, config, cameras=GAIN_CAMERA + 1)
        assert self.codes is not None
        detail = [] if self.identity_detail is None else [self.identity_detail]
        self._known = [self.codes, *self.identity_textures, *detail]
        self.calibration.requires_grad_(config.calibrate_colour)
        self.shares_own = nn.Parameter(torch.zeros(len(self.codes)))
        self.code_own = nn.Parameter(torch.zeros(self.codes.shape[1]))
        self._spreads = [band_spreads(texture) for texture in self._known[1:]]
        self.bands = nn.ParameterList()
        for texture, spreads in zip(self._known[1:], self._spreads, strict=True):
            self.bands.extend(torch.zeros(side, side, texture.shape[3]) for side in spreads)
        self.weight = NOISE**2 / pixels
        self.shown: list[torch.Tensor] = []

    @property
    def shares(self) -> torch.Tensor:
        """(identities,) of the blend; their sum is 1, and each may lie beyond 0 and 1."""
        return 1.0 / len(self.shares_own) + self.shares_own - self.shares_own.mean()

    def identity(self) -> list[torch.Tensor]:
        """The code (latent_size,), no longer than 1, and (S, S, C) what the identity adds to each texture."""
        blend = [torch.tensordot(self.shares, known, dims=1) for known in self._known]
        code = blend[0] + self.code_own
        answer = [code / code.norm().clamp(min=1.0)]
        bands = iter(self.bands)
        for own, spreads in zip(blend[1:], self._spreads, strict=True):
            for spread in spreads.values():
                own = own + spread * enlarged(next(bands), len(own))
            answer.append(own)
        return answer

    def code(self, identity: int) -> torch.Tensor:
        """(latent_size,) of the new identity."""
        return self.shown[0]

    def textures(self, identity: int) -> list[torch.Tensor]:
        """(S, S, C) each: those of the new identity."""
        return [shared + own for shared, own in zip(self.field.textures, self.shown[1:], strict=False)]

    def detail_texture(self, identity: int) -> torch.Tensor | None:
        """(S, S, C): that of the new identity; None without one."""
        if self.detail is None or self.identity_detail is None:
            return None
        return identity_texture(self.detail.texture, self.shown[-1])

    def prior(self) -> torch.Tensor:
        """What it costs that the identity leaves the others, and colours their place."""
        gains = self.calibration[GAIN_CAMERA]
        total = CODE_PRIOR * self.code_own.square().sum() + GAIN_PRIOR * gains.square().sum()
        texels = torch.stack([band.square().sum() for band in self.bands]).sum()
        return total + self.weight * (self.shares_own.square().sum() + texels)


def enlarged(band: torch.Tensor, side: int) -> torch.Tensor:
    """(S, S, C) of (R, R, C), between texels linear."""
    if len(band) == side:
        return band
    answer = functional.interpolate(band.permute(2, 0, 1)[None], size=(side, side), mode="bilinear")
    return answer[0].permute(1, 2, 0)


def band_spreads(textures: torch.Tensor) -> dict[int, float]:
    """Side of each band of (identities, S, S, C) textures -> the deviation of its texels between identities."""
    count, side = len(textures), textures.shape[1]
    rest = (textures - textures.mean(dim=0)).permute(0, 3, 1, 2)
    answer = {}
    for level in (*(level for level in BANDS if level < side), side):
        means = functional.adaptive_avg_pool2d(rest, level)
        answer[level] = max(math.sqrt(float(means.square().mean()) * count / (count - 1)), LEAST_SPREAD)
        rest = rest - functional.interpolate(means, size=(side, side), mode="bilinear")
    return answer
