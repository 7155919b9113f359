"""The synthetic twin of a real set: what its documents tell, read as the real set's would be."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import twin

from livehand_core.datasets.conventions import find_set
from livehand_core.datasets.interhand import read_instants
from livehand_core.datasets.prepare import Settings, fit_error
from livehand_core.datasets.source import Choice, Notes
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.skinning import pose_vertices

OPTIONS = Namespace(poses=6, cameras=3, width=334, height=512, seed=0, off=0.005)


def test_fits_are_off_by_what_is_asked_for() -> None:
    made, hand = twin.make_twin(OPTIONS), builtin_hand("right")
    away = [
        np.linalg.norm(pose_vertices(hand, fit) - pose_vertices(hand, pose), axis=1).mean()
        for fit, pose in zip(made.fits, made.poses, strict=True)
    ]
    assert np.allclose(np.delete(away, 3), 0.005, rtol=0.01)
    assert 0.035 < away[3] < 0.045


def test_its_documents_are_the_real_sets(tmp_path: Path) -> None:
    made = twin.make_twin(OPTIONS)
    twin.write_annotations(tmp_path, made)
    (tmp_path / "images" / "test").mkdir(parents=True)
    row, notes = replace(find_set("interhand"), hand_model="livehand-builtin-1"), Notes()
    instants = list(read_instants(tmp_path, row, Choice(), notes))
    assert len(instants) == 6 and not notes.left_out and {len(instant.views) for instant in instants} == {3}
    errors = [fit_error(instant, Settings(row.hand_model)) for instant in instants]
    assert max(np.delete(errors, 3)) < 0.009 and errors[3] > 0.03
    # World and hand turned together: the same pixels.
    hand = builtin_hand("right")
    for instant, fit in zip(instants, made.fits, strict=True):
        for view, camera in zip(instant.views, made.cameras.values(), strict=True):
            seen, _ = view.camera.project(pose_vertices(hand, instant.hand))
            true, _ = camera.project(pose_vertices(hand, fit))
            assert np.abs(seen - true).max() < 0.02
