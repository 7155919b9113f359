"""Make the avatar that ships inside: capture the built-in hand with Cycles, train, measure, put it into the package.

    .venv/bin/python tools/make_default_avatar.py

One that brings the studio's light along is trained first. A relightable one begins with it and learns many lights, and
a third with that, which learns the other looks of the hand; the one that ships goes on with more pictures. About 100
minutes of captures and 260 of training on two CPU cores; all go on where they were when started again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from livehand_core import cli  # noqa: E402
from livehand_core.avatars.file import load_avatar, save_avatar  # noqa: E402
from livehand_core.avatars.metadata import DEFAULT_AVATAR_PATH  # noqa: E402
from livehand_core.hand.looks import DEFAULT_LOOK, LOOKS  # noqa: E402
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
"""Up to which minute the first run trains with which settings, each in place of those before."""
LIT_MINUTES = 80.0
LIT = (
    "light=scene_light", "texture_sizes=[128, 256]", "samples=3", "coarse_part=0.01", "ray_steps=0", "field_rate=6e-4",
    "average_decay=0.998", "empty_space_distance=0.003",
)  # fmt: skip
"""Settings of the second run. Its detail texture takes the place of the field's largest one."""
FAMILY_MINUTES = 70.0
FAMILY = (*LIT, "identity_detail_size=256")
"""Of the third: the looks' creases lie where the first one's do, so half the texels tell them apart."""
LAST_MINUTES = 50.0
LAST = (*FAMILY, 'clock="processor"')
"""Of the last, on all pictures that there are."""
MORE = {
    "more_lights": ("--many-lights", "--seed", "21", "--limit", "400"),
    "more_studio": ("--seed", "22", "--limit", "267"),
}
"""Further captures of the first look, with other poses and cameras."""
LOOK_PLAN = (
    "--many-lights", "--cameras", "60", "--poses", "56", "--held-out-poses", "4", "--held-out-cameras", "4",
    "--cameras-per-pose", "4", "--extra", "1",
)  # fmt: skip
"""256 pictures of each further look."""
LARGEST_BYTES = 8_000_000


def main() -> int:
    """The exit code of the step that failed, or 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", type=Path, default=ROOT / "captures" / "default", help="folder of the capture")
    parser.add_argument("--lights", type=Path, default=ROOT / "captures" / "lights", help="of the one in many lights")
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "default", help="folder of the training run")
    parser.add_argument("--out", type=Path, default=DEFAULT_AVATAR_PATH, help="where the avatar goes")
    options = parser.parse_args()

    # Blender's module is a process of its own: it and torch bring their own thread pools.
    looks = {name: options.lights.with_name(name) for name in LOOKS if name != DEFAULT_LOOK}
    plans = [[str(options.capture)], [str(options.lights), "--many-lights"]]
    plans += [
        [str(folder), "--identity", name, "--seed", str(seed), *LOOK_PLAN]
        for seed, (name, folder) in enumerate(looks.items(), start=11)
    ]
    more = {name: options.lights.with_name(name) for name in MORE}
    plans += [[str(folder), *MORE[name]] for name, folder in more.items()]
    for words in plans:
        capture = [sys.executable, "-m", "livehand_blender.capture", *words, "--samples", str(CAPTURE_SAMPLES)]
        code = subprocess.run(capture, cwd=ROOT, check=False).returncode
        if code:
            return code
    for minutes, settings in STAGES:
        code = train([options.capture], options.run, minutes, settings)
        if code:
            return code
    lit = options.run.with_name(options.run.name + "_lit")
    beginning = ["--begin-with", str(options.run / "avatar.safetensors")]
    code = train([options.lights, options.capture], lit, LIT_MINUTES, LIT, beginning)
    if code:
        return code
    family = options.run.with_name(options.run.name + "_family")
    beginning = ["--begin-with", str(lit / "avatar.safetensors")]
    code = train([options.lights, options.capture, *looks.values()], family, FAMILY_MINUTES, FAMILY, beginning)
    if code:
        return code
    last = options.run.with_name(options.run.name + "_last")
    beginning = ["--begin-with", str(family / "avatar.safetensors")]
    code = train(
        [options.lights, options.capture, *looks.values(), *more.values()], last, LAST_MINUTES, LAST, beginning
    )
    if code:
        return code
    save_avatar(options.out, load_avatar(last / "avatar.safetensors"))
    size = options.out.stat().st_size
    print(f"{options.out}: {size / 1e6:.2f} MB")
    if size > LARGEST_BYTES:
        print(f"the avatar is larger than {LARGEST_BYTES / 1e6:.0f} MB", file=sys.stderr)
        return 1
    report = ["--splits", "both", "relight", "--json", str(last / "report.json")]
    return cli.main(["evaluate", str(options.out), str(options.lights), *report])


def train(
    captures: list[Path], run: Path, minutes: float, settings: tuple[str, ...], beginning: Sequence[str] = ()
) -> int:
    """Train up to that minute of the run; nothing to do when it is in a later stage. The exit code."""
    words = ["train", *map(str, captures), "--out", str(run)]
    if not checkpoint_path(run).is_file():
        words += ["--preset", "cpu", "--name", "default", "--licence", "CC0-1.0", *beginning]
        settings = (f"ray_steps={RAY_STEPS}", *settings)
    elif load_config(run / CONFIG_FILE).minutes > minutes:
        return 0
    else:
        words.append("--resume")
    return cli.main([*words, "--minutes", str(minutes), "--set", *settings])


if __name__ == "__main__":
    sys.exit(main())
