"""Time the training step against the plain one, and compare their gradients: the figures of docs/performance.md.

    .venv/bin/python scripts/bench_training.py captures/default [--preset published] [--json figures.json]

Whole images a step, on the CPU. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from livehand_core.files import atomic_path  # noqa: E402
from livehand_core.training.config import PRESETS, preset  # noqa: E402
from livehand_core.training.measure import gradient_error, measure_parts, measure_training_step  # noqa: E402

MEASURES = ("step", "parts", "gradients")


def main() -> int:
    """Print the tables; 0 when it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path, help="folder of a capture")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="cpu", help="sizes and losses of the run")
    parser.add_argument("--images", type=int, default=2, help="images a step")
    parser.add_argument("--steps", type=int, default=5, help="steps of the trainer that are timed")
    parser.add_argument("--plain-steps", type=int, default=2, help="plain steps that are timed")
    parser.add_argument("--only", choices=MEASURES, help="one of the three measures")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures as one JSON object")
    options = parser.parse_args()
    config = preset(options.preset, steps=1, tiles_per_step=options.images)
    figures: dict[str, Any] = {}
    for name in (options.only,) if options.only else MEASURES:
        if name == "step":
            figures |= measure_training_step(options.capture, config, options.steps, options.plain_steps)
            print(
                f"step over {figures['images']} whole images, {figures['cores']} cores: "
                f"plain {figures['plain_ms']:.0f} ms, "
                f"ours {figures['fast_ms']:.0f} ms, {figures['ratio']:.2f} times as fast"
            )
        elif name == "parts":
            parts = measure_parts(options.capture, config)
            figures["parts_ms"] = {part: {"plain": times[0], "fast": times[1]} for part, times in parts.items()}
            print(f"{'one image, one core, ms':26}{'plain':>8}{'ours':>8}{'ratio':>8}")
            for part, (plain, fast) in parts.items():
                print(f"{part:26}{plain:8.0f}{fast:8.0f}{plain / fast:8.1f}")
        else:
            errors = gradient_error(options.capture, config)
            figures["gradient_error"] = max(errors.values())
            worst = max(errors, key=lambda key: errors[key])
            print(f"gradients against the plain step in float64: worst {errors[worst]:.1e} ({worst})")
    if options.json:
        with atomic_path(options.json) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
