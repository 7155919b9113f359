"""How an avatar is shown in what is made of it, by the names that commands take. Needs nothing."""

from __future__ import annotations

from typing import Literal

Surface = Literal["proxy", "density"]
"""What a rigged mesh is of: the proxy with a texture, or the density's surface with vertex colours."""

Shown = Literal["even", "trained"]
"""The light that a relightable avatar is shown in."""

LIGHTS: dict[Shown, str] = {"even": "even white light", "trained": "the light that most of its pictures were taken in"}
"""What each is, in words."""
