"""The skin's colours: inside the gamut, told apart by people and places, deterministic; planes survive their file."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.errors import HandModelError
from livehand_core.hand import skin
from livehand_core.hand.looks import LOOKS, look_of


def bare(**values: float) -> dict[str, np.ndarray]:
    """Layers of one point of plain skin with some values of its own."""
    plain = {name: 1.0 if name in ("blood", "melanin") else 0.0 for name in skin.PLANES}
    return {name: np.array([value]) for name, value in (plain | values).items()}


def test_planes_survive_their_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(2)
    planes = {name: random.integers(0, 256, size=(40, 40), dtype=np.uint8) for name in skin.PLANES}
    skin.write_planes(tmp_path / skin.MAPS_FILE, planes)
    again = skin.stored_planes(tmp_path)
    for name, plane in planes.items():
        np.testing.assert_array_equal(again[name], plane)
        values = skin.decode(name, plane)
        np.testing.assert_array_equal(skin.encode(name, values), plane)


def test_missing_maps_are_a_clear_error(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(HandModelError, match=r"hand_maps\.npz.*build_hand"):
        skin.stored_planes(tmp_path)


def test_pigments_do_what_they_do() -> None:
    look = look_of("default")
    plain = skin.reflectance(bare(), look)[0]
    assert plain[0] > plain[1] > plain[2]
    red = skin.reflectance(bare(blood=2.0), look)[0]
    assert red[0] / red[1] > 1.15 * plain[0] / plain[1]
    brown = skin.reflectance(bare(melanin=2.0), look)[0]
    assert (brown < plain).all() and brown[2] / brown[0] < plain[2] / plain[0]
    vein = skin.reflectance(bare(vein=1.0), look)[0]
    assert vein[0] / vein[2] < plain[0] / plain[2]
    furrow = skin.reflectance(bare(palmar=-0.5), look)[0]
    assert (furrow < 0.9 * plain).all()
    palm = skin.reflectance(bare(palm=1.0, melanin=0.2), look_of("young"))[0]
    assert palm.mean() > 1.3 * skin.reflectance(bare(), look_of("young"))[0].mean()


def test_dark_skin_is_no_more_mottled_than_light_skin() -> None:
    def contrast(look: str) -> float:
        few, much = (skin.reflectance(bare(melanin=value), look_of(look))[0] for value in (0.85, 1.15))
        return float((few / much).max())

    assert contrast("young") < 1.5 * contrast("default")


def test_old_skin_has_spots_that_young_skin_has_not() -> None:
    for look, darker in (("old", 0.88), ("default", 1.0)):
        plain, spot = (skin.reflectance(bare(age=value), look_of(look))[0] for value in (0.0, 1.0))
        assert (spot <= darker * plain).all()
    np.testing.assert_array_equal(spot, plain)


def test_nails_shine_and_furrows_do_not() -> None:
    look = look_of("default")
    plain = skin.roughness(bare(), look)[0]
    assert skin.roughness(bare(nail=1.0), look)[0] < plain - 0.1
    assert skin.roughness(bare(fine=-0.2), look)[0] > plain


def test_people_look_different() -> None:
    tones = {name: skin.reflectance(bare(), look)[0] for name, look in LOOKS.items()}
    assert len(tones) >= 3
    names = list(tones)
    for k, first in enumerate(names):
        for second in names[k + 1 :]:
            assert np.abs(tones[first] - tones[second]).max() > 0.02
    assert tones["young"].mean() < 0.75 * tones["default"].mean()


def test_images_are_repeatable_and_in_range() -> None:
    first, again = (skin.skin_images(look_of("default")) for _ in range(2))
    np.testing.assert_array_equal(first.colour, again.colour)
    for image in (first.colour, first.surface):
        assert image.shape == (skin.MAP_SIZE, skin.MAP_SIZE, 4)
        assert image.min() >= 0.0 and image.max() <= 1.0
    skin_only = first.colour[(first.colour[..., 3] == 0.0)][::50, :3]
    # Not one colour: the hand itself varies, though softly.
    assert skin_only.std(axis=0).min() > 0.02


def test_unknown_people_are_named_in_the_error() -> None:
    with pytest.raises(HandModelError, match=r"'nobody'.*default, young, old"):
        look_of("nobody")
    for look in LOOKS.values():
        assert look.shape.shape == (10,)
