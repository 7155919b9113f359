"""Make the avatar that ships inside: capture the built-in hand with Cycles, train, measure, put it into the package.

    .venv/bin/python scripts/make_default_avatar.py

About 20 minutes of capture and 35 of training on two CPU cores; both go on where they were when started again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from livehand_core import cli  # noqa: E402
from livehand_core.avatars.file import load_avatar, save_avatar  # noqa: E402
from livehand_core.avatars.metadata import DEFAULT_AVATAR_PATH  # noqa: E402
from livehand_core.training.checkpoints import checkpoint_path  # noqa: E402

CAPTURE_SAMPLES = 8
RAY_STEPS = 5000
LARGEST_BYTES = 4_000_000


def main() -> int:
    """The exit code of the step that failed, or 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", type=Path, default=ROOT / "captures" / "default", help="folder of the capture")
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "default", help="folder of the training run")
    parser.add_argument("--minutes", type=float, default=33.0, help="length of the training")
    parser.add_argument("--out", type=Path, default=DEFAULT_AVATAR_PATH, help="where the avatar goes")
    options = parser.parse_args()

    # Blender's module is a process of its own: it and torch bring their own thread pools.
    capture = [sys.executable, str(ROOT / "scripts" / "capture.py"), str(options.capture)]
    code = subprocess.run([*capture, "--samples", str(CAPTURE_SAMPLES)], check=False).returncode
    if code:
        return code
    training = ["train", str(options.capture), "--out", str(options.run)]
    if checkpoint_path(options.run).is_file():
        training.append("--resume")
    else:
        training += ["--preset", "cpu", "--minutes", str(options.minutes), "--set", f"ray_steps={RAY_STEPS}"]
        training += ["--name", "default", "--licence", "CC0-1.0"]
    code = cli.main(training)
    if code:
        return code
    save_avatar(options.out, load_avatar(options.run / "avatar.safetensors"))
    size = options.out.stat().st_size
    print(f"{options.out}: {size / 1e6:.2f} MB")
    if size > LARGEST_BYTES:
        print(f"the avatar is larger than {LARGEST_BYTES / 1e6:.0f} MB", file=sys.stderr)
        return 1
    report = ["--splits", "both", "camera", "pose", "--json", str(options.run / "report.json")]
    return cli.main(["evaluate", str(options.out), str(options.capture), *report])


if __name__ == "__main__":
    sys.exit(main())
