"""Shared blocks and the pool of them: contents, re-use, growth, and names that do not stay behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pytest

from livehand_core.engine.memory import BlockPool, BlockReader, SharedBlock, random_prefix, unlink, valid_prefix
from livehand_core.engine.protocol import ProtocolError
from livehand_core.errors import EngineError
from tests.engine.helpers import shared_blocks

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /dev/shm")


@pytest.fixture
def prefix() -> Iterator[str]:
    name = random_prefix()
    yield name
    for index in range(20):
        unlink(f"{name}_{index}")


def images(value: float, side: int = 16) -> dict[str, np.ndarray]:
    return {
        "rgba": np.full((side, side + 1, 4), value, dtype=np.float32),
        "depth": np.arange(side * (side + 1), dtype=np.float64).reshape(side, side + 1, 1) + value,
    }


def test_images_arrive_as_float32_copies(prefix: str) -> None:
    pool, reader = BlockPool(prefix), BlockReader(prefix)
    first = reader.images(pool.fill(images(1.0)))
    pool.release(0)
    second = reader.images(pool.fill(images(2.0)))
    for value, got in ((1.0, first), (2.0, second)):
        for name, image in images(value).items():
            assert got[name].dtype == np.float32
            np.testing.assert_array_equal(got[name], image.astype(np.float32))
    pool.close()
    reader.close()


def test_strided_and_empty_images_arrive(prefix: str) -> None:
    pool, reader = BlockPool(prefix), BlockReader(prefix)
    wide = np.arange(48, dtype=np.float32).reshape(4, 4, 3)
    got = reader.images(pool.fill({"normal": wide[::-1, ::2], "mask": np.zeros((0, 4, 1), np.float32)}))
    np.testing.assert_array_equal(got["normal"], wide[::-1, ::2])
    assert got["mask"].shape == (0, 4, 1)
    assert reader.images(pool.fill({})) == {}
    pool.close()
    reader.close()


def test_a_released_block_is_used_again_and_a_busy_one_is_not(prefix: str) -> None:
    pool = BlockPool(prefix)
    assert pool.fill(images(1.0))["block"] == 0
    assert pool.fill(images(1.0))["block"] == 1
    pool.release(0)
    assert pool.fill(images(1.0))["block"] == 0
    pool.close()


@linux
def test_the_pool_grows_and_lets_go_of_what_is_too_small(prefix: str) -> None:
    pool, reader = BlockPool(prefix), BlockReader(prefix)
    sizes = []
    for side in (16, 600, 700, 16):
        message = pool.fill(images(1.0, side))
        sizes.append((message["block"], message["dropped"]))
        np.testing.assert_array_equal(reader.images(message)["rgba"], images(1.0, side)["rgba"])
        pool.release(message["block"])
    assert sizes == [(0, []), (1, [0]), (2, [1]), (2, [])]
    pool.close()
    reader.close()


@linux
def test_a_name_is_gone_as_soon_as_its_block_was_read(prefix: str) -> None:
    pool, reader = BlockPool(prefix), BlockReader(prefix)
    message = pool.fill(images(1.0))
    assert {name for name in shared_blocks() if name.startswith(prefix)} == {f"{prefix}_0"}
    reader.images(message)
    assert not [name for name in shared_blocks() if name.startswith(prefix)]
    pool.release(0)
    np.testing.assert_array_equal(reader.images(pool.fill(images(3.0)))["rgba"], images(3.0)["rgba"])
    pool.close()
    reader.close()


@linux
@pytest.mark.parametrize("survivor", ["server", "client"])
def test_the_survivor_unlinks_a_block_that_was_never_read(prefix: str, survivor: str) -> None:
    pool, reader = BlockPool(prefix), BlockReader(prefix)
    reader.images(pool.fill(images(1.0)))
    pool.fill(images(2.0))
    assert [name for name in shared_blocks() if name.startswith(prefix)] == [f"{prefix}_1"]
    (pool if survivor == "server" else reader).close()
    assert not [name for name in shared_blocks() if name.startswith(prefix)]
    pool.close()
    reader.close()


def test_a_closed_pool_makes_no_more_blocks(prefix: str) -> None:
    pool = BlockPool(prefix)
    pool.close()
    with pytest.raises(EngineError):
        pool.fill(images(1.0))


@pytest.mark.parametrize(
    "change",
    [
        {"block": "zero"},
        {"images": None},
        {"images": [{"name": "rgba"}]},
        {"images": [{"name": "rgba", "shape": [1 << 20, 1 << 20, 4], "offset": 64}]},
        {"images": [{"name": "rgba", "shape": [-4, 4, 4], "offset": 64}]},
        {"images": [{"name": "rgba", "shape": [4, 4, 4], "offset": -64}]},
        {"images": [{"name": "rgba", "shape": [4, 4, 4], "offset": 1 << 60}]},
        {"images": [{"name": "rgba", "shape": [1 << 40, 1 << 40], "offset": 64}]},
        {"dropped": 5},
    ],
)
def test_a_result_that_does_not_fit_its_block_is_refused(prefix: str, change: dict) -> None:
    pool, reader = BlockPool(prefix), BlockReader(prefix)
    with pytest.raises(ProtocolError, match="does not describe"):
        reader.images({**pool.fill(images(1.0)), **change})
    pool.close()
    reader.close()


def test_a_block_that_is_gone_or_holds_another_frame_is_an_error(prefix: str) -> None:
    pool, reader = BlockPool(prefix), BlockReader(prefix)
    message = pool.fill(images(1.0))
    with pytest.raises(EngineError, match="gone"):
        reader.images({**message, "serial": 99})
    pool.close()
    with pytest.raises(EngineError, match="gone"):
        BlockReader(random_prefix()).images(message)
    reader.close()


@linux
def test_no_room_is_an_error_and_leaves_nothing(prefix: str) -> None:
    with pytest.raises(EngineError, match=r"no room|cannot be made"):
        SharedBlock(f"{prefix}_0", 1 << 50, True)
    assert not [name for name in shared_blocks() if name.startswith(prefix)]


def test_prefixes_are_random_and_told_from_other_names() -> None:
    assert random_prefix() != random_prefix()
    assert valid_prefix(random_prefix())
    for name in ("", "lh_", "../etc/passwd", random_prefix() + "/x", random_prefix().upper()):
        assert not valid_prefix(name)
