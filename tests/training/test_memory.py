"""What a long run holds: freed memory goes back at each checkpoint, and convolutions are not kept for every size."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os
import numpy as np
from livehand_core.benchmark.machine import resident_mb
from livehand_core.training import memory

memory.keep_freed_memory()
# Small blocks that stay between large ones that are freed: nothing at the end of the heap can be given back.
stay, go = [], []
for _ in range(60):
    go.append(np.ones(1 << 19))
    stay.append(np.ones(200))
full = resident_mb(os.getpid())
go.clear()
kept = resident_mb(os.getpid())
memory.give_back_freed_memory()
print(full, kept, resident_mb(os.getpid()))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_freed_memory_is_kept_until_it_is_given_back() -> None:
    answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=True)
    full, kept, left = map(float, answer.stdout.split())
    assert kept > full - 30.0, "it costs a tenth of a run's time to give it back at once"
    assert left < kept - 200.0


SIZES = """
import ctypes
import gc
import sys
from livehand_core.training import memory

if sys.argv[1] == "bounded":
    memory.keep_freed_memory()
import torch

names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
Held = type("Held", (ctypes.Structure,), {"_fields_": [(name, ctypes.c_size_t) for name in names]})
library = ctypes.CDLL(None)
library.mallinfo2.restype = Held
# With one thread torch does small ones without oneDNN.
torch.set_num_threads(2)
convolve = torch.nn.Conv2d(32, 32, 3).to(memory_format=torch.channels_last)

def held():
    gc.collect()
    return library.mallinfo2().uordblks / 1e6

def draw(first, last):
    # Large and small ones come mixed.
    for number in (37 * place % 340 for place in range(first, last)):
        picture = torch.ones(1, 32, 18 + number % 20, 18 + number // 20).to(memory_format=torch.channels_last)
        convolve(picture).sum().backward()

draw(0, 100)
before = held()
draw(100, 340)
print(held() - before)
"""


@pytest.mark.skipif(not hasattr(__import__("ctypes").CDLL(None), "mallinfo2"), reason="glibc from 2.33 on")
def test_convolutions_of_many_sizes_are_not_all_kept() -> None:
    variables = {name: value for name, value in os.environ.items() if "CACHE_CAPACITY" not in name}
    grown = {}
    for way in ("bounded", "as it comes"):
        command = [sys.executable, "-c", SIZES, way]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True, env=variables)
        grown[way] = float(answer.stdout)
    # 240 sizes, each with convolutions of its own, after the cache has been filled.
    assert grown["bounded"] < 1.0 and grown["as it comes"] > 3.0 * max(grown["bounded"], 0.3), grown
