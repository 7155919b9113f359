"""Where cameras stand, by what is seen in the pictures: pycolmap, which is optional, run on some frames."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...captures.lens import Lens
from ...errors import CaptureError
from ...libraries import require
from ..colmap import Shot, read_model

MOST_FRAMES = 60
"""Of a moving camera that are matched with one another."""

MOST_FEATURES = 3000
"""Of a picture. All pictures are matched with one another, which takes their square."""


def reconstruct(images: Path, names: Sequence[str], work: Path) -> list[Shot]:
    """The cameras of pictures, in a unit and a world that nothing tells.

    Args:
        images: folder of folders, one a camera: its pictures have one lens.
        names: of the pictures in it.
        work: folder for what is found meanwhile; removed.

    Raises:
        LibraryError: pycolmap is missing.
        CaptureError: the pictures do not hang together.
    """
    require("colmap", "Or calibrate with the board, or give --calibration.")
    import pycolmap

    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    database = work / "database.db"
    try:
        reader = pycolmap.ImageReaderOptions()
        reader.camera_model = "OPENCV"
        extraction = pycolmap.FeatureExtractionOptions()
        extraction.sift.max_num_features = MOST_FEATURES
        mode = pycolmap.CameraMode.PER_FOLDER
        pycolmap.extract_features(
            database, images, list(names), camera_mode=mode, reader_options=reader, extraction_options=extraction
        )
        pycolmap.match_exhaustive(database)
        models = pycolmap.incremental_mapping(database, images, work)
        if not models:
            raise _apart(0, len(names))
        best = max(models.values(), key=lambda model: model.num_reg_images())
        folder = work / "best"
        folder.mkdir()
        best.write(folder)
        shots = read_model(folder)
    except (RuntimeError, ValueError, OSError) as error:
        raise CaptureError(f"pycolmap failed ({str(error).splitlines()[0][:120]}).", _REMEDY) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if len(shots) < max(2, 0.5 * len(names)):
        raise _apart(len(shots), len(names))
    wrong = [shot.name for shot in shots if not _sound(shot.lens)]
    if wrong:
        raise CaptureError(f"pycolmap found no sensible lens for {wrong[0]}.", _REMEDY)
    return shots


_REMEDY = "Film a scene with much texture (newspaper under the hand), slowly, or calibrate with the board."


def _apart(found: int, of: int) -> CaptureError:
    return CaptureError(f"pycolmap could place only {found} of {of} pictures.", _REMEDY)


def _sound(lens: Lens) -> bool:
    return bool(np.abs([*lens.radial, *lens.tangential]).max(initial=0.0) < 5.0)
