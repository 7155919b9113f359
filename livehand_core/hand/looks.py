"""How the built-in hand may look: the looks that come with it, by the name of the identity that shows each.

The identities of an avatar are another thing: ``avatars/identities``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import HandModelError

DEFAULT_LOOK = "default"

LICENCE = "CC0-1.0"
"""Terms of pictures of the looks: the built-in hand's own."""


@dataclass(frozen=True)
class HandLook:
    """Skin, nails and shape of one hand.

    Attributes:
        name: what it is called on the command line and in menus.
        about: one line that describes it.
        betas: up to ten shape coefficients of the built-in hand (size, finger length, finger thickness, palm breadth,
            palm depth, thumb length, palm length, taper, finger proportions, thumb thickness), in deviations.
        melanin: pigment of the back of the hand, 1 for light skin, 5 for very dark skin.
        blood: redness, 1 for a warm hand of mean colour.
        wrinkles: depth of creases and knuckle folds, 1 for thirty years of age.
        veins: how far veins stand out and show, 1 for lean, 0 for none.
        tendons: how far tendons stand out, 1 for a lean hand.
        spots: freckles, 0 to 1.
        age_spots: the larger spots of old hands, 0 to 1.
        dryness: how dull the skin is, 0 to 1.
        nail_length: millimetres that the nails' free edge reaches beyond the default hand's.
    """

    name: str
    about: str = ""
    betas: tuple[float, ...] = ()
    melanin: float = 1.0
    blood: float = 1.0
    wrinkles: float = 1.0
    veins: float = 1.0
    tendons: float = 1.0
    spots: float = 0.15
    age_spots: float = 0.0
    dryness: float = 0.0
    nail_length: float = 0.0

    @property
    def shape(self) -> np.ndarray:
        """(10,) float64 shape coefficients."""
        betas = np.zeros(10)
        betas[: len(self.betas)] = self.betas
        return betas


LOOKS: Mapping[str, HandLook] = {
    look.name: look
    for look in (
        HandLook(DEFAULT_LOOK, "Light skin, thirty years"),
        HandLook(
            "young",
            "Dark skin, slender, long nails, hardly any veins",
            betas=(-1.2, 0.5, -1.1, -0.9, -0.5, 0.2, 0.2, 0.8, 0.0, -0.9),
            melanin=3.1,
            blood=1.0,
            wrinkles=0.7,
            veins=0.35,
            tendons=0.55,
            spots=0.0,
            nail_length=1.0,
        ),
        HandLook(
            "old",
            "Light skin with age spots, deep folds, veins and tendons, broad fingers",
            betas=(0.9, -0.3, 1.0, 0.9, -0.6, -0.2, 0.1, -0.8, 0.3, 0.8),
            melanin=0.8,
            blood=1.22,
            wrinkles=1.75,
            veins=1.9,
            tendons=1.5,
            spots=0.10,
            age_spots=0.75,
            dryness=0.7,
        ),
    )
}
"""The looks that come with LiveHand. The avatar that ships inside has all of them."""


DRAWN = "synthetic-"
"""What the names of drawn looks begin with; a number follows."""


def drawn_look(number: int) -> HandLook:
    """A look of nobody: shape, skin and nails drawn by its number, the same each time.

    Pigment is drawn evenly over its whole range, age goes into wrinkles, veins, tendons, spots and dryness together.
    """
    random = np.random.default_rng([7, number])
    age = random.uniform()
    lean = random.uniform()
    return HandLook(
        f"{DRAWN}{number:03d}",
        "Drawn by its number",
        betas=tuple(np.round(random.normal(0.0, 0.9, 10).clip(-2.0, 2.0), 3).tolist()),
        melanin=round(float(random.uniform(0.7, 4.5)), 3),
        blood=round(float(random.uniform(0.75, 1.3)), 3),
        wrinkles=round(0.6 + 1.1 * age + float(random.uniform(0.0, 0.2)), 3),
        veins=round(0.1 + 0.9 * age + 0.8 * lean, 3),
        tendons=round(0.5 + 0.5 * age + 0.5 * lean, 3),
        spots=round(float(random.uniform(0.0, 0.6)) ** 2, 3),
        age_spots=round(max(0.0, age - 0.5) * float(random.uniform(0.5, 1.5)), 3),
        dryness=round(age * float(random.uniform(0.2, 0.9)), 3),
        nail_length=round(float(random.uniform(0.0, 1.0)) ** 2 * 1.5, 3),
    )


def look_of(name: str) -> HandLook:
    """The look of a name: one of ``LOOKS``, or ``synthetic-N`` of :func:`drawn_look`.

    Raises:
        HandModelError: there is none.
    """
    if name in LOOKS:
        return LOOKS[name]
    number = name.removeprefix(DRAWN)
    if name.startswith(DRAWN) and number.isascii() and number.isdigit() and len(number) <= 6:
        return drawn_look(int(number))
    raise HandModelError(
        f"The identity {name!r} is unknown.", f"Choose one of {', '.join(LOOKS)}, or {DRAWN}N for a drawn one."
    )
