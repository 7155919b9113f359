"""A real engine process with a fake backend: answers, errors, cancelling, superseding, restarts, leaks."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from livehand_core import __version__
from livehand_core.compilation import EXPECTED
from livehand_core.engine import client as client_module
from livehand_core.engine.client import close_shared_client, shared_client
from livehand_core.engine.protocol import PROTOCOL_VERSION
from livehand_core.errors import AvatarError, EngineError, LiveHandError, RenderCancelled
from livehand_core.passes import RenderPasses
from tests.engine.helpers import MakeClient, alive, eventually, make_request, shared_blocks

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc and /dev/shm")


def wait_for(client: client_module.EngineClient, channel: str, seconds: float = 30.0) -> RenderPasses | LiveHandError:
    """Poll a channel as a viewport does."""
    answers: list[RenderPasses | LiveHandError | None] = []

    def answered() -> bool:
        answers.append(client.poll(channel))
        return answers[-1] is not None

    assert eventually(answered, seconds)
    assert answers[-1] is not None
    return answers[-1]


def test_the_handshake_tells_what_runs(client_of: MakeClient) -> None:
    client = client_of(device="cpu")
    assert client.info is None
    info = client.start()
    assert (info.protocol, info.core_version, info.torch_version) == (PROTOCOL_VERSION, __version__, "fake on cpu")
    assert info.python_version == ".".join(str(n) for n in sys.version_info[:3])
    assert info.devices == ("cpu (fake)",) and info.interpreter == Path(sys.executable)
    assert info.pid not in (0, os.getpid()) and client.start() == info == client.info


def test_a_frame_comes_back_with_its_images_times_and_warnings(client_of: MakeClient) -> None:
    passes = client_of().render(make_request("warn:bent too far", 7.5, 40, 30, ("rgba", "depth", "normal")))
    assert {name: image.shape for name, image in passes.images.items()} == {
        "rgba": (30, 40, 4),
        "depth": (30, 40, 1),
        "normal": (30, 40, 3),
    }
    assert all(image.dtype == np.float32 and (image == 7.5).all() for image in passes.images.values())
    assert passes.warnings == ("bent too far",) and passes.stage_seconds == {"fake": 0.0}
    assert 0.0 < passes.seconds < 10.0


def test_images_stay_as_they_are_when_later_frames_come(client_of: MakeClient) -> None:
    client = client_of()
    frames = [client.render(make_request(focal=float(number))) for number in range(1, 6)]
    assert [float(frame["rgba"].max()) for frame in frames] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [float(frame["rgba"].min()) for frame in frames] == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_prints_of_libraries_do_not_reach_the_protocol(client_of: MakeClient, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "engine.log"
    client = client_of(log_path=log)
    assert client.render(make_request("print", 2.0))["rgba"].max() == 2.0
    client.close()
    text = log.read_text()
    assert "printed by a library" in text and "written to descriptor 1" in text


@pytest.mark.parametrize(
    ("action", "kind", "message"),
    [
        ("raise", EngineError, "ZeroDivisionError"),
        ("avatar", AvatarError, "hand.safetensors is damaged"),
        ("memory", EngineError, "MemoryError"),
        ("nan", EngineError, "JSON"),
    ],
)
def test_a_request_that_fails_is_an_error_and_the_engine_lives_on(
    client_of: MakeClient, action: str, kind: type[LiveHandError], message: str
) -> None:
    client = client_of()
    pid = client.start().pid
    with pytest.raises(kind, match=message) as caught:
        client.render(make_request(action))
    assert caught.value.remedy
    client.submit(make_request(action), "viewport")
    assert isinstance(wait_for(client, "viewport"), kind)
    assert client.render(make_request())["rgba"].shape == (8, 16, 4)
    assert client.start().pid == pid


def test_a_frame_too_large_for_shared_memory_is_an_error_and_the_engine_lives_on(client_of: MakeClient) -> None:
    client = client_of(arguments=("--backend", "fake_backends:HugeBackend"))
    with pytest.raises(EngineError, match=r"no room|cannot be made"):
        client.render(make_request("huge"))
    assert client.render(make_request())["rgba"].shape == (8, 16, 4)


def test_a_backend_that_cannot_go_on_answers_and_the_next_frame_has_a_new_engine(client_of: MakeClient) -> None:
    client = client_of()
    pid = client.start().pid
    with pytest.raises(EngineError, match="RuntimeError"):
        client.render(make_request("broken"))
    assert eventually(lambda: client.info is None)
    client.render(make_request())
    assert client.start().pid != pid


def test_a_final_frame_is_cancelled_within_a_tenth_of_a_second(client_of: MakeClient) -> None:
    client = client_of()
    pid = client.start().pid
    told, free = [], []
    for _ in range(5):
        asked: list[float] = []

        def cancelled(asked: list[float] = asked, begun: float = time.monotonic()) -> bool:
            if time.monotonic() - begun < 0.2:
                return False
            asked.append(time.monotonic())
            return True

        with pytest.raises(RenderCancelled):
            client.render(make_request("sleep:30"), cancelled)
        told.append(time.monotonic() - asked[0])
        # The engine has stopped working on it as well, or this frame would wait for it.
        assert client.render(make_request(focal=3.0))["rgba"].max() == 3.0
        free.append(time.monotonic() - asked[0])
    # The best of five: a busy machine may suspend either process at any moment.
    assert min(told) < 0.05 and min(free) < 0.1
    assert client.start().pid == pid


def test_a_frame_is_cancelled_while_the_engine_is_starting(client_of: MakeClient) -> None:
    client = client_of(lambda: time.sleep(3.0) or Path(sys.executable))
    begun = time.monotonic()
    with pytest.raises(RenderCancelled):
        client.render(make_request(), lambda: True)
    assert time.monotonic() - begun < 2.0


def test_the_newest_live_request_replaces_those_not_begun(client_of: MakeClient) -> None:
    client = client_of()
    client.render(make_request())
    client.submit(make_request("sleep:1.5", 1.0), "viewport")
    time.sleep(0.5)
    numbers = [client.submit(make_request("sleep:0.1", float(n)), "viewport") for n in range(2, 30)]
    assert numbers == sorted(numbers)
    seen = []
    while client.busy("viewport"):
        answer = client.poll("viewport")
        if answer is not None:
            assert isinstance(answer, RenderPasses)
            seen.append(float(answer["rgba"].max()))
        time.sleep(0.005)
    last = client.poll("viewport")
    if isinstance(last, RenderPasses):
        seen.append(float(last["rgba"].max()))
    assert seen == [1.0, 29.0]
    assert client.poll("viewport") is None


def test_waiting_ends_with_the_answer_or_when_the_time_is_up(client_of: MakeClient) -> None:
    client = client_of()
    client.render(make_request())
    assert client.wait("viewport", 5.0), "nothing is awaited"
    client.submit(make_request("sleep:1.0"), "viewport")
    begun = time.monotonic()
    assert not client.wait("viewport", 0.01)
    assert time.monotonic() - begun < 0.5
    assert client.wait("viewport", 20.0)
    assert time.monotonic() - begun < 10.0 and client.poll("viewport") is not None


def test_viewports_do_not_replace_each_other_nor_final_frames(client_of: MakeClient) -> None:
    client = client_of()
    client.render(make_request())
    client.submit(make_request("sleep:1.0"), "left")
    time.sleep(0.3)
    finals: dict[float, float] = {}

    def render(value: float) -> None:
        finals[value] = float(client.render(make_request(focal=value))["rgba"].max())

    threads = [threading.Thread(target=render, args=(float(n),)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for number in range(10):
        client.submit(make_request(focal=100.0 + number), "left")
        client.submit(make_request(focal=200.0 + number), "right")
    for thread in threads:
        thread.join()
    assert eventually(lambda: not client.busy("left") and not client.busy("right"))
    assert finals == {float(n): float(n) for n in range(1, 9)}
    left, right = wait_for(client, "left"), wait_for(client, "right")
    assert isinstance(left, RenderPasses) and left["rgba"].max() == 109.0
    assert isinstance(right, RenderPasses) and right["rgba"].max() == 209.0


def test_a_cancelled_channel_gives_nothing_and_frees_the_engine(client_of: MakeClient) -> None:
    client = client_of()
    client.start()
    client.submit(make_request("sleep:30", 1.0), "viewport")
    time.sleep(0.2)
    client.submit(make_request("sleep:30", 2.0), "viewport")
    client.cancel("viewport")
    begun = time.monotonic()
    client.submit(make_request(focal=3.0), "viewport")
    answer = wait_for(client, "viewport")
    assert isinstance(answer, RenderPasses) and answer["rgba"].max() == 3.0
    assert time.monotonic() - begun < 20.0
    client.cancel("no such channel")
    assert client.poll("no such channel") is None and not client.busy("no such channel")


def test_live_calls_never_wait_even_while_the_engine_starts_or_is_deaf(client_of: MakeClient) -> None:
    client = client_of(lambda: time.sleep(0.5) or Path(sys.executable))
    waits = []
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        for call in (
            lambda: client.submit(make_request("deaf:0.3"), "viewport"),
            lambda: client.poll("viewport"),
            lambda: client.busy("viewport"),
            lambda: client.info,
        ):
            begun = time.perf_counter()
            call()
            waits.append(time.perf_counter() - begun)
        time.sleep(0.001)
    # Not the longest: a busy machine may suspend this process at any moment.
    assert sorted(waits)[len(waits) * 9 // 10] < 0.005 and len(waits) > 100
    assert isinstance(wait_for(client, "viewport"), RenderPasses)


def test_a_live_request_to_an_engine_that_cannot_start_is_answered_with_the_reason(
    client_of: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = []

    def interpreter() -> Path:
        starts.append(1)
        return Path("/no/such/python")

    client = client_of(interpreter)
    client.submit(make_request(), "viewport")
    first = wait_for(client, "viewport")
    client.submit(make_request(), "viewport")
    second = client.poll("viewport")
    assert isinstance(first, EngineError) and "/no/such/python" in first.message and second is first
    assert len(starts) == 1 and not client.busy("viewport")
    monkeypatch.setattr(client_module, "RETRY_SECONDS", 0.0)
    client.submit(make_request(), "viewport")
    assert isinstance(wait_for(client, "viewport"), EngineError) and len(starts) == 2


def test_closing_answers_those_who_wait_and_a_later_frame_starts_anew(client_of: MakeClient) -> None:
    client = client_of()
    pid = client.start().pid
    errors = []

    def render() -> None:
        try:
            client.render(make_request("deaf:30"))
        except EngineError as error:
            errors.append(error.message)

    thread = threading.Thread(target=render)
    thread.start()
    time.sleep(0.2)
    client.submit(make_request(), "viewport")
    client.close()
    thread.join(20.0)
    assert errors == ["The engine was closed."]
    assert isinstance(client.poll("viewport"), EngineError)
    assert client.info is None
    client.close()
    client.render(make_request())
    assert client.start().pid != pid


def test_many_threads_may_share_a_client(client_of: MakeClient) -> None:
    client = client_of()
    results: list[bool] = []

    def work(base: float) -> None:
        for number in range(10):
            value = base + number
            results.append(bool((client.render(make_request(focal=value))["depth"] == value).all()))

    threads = [threading.Thread(target=work, args=(100.0 * (n + 1),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 60


@linux
def test_two_hundred_frames_leave_nothing_behind(client_of: MakeClient) -> None:
    client = client_of()
    pid = client.start().pid

    def measure() -> tuple[int, int, int, int]:
        gc.collect()
        sides = [Path("/proc/self"), Path(f"/proc/{pid}")]
        resident = [int((side / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") for side in sides]
        return (*resident, *(len(list((side / "fd").iterdir())) for side in sides))  # type: ignore[return-value]

    request = make_request(width=512, height=334)
    before = shared_blocks()
    for _ in range(40):
        client.render(request)
    first = measure()
    for number in range(200):
        client.submit(request, f"viewport {number % 3}")
        client.render(request)
    last = measure()
    assert last[0] - first[0] < 20 << 20 and last[1] - first[1] < 20 << 20
    assert last[2] - first[2] <= 3 and last[3] - first[3] <= 3
    assert eventually(lambda: shared_blocks() <= before)


def test_the_shared_client_is_one_until_its_settings_change() -> None:
    close_shared_client()
    first = shared_client(preference="/no/such/python")
    assert shared_client(preference="/no/such/python") is first
    assert shared_client(preference="/no/such/other") is not first
    close_shared_client()
    second = shared_client(preference="/no/such/python")
    assert second is not first
    close_shared_client()
    close_shared_client()


@linux
def test_the_engine_does_not_outlive_its_closing(client_of: MakeClient) -> None:
    client = client_of()
    pid = client.start().pid
    assert alive(pid)
    begun = time.monotonic()
    client.close()
    assert not alive(pid) and time.monotonic() - begun < 10.0


def test_who_waits_for_kernels_hears_how_far_they_are(client_of: MakeClient) -> None:
    client = client_of()
    heard: list[tuple[int, int]] = []
    answer = client.render(make_request("compile:3"), compiling=lambda done, of: heard.append((done, of)))
    assert answer["rgba"].max() == 1.0 and heard == [(0, EXPECTED), (1, EXPECTED), (2, EXPECTED)]
    assert client.compiling is None, "it is over with the frame"
    client.submit(make_request("compile:3"), "view")
    assert eventually(lambda: client.compiling == (4, EXPECTED), 5.0)
    wait_for(client, "view")
    assert client.compiling is None


def test_a_frame_that_waits_for_kernels_is_given_up_at_once(client_of: MakeClient) -> None:
    client = client_of()
    client.start()
    began = time.monotonic()
    with pytest.raises(RenderCancelled):
        client.render(make_request("compile:30"), lambda: client.compiling is not None)
    assert time.monotonic() - began < 1.5
