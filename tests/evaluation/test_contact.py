"""Pictures that tell what they touch: read, drawn with it, measured near it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livehand_core.cameras import Camera, look_at
from livehand_core.captures.contacts import Contact, read_contact
from livehand_core.errors import CaptureError
from livehand_core.evaluation.contact import draw_alone, draw_contact, measure_contact, near_contact, together
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.builtin import MODEL_ID
from livehand_core.lights import Lamp, Light
from livehand_core.occluders import Occluder
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer


def card(height: float, x: tuple[float, float] = (-0.16, -0.06)) -> Occluder:
    """A card that lies so many metres above the back of a flat hand, over its fingers."""
    corners = [(x[0], height, -0.08), (x[1], height, -0.08), (x[1], height, 0.08), (x[0], height, 0.08)]
    return Occluder("Card", corners, [[0, 1, 2], [0, 2, 3]])


def request() -> FrameRequest:
    """A flat hand seen from its side, in a lamp above its back."""
    middle = np.array([-0.08, 0.0, 0.0])
    view = look_at(middle + np.array([0.0, 0.35, 0.45]), middle, np.array([0.0, 1.0, 0.0]))
    light = Light.uniform((0.2, 0.2, 0.2), (Lamp((3.0, 3.0, 3.0), direction=(0.0, 1.0, 0.0)),))
    return FrameRequest(Camera(96, 72, 240.0, 240.0, 48.0, 36.0, view), (HandInstance(HandPose.rest()),), light=light)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    contact = Contact((HandPose.rest("left"),), (card(0.03),))
    contact.write(tmp_path / "x.png")
    read = read_contact(tmp_path / "x.png")
    assert read is not None and read.things == contact.things and read.hands[0].side == "left"
    assert read_contact(tmp_path / "y.png") is None


@pytest.mark.parametrize("text", ["[]", '{"hands": []}', '{"hands": [{}], "things": []}', '{"hands": 3, "things": []}'])
def test_what_is_damaged_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.contact.json").write_text(text)
    with pytest.raises(CaptureError, match="contact"):
        read_contact(tmp_path / "x.png")


def test_what_is_near() -> None:
    """Skin below the card is near contact; the wrist and a hand without anything at it are not."""
    wanted, contact = request(), Contact(things=(card(0.02),))
    near = near_contact(together(wanted, contact), contact, MODEL_ID)
    places, _ = wanted.camera.project(np.array([[-0.1, 0.012, 0.0], [0.02, 0.02, 0.0]]))
    (x, y), (far_x, far_y) = places.astype(int)
    assert near[y, x] and not near[far_y, far_x]
    high = Contact(things=(card(0.2),))
    assert not near_contact(together(wanted, high), high, MODEL_ID).any()


def test_occlusion_counts() -> None:
    """Against a truth that is drawn with occlusion, what is drawn with it is better; what is hidden is cut out."""
    wanted, contact = request(), Contact(things=(card(0.05, (-0.21, -0.11)),))
    renderer = Renderer("cpu", precision="exact")
    image, alone = (draw(renderer, wanted, contact) for draw in (draw_contact, draw_alone))
    plain = renderer.render(wanted)["rgba"]
    assert image[..., 3].sum() < 0.97 * plain[..., 3].sum()
    np.testing.assert_allclose(image[..., 3], alone[..., 3], atol=1e-6)
    near = np.ones(plain.shape[:2], bool)
    values = measure_contact(image, alone, image, near)
    assert values["contact/psnr"] == np.inf and values["contact/psnr_alone"] < 40.0
    assert measure_contact(image, alone, image, ~near) == {}
