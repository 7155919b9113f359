"""A certificate of this run's own, and small pictures to sign."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livehand_core.provenance.certificate import load_identity, make_certificate
from livehand_core.provenance.facts import avatar_facts
from livehand_core.provenance.signing import Signer


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate("Test Studio", tmp_path_factory.mktemp("certificate") / "made")


@pytest.fixture(scope="session")
def signer(certificate: Path) -> Signer:
    identity = load_identity(certificate, certificate.with_name("key.pem"))
    return Signer(identity, avatar_facts(["default"]))


def noise(width: int = 24, height: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)


def write_exr(path: Path) -> None:
    """Not decoded by anyone here: its manifest binds bytes."""
    path.write_bytes(b"\x76\x2f\x31\x01" + noise().tobytes())


def write_video(path: Path) -> None:
    from imageio_ffmpeg import get_ffmpeg_exe

    source = ["-f", "lavfi", "-i", "testsrc=size=32x32:rate=5:duration=1"]
    words = [get_ffmpeg_exe(), "-y", "-v", "error", *source, "-c:v", "libx264", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(words, check=True, timeout=60)


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a small file of a kind."""

    def make(suffix: str) -> Path:
        path = tmp_path / f"hand.{suffix}"
        if suffix in ("png", "webp"):
            Image.fromarray(noise()).save(path, **({"lossless": True} if suffix == "webp" else {}))
        else:
            (write_exr if suffix == "exr" else write_video)(path)
        return path

    return make
