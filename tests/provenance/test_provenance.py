"""Signed pictures verify, every flipped byte is found, and mistakes are named."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livehand_core import __version__, cli
from livehand_core.avatars import read_metadata
from livehand_core.errors import LiveHandError
from livehand_core.provenance.certificate import load_identity, make_certificate
from livehand_core.provenance.layout import sidecar
from livehand_core.provenance.signing import Signer, verify

KINDS = ("png", "mp4", "mov", "exr", "webp")
Maker = Callable[[str], Path]


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_file_says_what_made_it(picture: Maker, signer: Signer, certificate: Path, kind: str) -> None:
    path = picture(kind)
    before = path.read_bytes()
    assert verify(path).state == "unsigned"
    held = signer.sign(path, "0007")
    assert held == (sidecar(path) if kind in ("exr", "webp") else path)
    report = verify(path)
    metadata = read_metadata("default")
    assert (report.state, report.reason, report.complete) == ("valid", "", True)
    assert report.signer == "Test Studio" and not report.trusted and report.title == "0007"
    assert report.generator == f"LiveHand {__version__}" and report.source == "trainedAlgorithmicMedia"
    (avatar,) = report.avatars
    assert (avatar.content_hash, avatar.licence) == (metadata.content_hash, metadata.licence)
    assert verify(path, certificate.with_name("root.pem").read_text()).trusted
    if held != path:
        assert path.read_bytes() == before
    elif kind == "png":
        assert (np.asarray(Image.open(path)) == np.asarray(Image.open(path))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bytes_are_found(picture: Maker, signer: Signer, kind: str) -> None:
    """The picture's bytes, the manifest's, and those that neither hash nor signature covers; a sample of all."""
    path = picture(kind)
    held = signer.sign(path)
    for file in {path, held}:
        content = file.read_bytes()
        for position in range(0, len(content), max(len(content) // 150, 1)):
            flipped = bytearray(content)
            flipped[position] ^= 1 << position % 8
            file.write_bytes(flipped)
            assert verify(path).state != "valid", (file.name, position)
        file.write_bytes(content)
    assert verify(path).state == "valid"


def test_bytes_that_c2pa_does_not_cover_are_found(picture: Maker, signer: Signer) -> None:
    """Each byte of a whole sidecar: the padding of its signature alone is a thousand."""
    path = picture("exr")
    held = signer.sign(path)
    content = held.read_bytes()
    padding = content.index(b"cpad", content.index(b"c2pa.signature\0"))
    claim = content.index(b"c2pa.claim")
    for position in (
        *range(0, 60),
        *range(claim - 17, claim + 14),
        *range(padding, padding + 40),
        len(content) - 80,
        len(content) - 1,
    ):
        flipped = bytearray(content)
        flipped[position] ^= 0x10
        held.write_bytes(flipped)
        assert verify(path).state != "valid", position


def test_what_is_cut_off_added_or_exchanged_is_found(picture: Maker, signer: Signer) -> None:
    for kind in ("png", "mp4", "exr"):
        path = picture(kind)
        signer.sign(path)
        content = path.read_bytes()
        for changed in (content[:-1], content + b"\0", content[: len(content) // 2], b""):
            path.write_bytes(changed)
            assert verify(path).state != "valid"
        path.write_bytes(content)
        assert verify(path).state == "valid"


def test_a_picture_signed_again_holds_one_manifest_that_is_valid(picture: Maker, signer: Signer) -> None:
    path = picture("png")
    signer.sign(path)
    signer.sign(path)
    assert verify(path).state == "valid"


def test_signing_is_quick(tmp_path: Path, signer: Signer) -> None:
    """Of processor time, so that a busy machine does not matter: a picture of 512 x 334 in 20 ms."""
    path = tmp_path / "hand.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (334, 512, 4), dtype=np.uint8)).save(path)
    content, taken = path.read_bytes(), []
    for _ in range(12):
        path.write_bytes(content)
        began = time.process_time()
        signer.sign(path)
        taken.append(time.process_time() - began)
    assert sorted(taken)[len(taken) // 2] < 0.020, taken


def test_commands(
    picture: Maker,
    certificate: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIVEHAND_CERTIFICATE", str(certificate.parent))
    path, plain = picture("png"), tmp_path / "plain.png"
    shutil.copy(path, plain)
    assert cli.main(["sign", str(path), "--avatar", "default"]) == 0
    assert cli.main(["verify", str(path)]) == 0
    said = capsys.readouterr().out
    assert "valid" in said and "untrusted" in said and read_metadata("default").content_hash in said
    assert cli.main(["verify", "--json", str(path), str(plain)]) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["state"] == "valid" and second["state"] == "unsigned"
    assert cli.main(["verify", "--trust", str(certificate.with_name("root.pem")), str(path)]) == 0
    assert "(trusted)" in capsys.readouterr().out
    assert cli.main(["sign", str(tmp_path / "none.png")]) == 1 and "none.png" in capsys.readouterr().err
    (tmp_path / "a.txt").write_text("no picture")
    assert cli.main(["sign", str(tmp_path / "a.txt"), str(plain)]) == 1
    captured = capsys.readouterr()
    assert "not of a kind that can be signed" in captured.err and "signed" in captured.out
    plain.write_bytes(b"no picture")
    assert cli.main(["sign", str(plain)]) == 1 and "cannot be signed" in capsys.readouterr().err
    assert plain.read_bytes() == b"no picture"
    assert cli.main(["sign"]) == 2


def test_rendered_views_are_signed(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEHAND_CERTIFICATE", str(certificate.parent))
    words = ["render", "--size", "32x32", "--device", "cpu", "--sign", "--out"]
    assert cli.main([*words, str(tmp_path / "hand.png")]) == 0
    assert cli.main([*words, str(tmp_path / "frames"), "--frames", "2"]) == 0
    for path in (tmp_path / "hand.png", *sorted((tmp_path / "frames").glob("*.png"))):
        report = verify(path)
        assert report.state == "valid" and report.avatars[0].content_hash == read_metadata("default").content_hash
    monkeypatch.setenv("LIVEHAND_CERTIFICATE", str(tmp_path / "none"))
    assert cli.main([*words, str(tmp_path / "other.png")]) == 2 and not (tmp_path / "other.png").exists()


def test_certificates(
    tmp_path: Path, certificate: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEHAND_CERTIFICATE", str(tmp_path / "mine"))
    assert cli.main(["sign", "x.png"]) == 2 and "--make-certificate" in capsys.readouterr().err
    assert cli.main(["sign", "--make-certificate", "--name", "Me"]) == 0
    assert "Nobody but you vouches" in capsys.readouterr().out
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "mine" / "key.pem").stat().st_mode) == 0o600
    assert cli.main(["sign", "--make-certificate"]) == 2 and "there already" in capsys.readouterr().err
    own = load_identity()
    assert own.algorithm == "es256"
    other = make_certificate("Other", tmp_path / "other")
    with pytest.raises(LiveHandError, match="not that of the certificate"):
        load_identity(certificate, other.with_name("key.pem"))
    with pytest.raises(LiveHandError, match="no certificate in PEM"):
        load_identity(other.with_name("key.pem"), other.with_name("key.pem"))
    with pytest.raises(LiveHandError, match="no private key"):
        load_identity(other, other)


@pytest.mark.skipif(
    shutil.which("unshare") is None or sys.platform != "linux", reason="takes the network away on Linux"
)
def test_signing_and_verifying_need_no_network(picture: Maker, certificate: Path) -> None:
    path = picture("png")
    words = ["unshare", "--net", sys.executable, "-m", "livehand_core"]
    if subprocess.run([*words[:2], "true"], capture_output=True).returncode:
        pytest.skip("taking the network away needs root")
    key = ["--certificate", str(certificate), "--key", str(certificate.with_name("key.pem"))]
    for more in (["sign", str(path), *key], ["verify", str(path)]):
        done = subprocess.run([*words, *more], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
