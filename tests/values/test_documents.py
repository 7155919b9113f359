"""Files from outside are read with limits: whatever lies there, one error that names it, or its content."""

import io
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from livehand_core import documents
from livehand_core.documents import Reader, parse_json
from livehand_core.errors import LiveHandError, PoseError

NOTES = Reader("The notes", PoseError, "Write them again.", limit=1 << 20)


def refused(read, path, *words):
    """The error that reading raises: of the reader's class, with the file's name and these words."""
    with pytest.raises(PoseError) as caught:
        read(path)
    for word in (Path(path).name, *words):
        assert word in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_of_any_editor_is_read(tmp_path, encoding):
    path = tmp_path / "notes.json"
    path.write_text('{"name": "Hände"}', encoding=encoding)
    assert NOTES.json(path) == {"name": "Hände"}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"{", "JSON"),
        (b"\xff\xfe\x00", "UTF-16"),
        (b'{"a": "\xe4"}', "UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1, "a": 2}', "'a' appears twice"),
        (b"[" * 65 + b"]" * 65, "64 levels"),
        (b"[" * 100000 + b"]" * 100000, "64 levels"),
        (b'{"a":' * 100000, "64 levels"),
        (b"9" * 5000, "JSON"),
        (b" " * ((1 << 20) + 1), "limit"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ],
)
def test_json_that_cannot_be_meant_is_refused(tmp_path, content, word):
    path = tmp_path / "notes.json"
    path.write_bytes(content)
    refused(NOTES.json, path, word)


def test_json_may_hold_what_other_programs_write_where_it_is_allowed():
    assert np.isnan(parse_json('{"a": NaN}', allow_nan=True)["a"])
    assert parse_json("[" * 64 + "]" * 64)


def test_what_is_not_there_is_not_called_damaged(tmp_path):
    assert "damaged" not in refused(NOTES.json, tmp_path / "notes.json", "does not exist")
    assert "damaged" not in refused(NOTES.json, tmp_path, "folder")
    refused(NOTES.json, tmp_path / "a\0b", "null")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
def test_what_may_not_be_read_is_not_called_damaged():
    code = (
        "import os, sys\nfrom livehand_core.documents import Reader\n"
        # The superuser may read everything.
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "try: Reader('The notes').json(sys.argv[1])\nexcept Exception as error: print(repr(error))"
    )
    with TemporaryDirectory() as folder:
        path = Path(folder, "notes.json")
        path.write_text("{}")
        os.chmod(folder, 0o755)
        path.chmod(0)
        said = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert "may not be read" in said.stdout and "damaged" not in said.stdout, said


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_or_a_device_is_refused_at_once(tmp_path):
    path = tmp_path / "notes.json"
    os.mkfifo(path)
    refused(NOTES.json, path, "not an ordinary file")
    refused(NOTES.arrays, path, "not an ordinary file")
    refused(NOTES.json, "/dev/zero", "not an ordinary file")


def test_toml_of_a_windows_editor_is_read_and_damage_told(tmp_path):
    path = tmp_path / "notes.toml"
    path.write_text("a = 1", encoding="utf-8-sig")
    assert NOTES.toml(path) == {"a": 1}
    for text in ("a = ", "a = " + "[" * 100000):
        path.write_text(text)
        refused(NOTES.toml, path, "TOML")


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.eye(3)), np.float64(3), np.array("right"), np.zeros((0, 3))],
)
def test_arrays_come_back_as_they_were(tmp_path, array):
    np.savez_compressed(tmp_path / "a.npz", one=array, two=array)
    found = NOTES.arrays(tmp_path / "a.npz")
    assert sorted(found) == ["one", "two"]
    np.testing.assert_array_equal(found["one"], array)
    assert found["one"].dtype == np.asarray(array).dtype and found["one"].flags.writeable
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(NOTES.array(tmp_path / "a.npy"), array)


def npz(path, header=None, body=b"", name="a.npy", count=1):
    """An archive whose member has a header of one's own."""
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(name if number == 0 else f"{number}{name}", data)
    return path


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }\n",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1.5,), }\n",
        b"{'descr': 'zzz', 'fortran_order': False, 'shape': (1,), }\n",
        b"{'descr': '<f8', 'shape': (1,)",
        b"'''",
        b"(" * 5000,
        b"\x00\n\x00",
        b"{" + b"'a':" * 2000,
    ],
)
def test_an_archive_with_an_odd_header_is_one_error(tmp_path, header):
    refused(NOTES.arrays, npz(tmp_path / "a.npz", header, bytes(64)), "damaged")


def test_an_archive_that_unpacks_to_more_than_the_limit_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1 << 20))
    assert (tmp_path / "a.npz").stat().st_size < 1 << 14
    refused(NOTES.arrays, tmp_path / "a.npz", "limit")


def test_every_truncation_and_flip_of_an_archive_is_one_error_or_the_arrays(tmp_path):
    stream = io.BytesIO()
    np.savez(stream, a=np.arange(4.0), side=np.array("right"))
    whole, random, path = stream.getvalue(), np.random.default_rng(7), tmp_path / "a.npz"
    for number in range(300):
        content = bytearray(whole[: random.integers(len(whole))] if number % 2 else whole)
        for position in random.integers(max(len(content), 1), size=number % 5):
            content[position : position + 1] = bytes([random.integers(256)])
        path.write_bytes(content)
        try:
            NOTES.arrays(path)
        except PoseError as error:
            assert "a.npz" in str(error)


@pytest.mark.parametrize("order", "<>")
def test_text_of_numbers_that_are_no_letters_is_refused(tmp_path, order):
    header = f"{{'descr': '{order}U1', 'fortran_order': False, 'shape': (), }}\n".encode()
    refused(NOTES.arrays, npz(tmp_path / "a.npz", header, b"\xf0\xff\xff\x7f"), "not letters")
    letter = "\u6f22".encode("utf-32-le" if order == "<" else "utf-32-be")
    assert str(NOTES.arrays(npz(tmp_path / "b.npz", header, letter))["a"]) == "\u6f22"


def test_pickled_arrays_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([{"a": 1}], dtype=object))
    refused(NOTES.arrays, tmp_path / "a.npz", "objects")


def test_a_reader_raises_the_class_that_it_was_given(tmp_path):
    with pytest.raises(LiveHandError):
        Reader("It").json(tmp_path / "none.json")


def test_a_small_file_takes_no_memory_for_the_limit(tmp_path):
    path = tmp_path / "small.json"
    path.write_text("[1, 2]")
    assert Reader("The annotation", limit=1 << 60).json(path) == [1, 2]


def test_a_file_that_grows_while_it_is_read_has_the_limit_all_the_same(tmp_path, monkeypatch):
    path = tmp_path / "growing.txt"
    path.write_bytes(b"x" * 100)

    class Growing:
        """A stream of a file that had 100 bytes when it was opened."""

        def __init__(self, stream):
            self.stream, self.left = stream, 1000

        def fileno(self):
            return self.stream.fileno()

        def read(self, count):
            part = b"x" * min(count, self.left, 300)
            self.left -= len(part)
            return part

    for limit, fits in ((2000, True), (500, False)):
        with path.open("rb") as stream:
            content = documents._at_most(Growing(stream), limit + 1)
        assert (len(content) == 1000) == fits and (fits or len(content) == limit + 1)
