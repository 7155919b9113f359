"""The engine killed, stopped and fed rubbish in mid-frame: the next frame is as it was, and nothing stays behind."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from livehand_core.benchmark.animation import AnimationSettings, animation
from livehand_core.engine.client import EngineClient
from livehand_core.errors import EngineError
from tests.chaos.blows import BLOWS, held, strike
from tests.chaos.conftest import LONG, Amount, Note
from tests.chaos.watch import ROOT, TESTS, here
from tests.engine.helpers import alive, eventually, shared_blocks

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc and /dev/shm")]

SILENCE = 8.0
"""Seconds after which a stopped engine is given up; a sign of life comes every five."""


@pytest.mark.timeout(3600)
def test_an_engine_struck_in_mid_frame_is_replaced(amount: Amount, note: Note) -> None:
    """Each blow falls on the true renderer while it draws a large frame; blows that came too late do not count."""
    count, rng = amount(8, 100), random.Random(7)
    kinds = ["killed", "fed", "speaking", *(["killed", "stopped"] if LONG else [])]
    small = animation(AnimationSettings(width=64, height=48, frames=1))[0]
    large = animation(AnimationSettings(width=1920, height=1080, frames=1))[0]
    blocks, pids, recovered = shared_blocks(), set(), Counter[str]()
    with EngineClient(sys.executable, silence=SILENCE, device="cpu") as client:
        truth = client.render(small)["rgba"]
        before = held()
        while recovered.total() < count:
            pids.add(pid := client.start().pid)
            kind = kinds[recovered.total() % len(kinds)]
            blow = strike(kind, pid, rng, 0.02, 0.2)
            try:
                client.render(large)
            except EngineError as error:
                recovered[kind] += 1
                assert error.remedy and "Traceback" not in str(error) and len(str(error)) < 600
            blow.join()
            assert eventually(lambda pid=pid: not alive(pid) and client.info is None, 2.0 * SILENCE)  # type: ignore[misc]
            np.testing.assert_array_equal(client.render(small)["rgba"], truth)
        pids.add(client.start().pid)
        assert eventually(lambda: held() == before), (held(), before)
    assert eventually(lambda: not any(alive(pid) for pid in pids))
    assert eventually(lambda: shared_blocks() <= blocks)
    assert {"livehand-engine"} & {thread.name for thread in threading.enumerate()} == set()
    told = ", ".join(f"{number} {kind}" for kind, number in recovered.items())
    note(
        "engine struck in mid-frame",
        f"{recovered.total()} of {count} recovered ({told}), 0 orphans, 0 blocks, 0 handles",
    )


IN_BLENDER = f"""{TESTS}
import json, os, random
from pathlib import Path
from livehand_core.engine import client
client.EngineClient.__init__.__kwdefaults__["silence"] = {SILENCE}
import bpy, numpy as np
import livehand_blender; livehand_blender.register()
from livehand_blender.render import session
from tests.blender.helpers import make_scene
from tests.chaos.blows import held, strike
from tests.engine.helpers import alive, eventually

count, kinds, folder = int(sys.argv[1]), sys.argv[2].split(","), Path(sys.argv[3])
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
scene, rig = make_scene("default", width=64, height=48)
rng, pids, recovered, truth = random.Random(3), [], 0, None

def render(width, height):
    scene.render.resolution_x, scene.render.resolution_y = width, height
    path = folder / "frame.png"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    pixels = np.array(image.pixels[:])
    bpy.data.images.remove(image)
    return pixels

truth = render(64, 48)
before, lines = held(), []
while recovered < count:
    pid = session.engine_client().start().pid
    pids.append(pid)
    blow = strike(kinds[recovered % len(kinds)], pid, rng, 0.05, 0.4)
    try:
        render(1920, 1080)
    except RuntimeError as error:
        recovered += 1
        lines.append(str(error))
    blow.join()
    assert eventually(lambda: not alive(pid) and session.engine_client().info is None, {2 * SILENCE})
    assert (render(64, 48) == truth).all()
pids.append(session.engine_client().start().pid)
assert eventually(lambda: held() == before), (held(), before)
print("TOLD " + json.dumps({{"recovered": recovered, "pids": pids, "lines": lines}}), flush=True)
"""


@pytest.mark.bpy
@pytest.mark.timeout(3600)
def test_an_engine_struck_under_blender_is_replaced(amount: Amount, note: Note, tmp_path: Path) -> None:
    count = amount(3, 20)
    blocks = shared_blocks()
    kinds = ",".join([*BLOWS, "killed"] if LONG else ["killed", "fed", "speaking"])
    environment = {**here(), "LIVEHAND_PYTHON": sys.executable, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", IN_BLENDER, str(count), kinds, str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=3000)
    line = next((line for line in answer.stdout.splitlines() if line.startswith("TOLD ")), None)
    assert answer.returncode == 0 and line is not None, answer.stdout[-2000:] + answer.stderr[-3000:]
    told = json.loads(line.removeprefix("TOLD "))
    assert told["recovered"] == count
    assert all("Traceback" not in text and len(text) < 800 for text in told["lines"]), told["lines"]
    assert eventually(lambda: not any(alive(pid) for pid in told["pids"]))
    assert eventually(lambda: shared_blocks() <= blocks)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frame.png"]
    note("engine struck under Blender", f"{count} of {count} recovered, 0 orphans, blocks, handles")
