"""Make the avatar of many hands that ``livehand personalise`` fits new ones through.

    .venv/bin/python tools/identity_prior.py FOLDER

Identities are drawn from the built-in hand's parameters: shape, skin, nails (``hand/looks.py``). Each is captured with
Cycles in a folder of its own, all are trained into one avatar, and one more identity, never trained on, is fitted from
two pictures and measured. 32 identities of 80 images are some 2500: hours of capture on two cores; what is there
already is kept, so it goes on where it was.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from livehand_core import cli  # noqa: E402
from livehand_core.avatars.metadata import read_metadata  # noqa: E402
from livehand_core.hand.looks import drawn_look  # noqa: E402
from livehand_core.training.control import CHECKPOINT_FILE  # noqa: E402

PLAN = ("--cameras", "40", "--held-out-cameras", "4", "--poses", "20", "--held-out-poses", "2", "--extra", "2")
"""Of each capture, beside its training cameras a pose."""


def main() -> int:
    """The exit code of the step that failed, or 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where captures, run and avatars go")
    parser.add_argument("--identities", type=int, default=32, help="that are trained (32)")
    parser.add_argument("--views", type=int, default=4, help="training cameras that see a pose (4)")
    parser.add_argument("--minutes", type=float, default=180.0, help="of training (180)")
    parser.add_argument("--pictures", type=int, default=2, help="that the one unknown is fitted from (2)")
    parser.add_argument("--samples", type=int, default=8, help="paths a pixel before denoising")
    parser.add_argument("--limit", type=int, default=0, help="images of each capture; 0 for all")
    options = parser.parse_args()

    folders = [options.folder / drawn_look(number).name for number in range(options.identities + 1)]
    for number, folder in enumerate(folders):
        code = capture(folder, number, options)
        if code:
            return code
    run, unknown = options.folder / "run", folders[-1]
    words = ["train", "--out", str(run), "--preset", "cpu", "--name", "many", "--minutes", str(options.minutes)]
    words += ["--licence", "CC0-1.0", *(str(folder) for folder in folders[:-1])]
    code = cli.main([*words, "--resume"] if (run / CHECKPOINT_FILE).is_file() else words)
    if code:
        return code
    avatar, fitted = run / "avatar.safetensors", options.folder / "fitted.safetensors"
    words = ["personalise", str(avatar), str(unknown), "-o", str(fitted), "--name", unknown.name]
    code = cli.main([*words, "--limit", str(options.pictures)])
    return code or compare(fitted, unknown, options.folder)


def capture(folder: Path, number: int, options: argparse.Namespace) -> int:
    """Render an identity's images that are not there yet; Blender's module is a process of its own."""
    words = [sys.executable, "-m", "livehand_blender.capture", str(folder), *PLAN, "--seed", str(number)]
    words += ["--identity", drawn_look(number).name, "--cameras-per-pose", str(options.views)]
    words += ["--samples", str(options.samples), "--limit", str(options.limit)]
    return subprocess.run(words, cwd=ROOT, check=False).returncode


def compare(fitted: Path, unknown: Path, folder: Path) -> int:
    """Measure the fitted identity on pictures of it that were not used, beside the one that is nearest to it."""
    blend = read_metadata(fitted).identities[-1].provenance["blend"]
    nearest = max(blend, key=blend.get)
    for name in (unknown.name, nearest):
        file = folder / f"report_{name}.json"
        words = ["evaluate", str(fitted), str(unknown), "--identities", name, "--splits", "both", "--json", str(file)]
        code = cli.main(words)
        if code:
            return code
    print(f"fitted {unknown.name}, nearest {nearest}: see {folder}/report_*.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
