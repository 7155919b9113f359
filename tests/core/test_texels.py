"""Textures in avatar files: texels that are all alike are told once, and read as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from livehand_core.avatars.file import Avatar, load_avatar, save_avatar
from livehand_core.avatars.metadata import content_hash, parse_document, read_header
from livehand_core.avatars.texels import KEPT, packed, unpacked, unpacked_shape
from livehand_core.errors import AvatarError
from livehand_core.hand.data import HandData
from tests.core.test_avatars import relightable, rewrite

NAME = "detail.texture"


@pytest.mark.parametrize("shape", [(16, 16, 3), (2, 8, 8, 4), (8, 8, 1)])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.7])
def test_packing_is_undone(shape: tuple[int, ...], share: float) -> None:
    random = np.random.default_rng(3)
    codes = np.full(shape, 77, np.uint8)
    own = random.random(shape[:-1]) < share
    codes[own] = random.integers(0, 256, (np.count_nonzero(own), shape[-1]))
    apart = packed(codes)
    assert apart is not None
    rows, kept = apart
    assert unpacked_shape(rows.shape, kept.shape) == shape
    assert rows.size <= (0.01 + share * 1.4) * codes.size + shape[-1]
    np.testing.assert_array_equal(unpacked(rows, kept), codes)


def test_what_would_save_little_is_kept_whole() -> None:
    random = np.random.default_rng(4)
    assert packed(random.integers(0, 256, (16, 16, 3)).astype(np.uint8)) is None
    # Twelve texels are no whole bytes of bits.
    assert packed(np.zeros((12, 12, 3), np.uint8)) is None


def with_gaps(avatar: Avatar) -> Avatar:
    """The avatar, whose detail texture has one chart."""
    assert avatar.detail_state is not None
    texture = avatar.detail_state["texture"].clone()
    texture[4:] = 0.0
    return replace(avatar, detail_state=avatar.detail_state | {"texture": texture})


def test_a_file_with_gaps_is_smaller_and_reads_the_same(hand: HandData, tmp_path: Path) -> None:
    avatar = relightable(hand)
    save_avatar(tmp_path / "full.safetensors", avatar)
    save_avatar(tmp_path / "gaps.safetensors", with_gaps(avatar))
    texture = load_avatar(tmp_path / "gaps.safetensors").tensors()[NAME]
    tensors = safetensors.torch.load_file(tmp_path / "gaps.safetensors")
    assert len(tensors[NAME]) < 0.8 * texture[..., 0].numel() and tensors[NAME + KEPT].dtype == torch.uint8
    assert (tmp_path / "gaps.safetensors").stat().st_size < (tmp_path / "full.safetensors").stat().st_size
    # A texel beyond the charts is what it was, but for the eight bits.
    wanted = with_gaps(avatar).tensors()[NAME]
    step = (wanted.amax((0, 1)) - wanted.amin((0, 1))) / 255.0
    assert ((texture - wanted).abs() <= 0.5001 * step + 1e-7).all()


@pytest.mark.parametrize("change", ["bits", "rows", "shape", "flat", "floats", "alone"])
def test_bits_that_do_not_fit_are_refused(hand: HandData, tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.safetensors"
    save_avatar(path, with_gaps(relightable(hand)))
    tensors = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, "pt") as opened:
        document = opened.metadata()
    kept = tensors[NAME + KEPT]
    if change == "bits":
        kept[-1, -1] ^= 1
    elif change == "rows":
        tensors[NAME] = tensors[NAME][:-1].clone()
    elif change == "shape":
        tensors[NAME + KEPT] = kept[:-1].clone()
    elif change == "flat":
        tensors[NAME + KEPT] = kept.reshape(-1)
    elif change == "floats":
        tensors[NAME + KEPT] = kept.float()
    else:
        del tensors[NAME]
    safetensors.torch.save_file(tensors, path, document)
    with path.open("rb") as stream:
        header = read_header(stream, path)
        told = parse_document(header, path)
        data = stream.read()
    blobs = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]  # type: ignore[index]
            blobs[name] = (entry["dtype"], tuple(entry["shape"]), data[begin:end])  # type: ignore[index]
    rewrite(path, {"content_hash": content_hash(told, blobs)})
    with pytest.raises(AvatarError, match=r"bits that tell where they are|does not fit its desc|does not tell where"):
        load_avatar(path)
