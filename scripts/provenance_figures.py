"""How well signing holds: ``python scripts/provenance_figures.py [--pictures 1000]``.

Signs and verifies so many pictures of 512 x 334, with the median time of each; then flips every byte, one after the
other, of one small signed file of each kind and of its manifest, and counts those that verifying does not find.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from livehand_core.provenance.certificate import load_identity, make_certificate
from livehand_core.provenance.facts import avatar_facts
from livehand_core.provenance.signing import Signer, verify

KINDS = ("png", "mp4", "mov", "exr", "webp")


def main() -> int:
    """Print the figures; 0 when all pictures verify and all flipped bytes are found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--bit", type=int, default=0, choices=range(8), help="which bit of each byte is flipped")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chain = make_certificate("Figures", folder / "certificate")
        signer = Signer(load_identity(chain, chain.with_name("key.pem")), avatar_facts(["default"]))
        good = many(signer, folder, options.pictures)
        missed = {kind: flips(signer, folder / f"flip.{kind}", options.bit) for kind in KINDS}
    return 0 if good and not any(missed.values()) else 1


def many(signer: Signer, folder: Path, count: int) -> bool:
    """Sign and verify pictures that differ; whether all are valid."""
    random, path = np.random.default_rng(0), folder / "hand.png"
    signing, checking, valid, grown = [], [], 0, 0
    for _ in range(count):
        image = random.integers(0, 256, (334, 512, 4), dtype=np.uint8)
        image[:, :256] = 0
        Image.fromarray(image).save(path, compress_level=1)
        before = path.stat().st_size
        signing.append(_timed(lambda: signer.sign(path)))
        grown = path.stat().st_size - before
        checking.append(_timed(lambda: verify(path)))
        valid += verify(path).state == "valid"
    for what, taken in (("signing", signing), ("verifying", checking)):
        wall, own = (statistics.median(column) * 1000.0 for column in zip(*taken, strict=True))
        print(f"{what}: median {wall:.1f} ms, {own:.1f} ms of processor time")
    print(f"{valid} of {count} pictures verify; a manifest takes {grown} bytes", flush=True)
    return valid == count


def flips(signer: Signer, path: Path, bit: int) -> int:
    """Flip each byte of a file and of its manifest; how many are not found."""
    write(path)
    held, missed, count = signer.sign(path), 0, 0
    for file in sorted({path, held}):
        content = file.read_bytes()
        for position in range(len(content)):
            flipped = bytearray(content)
            flipped[position] ^= 1 << bit
            file.write_bytes(flipped)
            missed += verify(path).state == "valid"
            count += 1
        file.write_bytes(content)
    assert verify(path).state == "valid"
    print(f"{path.suffix}: {count - missed} of {count} flipped bytes are found", flush=True)
    return missed


def write(path: Path) -> None:
    """A small file of the kind that the path names."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 24, 4), dtype=np.uint8)
    if path.suffix == ".exr":
        path.write_bytes(b"\x76\x2f\x31\x01" + noise.tobytes())
    elif path.suffix in (".png", ".webp"):
        Image.fromarray(noise).save(path)
    else:
        from imageio_ffmpeg import get_ffmpeg_exe

        source = ["-f", "lavfi", "-i", "testsrc=size=32x32:rate=5:duration=1"]
        words = [get_ffmpeg_exe(), "-y", "-v", "error", *source, "-c:v", "libx264", "-pix_fmt", "yuv420p", str(path)]
        subprocess.run(words, check=True)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of the processor."""
    wall, own = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - own


if __name__ == "__main__":
    sys.exit(main())
