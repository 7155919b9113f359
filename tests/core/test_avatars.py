"""The avatar file: what is written is read, and nothing else is taken for an avatar."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from livehand_core.avatars import (
    Architecture,
    Avatar,
    AvatarMetadata,
    Identity,
    PoseStatistics,
    load_avatar,
    new_avatar,
    read_metadata,
    save_avatar,
    topology_hash,
)
from livehand_core.avatars import metadata as metadata_module
from livehand_core.errors import AvatarError, LiveHandError
from livehand_core.hand.data import HandData
from livehand_core.networks import FieldConfig, SuperResolutionConfig

from .conftest import tube_hand
from .lit import relightable

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
SMALL = Architecture(
    FieldConfig(depth=2, width=16, feature_channels=8, latent_size=4),
    SuperResolutionConfig(in_channels=8, hidden=(8, 6)),
    n_samples=6,
    n_importance=4,
)
IDENTITIES = (Identity("anna", (0.5,) * 10, {"images": 12}), Identity("ben", (-1.0,) * 10), Identity("chi"))


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    made = new_avatar(tube_hand(), SMALL, seed=5, name="small", pixels_per_metre=1500.0, identities=IDENTITIES)
    statistics = PoseStatistics.of(np.random.default_rng(0).normal(size=(20, 45)))
    provenance = {"capture": "tube", "steps": 10, "views": [1, 2]}
    return replace(made, metadata=replace(made.metadata, pose_statistics=statistics, provenance=provenance))


@pytest.fixture
def saved(avatar: Avatar, tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    save_avatar(path, avatar)
    return path


@pytest.mark.parametrize("half", [False, True])
def test_round_trip(avatar: Avatar, tmp_path: Path, half: bool) -> None:
    path = tmp_path / "a.safetensors"
    written = save_avatar(path, avatar, half=half)
    read = load_avatar(path)
    assert read.metadata == written == read_metadata(path)
    assert replace(read.metadata, content_hash="") == avatar.metadata
    for name, value in avatar.tensors().items():
        assert read.tensors()[name].dtype == torch.float32
        torch.testing.assert_close(read.tensors()[name], value, rtol=1e-3 if half else 0.0, atol=1e-4 if half else 0.0)
    assert read.tensors().keys() == avatar.tensors().keys()
    # Another program sees an ordinary safetensors file.
    assert safetensors.torch.load_file(path).keys() == avatar.tensors().keys()
    assert list(tmp_path.iterdir()) == [path]


def test_textures_are_kept_in_eight_bits(hand: HandData, tmp_path: Path) -> None:
    avatar = relightable(hand, identities=(Identity("a"), Identity("b")))
    save_avatar(tmp_path / "a.safetensors", avatar)
    read = load_avatar(tmp_path / "a.safetensors")
    kinds = safetensors.torch.load_file(tmp_path / "a.safetensors")
    for name in ("field.textures.0", "identity_textures.0", "detail.texture", "identity_detail"):
        value, found = avatar.tensors()[name], read.tensors()[name]
        assert kinds[name].dtype == torch.uint8 and found.dtype == torch.float32
        axes = tuple(range(value.ndim - 1))
        step = (value.amax(axes) - value.amin(axes)) / 255.0
        assert ((found - value).abs() <= 0.5001 * step + 1e-7).all(), name
    save_avatar(tmp_path / "b.safetensors", read)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize("change", ["missing", "short", "bits"])
def test_eight_bits_need_their_range(hand: HandData, tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.safetensors"
    save_avatar(path, relightable(hand))
    tensors = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, "pt") as opened:
        document = opened.metadata()
    ends = tensors.pop("detail.texture.range")
    if change == "short":
        tensors["detail.texture.range"] = ends[:1]
    elif change == "bits":
        tensors["detail.texture.range"] = ends.to(torch.uint8)
    safetensors.torch.save_file(tensors, path, document)
    with pytest.raises(AvatarError, match=r"does not tell the range of detail.texture|does not fit its description"):
        load_avatar(path)


def test_saving_twice_gives_the_same_bytes(avatar: Avatar, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_avatar(tmp_path / f"{name}.safetensors", avatar)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_new_avatar_depends_on_its_seed_only() -> None:
    hand = tube_hand()
    torch.manual_seed(1)
    first = new_avatar(hand, SMALL, seed=7)
    state = torch.random.get_rng_state()
    second = new_avatar(hand, SMALL, seed=7)
    assert torch.equal(state, torch.random.get_rng_state())
    for name, value in first.tensors().items():
        assert torch.equal(value, second.tensors()[name])
    assert not torch.equal(first.tensors()["latent"], new_avatar(hand, SMALL, seed=8).tensors()["latent"])


def test_metadata_needs_no_torch(saved: Path) -> None:
    code = (
        "import sys\nfrom livehand_core.avatars import read_metadata\n"
        f"print(read_metadata({str(saved)!r}).name, 'torch' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=GOLDEN.parents[1]
    )
    assert answer.stdout.split() == ["small", "False"]


def test_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AvatarError, match=r"nowhere.safetensors' does not exist"):
        load_avatar(tmp_path / "nowhere.safetensors")
    with pytest.raises(AvatarError, match="does not exist"):
        read_metadata(tmp_path)
    monkeypatch.setattr(metadata_module, "DEFAULT_AVATAR_PATH", tmp_path / "default_avatar.safetensors")
    with pytest.raises(AvatarError, match="default avatar is not part of this installation"):
        load_avatar("default")


def test_truncated(saved: Path) -> None:
    data = saved.read_bytes()
    header = 8 + struct.unpack("<Q", data[:8])[0]
    for end in (0, 3, 8, 100, header - 1, header, header + 11, len(data) - 1):
        saved.write_bytes(data[:end])
        with pytest.raises(AvatarError, match=r"truncated|not an avatar"):
            load_avatar(saved)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_flipped_bit_is_noticed(
    avatar: Avatar, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    save_avatar(path, avatar)
    content = bytearray(path.read_bytes())
    header = 8 + struct.unpack("<Q", content[:8])[0]
    in_header = data.draw(st.booleans())
    position = data.draw(st.integers(0, header - 1) if in_header else st.integers(header, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        read = load_avatar(path)
    except AvatarError:
        return
    # Only the padding after the header, or a space in its JSON, may change without meaning.
    assert in_header
    assert read.metadata == replace(avatar.metadata, content_hash=read.metadata.content_hash)
    assert all(torch.equal(value, read.tensors()[name]) for name, value in avatar.tensors().items())


def test_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(AvatarError, match="safetensors file, but not a LiveHand avatar"):
        load_avatar(path)
    for content in (b"\x89PNG\r\n\x1a\n" + bytes(100), b"hello", b"{}", b"", np.random.default_rng(0).bytes(5000)):
        path.write_bytes(content)
        for reader in (load_avatar, read_metadata):
            with pytest.raises(AvatarError, match=r"not an avatar|truncated"):
                reader(path)


def rewrite(path: Path, change: dict[str, object], drop: tuple[str, ...] = ()) -> None:
    """Alter the document without altering the hash that it carries."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    document = json.loads(header["__metadata__"]["livehand_avatar"])
    document.update(change)
    for key in drop:
        del document[key]
    header["__metadata__"]["livehand_avatar"] = json.dumps(document)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format_version": 99}, "format version 99"),
        ({"side": "middle"}, "does not fit"),
        ({"architecture": {}}, "does not fit"),
        ({"surprise": 1}, "does not fit"),
        ({"licence": "CC0-1.0"}, "does not match its hash"),
        ({"provenance": None}, "provenance is None, not an object"),
        ({"content_hash": ["a"]}, r"content_hash is \['a'\], not text"),
        ({"name": 5}, "name is 5, not text"),
        ({"mirrorable": "yes"}, "mirrorable is 'yes'"),
        ({"format_version": None}, "format_version is None"),
        ({"pose_statistics": [1]}, r"pose_statistics is \[1\]"),
        ({"identities": 7}, "identities is 7, not a list"),
        ({"pixel_offset": float("nan")}, "not a finite number"),
    ],
)
def test_altered_documents(saved: Path, change: dict[str, object], reason: str) -> None:
    rewrite(saved, change)
    with pytest.raises(AvatarError, match=reason):
        load_avatar(saved)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("depth", 1e9, "depth is 1000000000.0, not a whole number"),
        ("depth", 10**9, "more than 32 layers"),
        ("width", 10**9, "more than 2048 channels"),
        ("width", True, "width is True"),
        ("position_frequencies", 10**6, "frequencies"),
        ("texture_sizes", [4096] * 1000, "more than 32 layers or textures"),
        ("coordinates", "uvw", "'uvd' or 'xyz'"),
    ],
)
def test_sizes_that_would_fill_the_memory_are_refused_at_once(
    saved: Path, key: str, value: object, reason: str
) -> None:
    document = json.loads(json.dumps(read_metadata(saved).to_json()))
    document["architecture"]["field"][key] = value
    rewrite(saved, {"architecture": document["architecture"]})
    for reader in (read_metadata, load_avatar):
        with pytest.raises(AvatarError, match=reason):
            reader(saved)


def forge(path: Path, change: Callable[[dict[str, Any]], None], data: bytes | None = None) -> None:
    """Alter the header and the weights, and give the file the hash that belongs to them."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :] if data is None else data
    change(header)
    document = json.loads(header["__metadata__"]["livehand_avatar"])
    blobs = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            blobs[name] = (entry["dtype"], tuple(entry["shape"]), data[begin:end])
    document["content_hash"] = metadata_module.content_hash(document, blobs)
    header["__metadata__"]["livehand_avatar"] = json.dumps(document)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def test_weights_that_are_not_finite_are_never_drawn(saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    weights = bytearray(content[8 + struct.unpack("<Q", content[:8])[0] :])
    weights[:4] = np.float32(np.nan).tobytes()
    forge(saved, lambda header: None, bytes(weights))
    with pytest.raises(AvatarError, match=r"weights \S+ are not finite"):
        load_avatar(saved)
    picture = str(tmp_path / "a.png")
    command = [sys.executable, "-m", "livehand_core", "render", str(saved), "--out", picture]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=GOLDEN.parents[1])
    assert answer.returncode == 2 and "are not finite" in answer.stderr and "Traceback" not in answer.stderr, answer
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [1 << 40] * 4000},
        {"shape": [-1]},
        {"shape": None},
        {"dtype": "I64"},
        {"dtype": []},
        {"data_offsets": 5},
        {"data_offsets": [0, 1e400]},
        {"data_offsets": [-4, 0]},
        {"data_offsets": [0, 1 << 62]},
    ],
)
def test_headers_that_do_not_fit(saved: Path, change: dict[str, Any]) -> None:
    content = saved.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    header["field.density.bias"] |= change
    text = json.dumps(header).encode()
    saved.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
    with pytest.raises(AvatarError, match=r"header does not fit|not readable"):
        load_avatar(saved)


def test_a_sparse_file_a_pipe_and_a_pointer_are_refused_at_once(saved: Path, tmp_path: Path) -> None:
    with saved.open("r+b") as stream:
        stream.truncate(1 << 40)
    for reader in (read_metadata, load_avatar):
        with pytest.raises(AvatarError, match="are the limit"):
            reader(saved)
    pointer = tmp_path / "pointer.safetensors"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")
    with pytest.raises(AvatarError, match="git lfs pull"):
        read_metadata(pointer)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.safetensors")
        with pytest.raises(AvatarError, match="not an ordinary file"):
            read_metadata(tmp_path / "pipe.safetensors")


def test_weights_that_do_not_fit_are_not_written(avatar: Avatar, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    wrong = replace(avatar, field_state={**avatar.field_state, "density.bias": torch.zeros(3)})
    with pytest.raises(AvatarError, match=r"field.density.bias is \(3,\), expected \(1,\)"):
        save_avatar(path, wrong)
    broken = replace(avatar, field_state={**avatar.field_state, "density.bias": torch.tensor([torch.nan])})
    with pytest.raises(AvatarError, match="not finite"):
        save_avatar(path, broken)
    assert not path.exists()


def test_a_folder_that_cannot_be_written(avatar: Avatar, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LiveHandError, match="cannot be written"):
        save_avatar(tmp_path / "file" / "x.safetensors", avatar)


def test_topology_is_checked(avatar: Avatar, hand: HandData) -> None:
    avatar.metadata.check_hand(hand)
    assert topology_hash(hand) == avatar.metadata.topology
    with pytest.raises(AvatarError, match="another mesh or texture layout"):
        avatar.metadata.check_hand(replace(hand, uv=hand.uv * 0.9))
    with pytest.raises(AvatarError, match="another mesh or texture layout"):
        avatar.metadata.check_hand(replace(hand, faces=hand.faces[:, [1, 2, 0]]))
    with pytest.raises(AvatarError, match="hand model 'tube', not on 'mano'"):
        avatar.metadata.check_hand(replace(hand, name="mano"))


def test_pose_statistics() -> None:
    statistics = PoseStatistics.of(np.stack([np.full((15, 3), -0.5), np.full((15, 3), 0.5)]))
    pose = np.zeros((15, 3))
    assert statistics.out_of_range(pose) == {}
    pose[1, 2], pose[14, 0], pose[3, 0] = 0.9, -1.0, 0.55
    assert statistics.out_of_range(pose) == pytest.approx({"index2": 0.4, "thumb3": 0.5})


def test_metadata_that_contradicts_itself(avatar: Avatar) -> None:
    with pytest.raises(ValueError, match="conditioning"):
        replace(avatar.metadata, conditioning="published")
    with pytest.raises(ValueError, match="footprint"):
        replace(avatar.metadata, pixels_per_metre=float("nan"))
    document = json.loads(json.dumps(avatar.metadata.to_json()))
    assert AvatarMetadata.from_json(document) == avatar.metadata


# --- official checkpoints ---------------------------------------------------------------------------------------------
