"""Make the avatar that ships inside: capture the built-in hand with Cycles, train, measure, put it into the package.

    .venv/bin/python tools/make_default_avatar.py

About 20 minutes of capture and 65 of training on two CPU cores; both go on where they were when started again.
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
from livehand_core.training.command import CONFIG_FILE  # noqa: E402
from livehand_core.training.config import load_config  # noqa: E402

CAPTURE_SAMPLES = 8
RAY_STEPS = 5000
STAGES = (
    (33.0, ("empty_space_weight=0.0", 'sampling="linear"', "samples=10")),
    (44.0, ('clock="processor"', "empty_space_weight=0.1", "empty_space_distance=0.003", "empty_space_points=2048")),
    (50.0, ("empty_space_weight=0.2", "empty_space_distance=0.0025")),
    (60.0, ('sampling="surface"', "samples=3", "coarse_part=0.8")),
)
"""Up to which minute the run trains with which settings, each in place of those before."""
LARGEST_BYTES = 4_000_000


def main() -> int:
    """The exit code of the step that failed, or 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", type=Path, default=ROOT / "captures" / "default", help="folder of the capture")
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "default", help="folder of the training run")
    parser.add_argument("--out", type=Path, default=DEFAULT_AVATAR_PATH, help="where the avatar goes")
    options = parser.parse_args()

    # Blender's module is a process of its own: it and torch bring their own thread pools.
    capture = [sys.executable, "-m", "livehand_blender.capture", str(options.capture)]
    code = subprocess.run([*capture, "--samples", str(CAPTURE_SAMPLES)], cwd=ROOT, check=False).returncode
    if code:
        return code
    for minutes, settings in STAGES:
        code = train(options.capture, options.run, minutes, settings)
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


def train(capture: Path, run: Path, minutes: float, settings: tuple[str, ...]) -> int:
    """Train up to that minute of the run; nothing to do when it is in a later stage. The exit code."""
    words = ["train", str(capture), "--out", str(run)]
    if not checkpoint_path(run).is_file():
        words += ["--preset", "cpu", "--name", "default", "--licence", "CC0-1.0"]
        settings = (f"ray_steps={RAY_STEPS}", *settings)
    elif load_config(run / CONFIG_FILE).minutes > minutes:
        return 0
    else:
        words.append("--resume")
    return cli.main([*words, "--minutes", str(minutes), "--set", *settings])


if __name__ == "__main__":
    sys.exit(main())
