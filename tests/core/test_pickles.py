"""Pickles read as data: what programs write comes back, and nothing that is made to do harm gets through."""

from __future__ import annotations

import collections
import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from livehand_core.pickles import PickleError, read_object_array, read_pickle, to_array

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_come_back(protocol: int) -> None:
    value = {
        "none": None, "truth": [True, False], "numbers": (0, 1, -1, 255, 70000, -(2**40), 2**100, 1.5, -0.0),
        "text": "h\u00e4nd \n 'x' \U0001f590", "bytes": b"\x00\xff'\n", 3: {"deep": [[[1]]]},
        "ordered": collections.OrderedDict(a=1, b=[2]), "empty": [(), [], {}, ""],
    }  # fmt: skip
    read = read_pickle(pickle.dumps(value, protocol=protocol))
    assert read == {**value, "ordered": {"a": 1, "b": [2]}}
    assert sorted(read_pickle(pickle.dumps({1, 2, 3}, protocol=protocol))) == [1, 2, 3]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "u4", "u1", "b1", ">f4", ">i2"])
def test_arrays_come_back(protocol: int, order: Any, dtype: str) -> None:
    array = np.asarray((np.random.default_rng(0).random((3, 4, 2)) * 100).astype(dtype), order=order)
    for value in (array, array[0, 0, 0], array[:0], array[1:, ::2]):
        read = to_array(read_pickle(pickle.dumps(value, protocol=protocol)))
        assert read.dtype == value.dtype.newbyteorder("=")
        np.testing.assert_array_equal(read, value)


@pytest.mark.parametrize("kind", ["csc_matrix", "csr_matrix", "coo_matrix", "csc_array", "csr_array", "coo_array"])
def test_sparse_matrices_come_back_dense(kind: str) -> None:
    dense = np.where(np.random.default_rng(1).random((5, 7)) < 0.3, 2.5, 0.0)
    for protocol in (2, 5):
        read = read_pickle(pickle.dumps(getattr(scipy.sparse, kind)(dense), protocol=protocol))
        np.testing.assert_array_equal(to_array(read), dense)


def test_arrays_of_objects_and_their_files() -> None:
    table = {"rot": np.ones((2, 3)), "name": "s1"}
    for value in (np.array(table, dtype=object), np.array([table, table], dtype=object)):
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=True)
        read = read_object_array(buffer.getvalue())
        first = read if value.shape == () else read[1]
        assert first["name"] == "s1"
        np.testing.assert_array_equal(to_array(first["rot"]), np.ones((2, 3)))


def _numpy_name(name: str) -> bytes:
    return b"cnumpy\n" + name.encode() + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        b"cnumpy\nload\n(S'/etc/passwd'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"Pidentity\n.",
        b"\x80\x02\x82\x01.",
        b"cchumpy\nos.system\n.",
    ],
)
def test_names_that_are_no_data_are_refused(content: bytes) -> None:
    with pytest.raises(PickleError, match="it refers to"):
        read_pickle(content)


def test_a_type_with_forged_state_is_refused() -> None:
    """Item size, fields and object flags that would let NumPy write where the file says."""
    for state in (b"(I3\nS'<'\nNNNI1000000\nI1\nI63\nt", b"(I3\nS'<'\nN(S'x'\nt}I-1\nI-1\nI0\nt"):
        kind = _numpy_name("dtype") + b"(S'O8'\nI0\nI1\ntR" + state + b"b"
        array = b"cnumpy.core.multiarray\n_reconstruct\n(" + _numpy_name("ndarray") + b"(I0\ntS'b'\ntR"
        content = array + b"(I1\n(I1\nt" + kind + b"I00\nS'12345678'\ntb."
        with pytest.raises(PickleError):
            to_array(read_pickle(content))


@pytest.mark.parametrize(
    "shape", [b"(I1000000000\nI1000000000\nt", b"(I-1\nt", b"(I3\nt", b"(F1.0\nt", b"(I99999999999999999999999\nt"]
)
def test_a_shape_must_agree_with_the_bytes(shape: bytes) -> None:
    kind = _numpy_name("dtype") + b"(S'f8'\nI0\nI1\ntR"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(" + _numpy_name("ndarray") + b"(I0\ntS'b'\ntR"
    with pytest.raises(PickleError):
        to_array(read_pickle(array + b"(I1\n" + shape + kind + b"I00\nS'12345678'\ntb."))


def test_what_would_take_the_memory_is_refused() -> None:
    nested = b"]" * 100000 + b"a" * 99999 + b"."
    itself = b"]2a."
    doubled = b"(I1\nlq\x00" + b"(h\x00h\x00lq\x00" * 40 + b"."
    sized = b"\x80\x04r\xff\xff\xff\x7fN."
    copies = b"]" + b"(" + b"I1\n" * 100000 + b"eq\x00" + b"0" + b"(" + b"c__builtin__\nset\n(h\x00tR" * 10000 + b"l."
    for content in (nested, itself, doubled, sized, copies):
        with pytest.raises(PickleError):
            to_array(read_pickle(content))
    many = b"".join(b"(" + b"h\x00" * 1000 + b"lq\x00" for _ in range(1, 8))
    with pytest.raises(PickleError):
        to_array(read_pickle(b"]q\x00I1\na0" + many + b"."))


FUZZ = """
import pickle, resource, sys, time
import numpy as np, scipy.sparse
from livehand_core.pickles import PickleError, read_pickle, to_array
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
rng = np.random.default_rng(int(sys.argv[1]))
value = {"v": np.ones((40, 3)), "J": scipy.sparse.csc_matrix(np.eye(4)), "f": np.ones((5, 3), np.uint32), "l": [1, 2.5]}
seeds = [pickle.dumps(value, protocol=p) for p in range(6)]
longest = 0.0
for number in range(int(sys.argv[2])):
    data = bytearray(seeds[number % 6])
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(len(data)))
        action = rng.integers(4)
        if action == 0: data[place] = rng.integers(256)
        elif action == 1: data[place:place] = bytes(rng.integers(0, 256, int(rng.integers(1, 9))).astype(np.uint8))
        elif action == 2: del data[place : place + int(rng.integers(1, 9))]
        else: data[place:place] = data[place : place + int(rng.integers(1, 200))]
    start = time.perf_counter()
    try:
        read = read_pickle(bytes(data))
        for part in (read.values() if isinstance(read, dict) else [read]):
            try: to_array(part)
            except PickleError: pass
    except PickleError:
        pass
    longest = max(longest, time.perf_counter() - start)
print("through", longest)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the memory as POSIX does")
def test_mutated_pickles_raise_nothing_else(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FUZZ, "7", "3000"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.startswith("through"), done.stderr[-2000:]
    assert float(done.stdout.split()[1]) < 5.0
