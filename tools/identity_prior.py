"""Make the avatar of many hands that ``livehand personalise`` fits new ones through.

    .venv/bin/python tools/identity_prior.py FOLDER

Identities are drawn from the built-in hand's parameters: shape, skin, nails (``hand/looks.py``). Each is captured with
Cycles in a folder of its own, all are trained into one avatar, which begins with the one that ships inside and so knows
hands already, and one more identity, never trained on, is fitted from two pictures and measured beside all that are
known. 32 identities of 80 images are some 2500: hours of capture on two cores (``--poses 10 --views 2`` takes
a quarter of them); what is there already is kept, so it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from livehand_core import cli  # noqa: E402
from livehand_core.avatars.metadata import read_metadata  # noqa: E402
from livehand_core.hand.looks import drawn_look  # noqa: E402
from livehand_core.training.control import CHECKPOINT_FILE  # noqa: E402

CAMERAS = ("--cameras", "40", "--extra", "0")
TESTS, UNKNOWN_TESTS, UNKNOWN_POSES = 1, (4, 2), 6
"""Held-out cameras and poses of identities that are trained, which must have some, and of the unknown one."""
SETTINGS = (
    "light=scene_light", "texture_sizes=[128, 256]", "samples=3", "coarse_part=0.01", "ray_steps=0", "field_rate=6e-4",
    "average_decay=0.998", "identity_detail_size=256", "empty_space_weight=0.0",
)  # fmt: skip
"""Of the training: the networks of the avatar that it begins with."""


def main() -> int:
    """The exit code of the step that failed, or 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where captures, run and avatars go")
    parser.add_argument("--identities", type=int, default=32, help="that are trained (32)")
    parser.add_argument("--unknown", type=int, metavar="N", help="number of the one that is not (the next)")
    parser.add_argument("--poses", type=int, default=20, help="that are trained on (20)")
    parser.add_argument("--views", type=int, default=4, help="training cameras that see a pose (4)")
    parser.add_argument("--minutes", type=float, default=60.0, help="of training (60)")
    parser.add_argument("--begin-with", default="default", metavar="AVATAR", help="relightable avatar (default)")
    parser.add_argument("--pictures", type=int, default=2, help="that the one unknown is fitted from (2)")
    parser.add_argument("--samples", type=int, default=8, help="paths a pixel before denoising")
    options = parser.parse_args()

    options.unknown = options.identities if options.unknown is None else options.unknown
    if options.unknown < options.identities:
        parser.error(f"--unknown {options.unknown} is one of the {options.identities} that are trained")
    numbers = [*range(options.identities), options.unknown]
    folders = [options.folder / drawn_look(number).name for number in numbers]
    for number, folder in zip(numbers, folders, strict=True):
        code = capture(folder, number, options)
        if code:
            return code
    run, unknown = options.folder / "run", folders[-1]
    words = ["train", *(str(folder) for folder in folders[:-1]), "--out", str(run), "--preset", "cpu"]
    words += ["--name", "many", "--minutes", str(options.minutes)]
    words += ["--licence", "CC0-1.0", "--set", *SETTINGS]
    beginning = ["--resume"] if (run / CHECKPOINT_FILE).is_file() else ["--begin-with", options.begin_with]
    code = cli.main([*words, *beginning])
    if code:
        return code
    avatar, fitted = run / "avatar.safetensors", options.folder / "fitted.safetensors"
    words = ["personalise", str(avatar), str(unknown), "-o", str(fitted), "--name", unknown.name]
    code = cli.main([*words, "--limit", str(options.pictures)])
    return code or compare(fitted, unknown, options.folder)


def capture(folder: Path, number: int, options: argparse.Namespace) -> int:
    """Render an identity's images that are not there yet; Blender's module is a process of its own."""
    cameras, tests, poses = TESTS, TESTS, options.poses
    if number == options.unknown:
        (cameras, tests), poses = UNKNOWN_TESTS, UNKNOWN_POSES
    words = [sys.executable, "-m", "livehand_blender.capture", str(folder), *CAMERAS, "--seed", str(number)]
    words += ["--identity", drawn_look(number).name, "--cameras-per-pose", str(options.views)]
    words += ["--poses", str(poses + tests), "--held-out-poses", str(tests), "--held-out-cameras", str(cameras)]
    words += ["--samples", str(options.samples)]
    return subprocess.run(words, cwd=ROOT, check=False).returncode


def compare(fitted: Path, unknown: Path, folder: Path) -> int:
    """Measure all identities of the fitted avatar on pictures of the unknown one that were not used."""
    found = {}
    for name in (identity.name for identity in read_metadata(fitted).identities):
        file = folder / f"report_{name}.json"
        words = ["evaluate", str(fitted), str(unknown), "--identities", name, "--splits", "both", "--json", str(file)]
        code = cli.main([*words, "--protocols", "hand_box"])
        if code:
            return code
        found[name] = json.loads(file.read_text("utf-8"))["hand_box"]["psnr"]
    own = found.pop(unknown.name)
    nearest = max(found, key=lambda name: found[name])
    print(f"{unknown.name} {own:.2f} dB in the hand's box, {nearest}, the nearest, {found[nearest]:.2f} dB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
