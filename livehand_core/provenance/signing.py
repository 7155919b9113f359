"""Signs and verifies files with c2pa, without the network. Called by the commands sign, verify and render."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import c2pa

from ..documents import Reader
from ..errors import LiveHandError
from ..files import atomic_path
from .certificate import Identity
from .facts import AVATARS_LABEL, FILE_LABEL, GENERATOR, AvatarFacts, manifest
from .layout import FTYP, Irregular, check_store, embedded_store, sidecar, uncovered

EMBEDDED = {".png": "image/png", ".mp4": "video/mp4", ".mov": "video/quicktime"}
BESIDE = {".exr": "image/x-exr", ".webp": "image/webp"}
"""Suffix -> type of the files whose manifest lies beside them, in a file that ends in .c2pa."""

SETTINGS: dict[str, Any] = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
"""No thumbnails, which take longer than the signature, and no network."""

PICTURE = Reader("The picture", LiveHandError, "Render it again.", limit=8 << 30)

State = Literal["valid", "changed", "unsigned"]


class Signer:
    """Signs files with one certificate; made once for many.

    Raises:
        LiveHandError: the certificate is one that C2PA does not take.
    """

    def __init__(self, identity: Identity, avatars: Iterable[AvatarFacts]) -> None:
        self._avatars = tuple(avatars)
        self._context = c2pa.Context.from_dict(SETTINGS)
        try:
            info = c2pa.C2paSignerInfo(identity.algorithm.encode(), identity.chain, identity.key, None)
            self._signer = c2pa.Signer.from_info(info)
        except c2pa.C2paError as error:
            raise LiveHandError(f"C2PA does not take the certificate ({error}).", "Give another one.") from error

    def sign(self, path: Path, title: str = "") -> Path:
        """Sign a file in place, or write the manifest beside it; gives the file that holds it.

        Args:
            title: the picture's name where ``path`` is only for now.

        Raises:
            LiveHandError: it cannot be read or written, or is no picture of its suffix.
        """
        kind = path.suffix.lower()
        mime = EMBEDDED.get(kind) or BESIDE.get(kind)
        if mime is None:
            known = ", ".join((*EMBEDDED, *BESIDE))
            raise LiveHandError(f"{path} is not of a kind that can be signed.", f"These can: {known}.")
        content = PICTURE.read(path)
        target = path if kind in EMBEDDED else sidecar(path)
        try:
            signed, store = self._signed(content, kind, mime, title or path.name)
        except (c2pa.C2paError, Irregular) as error:
            raise LiveHandError(f"{path} cannot be signed ({_reason(error)}).", "Render it again.") from error
        with atomic_path(target) as temporary:
            temporary.write_bytes(signed if kind in EMBEDDED else store)
        return target

    def _signed(self, content: bytes, kind: str, mime: str, title: str) -> tuple[bytes, bytes]:
        """The file with its manifest, and the manifest store."""
        definition = manifest(title, self._avatars, uncovered(content, kind))
        with c2pa.Builder(definition, context=self._context) as builder:
            if kind in BESIDE:
                builder.set_no_embed()
            target = io.BytesIO()
            store = builder.sign(self._signer, mime, io.BytesIO(content), target)
        return target.getvalue(), bytes(store)


@dataclass(frozen=True)
class Report:
    """What a file says of its making, and whether it still holds.

    Attributes:
        state: ``"valid"``: nothing was changed since it was signed; ``"changed"``; ``"unsigned"``.
        reason: why it is not valid; empty else.
        signer: name in the certificate; ``trusted``: whether someone the caller trusts vouches for it.
        generator: program and version; ``avatars``: those it shows; ``source``: the kind of its making.
        complete: whether every byte is known to be as signed: by LiveHand's own files.
    """

    path: str
    state: State
    reason: str = ""
    signer: str = ""
    trusted: bool = False
    generator: str = ""
    title: str = ""
    source: str = ""
    avatars: tuple[AvatarFacts, ...] = ()
    complete: bool = False


def verify(path: Path, anchors: str = "") -> Report:
    """Look whether a file is as it was signed.

    Args:
        anchors: certificates in PEM form that are trusted, with all that they vouch for.

    Raises:
        LiveHandError: the file cannot be read.
    """
    kind = path.suffix.lower()
    content = PICTURE.read(path)
    beside = sidecar(path)
    store = PICTURE.read(beside) if kind not in EMBEDDED and beside.is_file() else None
    mime = EMBEDDED.get(kind) or BESIDE.get(kind) or kind.removeprefix(".")
    if store is None and mime not in c2pa.Reader.get_supported_mime_types():
        return Report(str(path), "unsigned", f"there is no {beside.name} beside it")
    settings = SETTINGS | ({"trust": {"user_anchors": anchors}} if anchors else {})
    try:
        with c2pa.Reader(mime, io.BytesIO(content), store, context=c2pa.Context.from_dict(settings)) as reader:
            document = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return Report(str(path), "unsigned", "it holds no Content Credentials")
    except c2pa.C2paError as error:
        return Report(str(path), "changed", _reason(error))
    try:
        return _report(path, document, content, kind, store)
    except (LookupError, TypeError, AttributeError, ValueError):
        return Report(str(path), "changed", ", ".join(_failures(document)) or "its manifest cannot be read")


def _report(path: Path, document: dict[str, Any], content: bytes, kind: str, store: bytes | None) -> Report:
    active = document["manifests"][document["active_manifest"]]
    said = {entry["label"]: entry["data"] for entry in active.get("assertions", ())}
    generator = (active.get("claim_generator_info") or [{}])[0]
    signature = active.get("signature_info") or {}
    actions = (said.get("c2pa.actions.v2") or said.get("c2pa.actions") or {}).get("actions") or [{}]
    state, reason = _state(document)
    ours = generator.get("name") == GENERATOR
    if state == "valid" and ours:
        state, reason = _looked_at(said.get(FILE_LABEL, {}), content, kind, store)
    avatars = [AvatarFacts(**avatar) for avatar in said.get(AVATARS_LABEL, {}).get("avatars", ())]
    return Report(
        str(path),
        state,
        reason,
        signature.get("common_name") or signature.get("issuer") or "",
        document.get("validation_state") == "Trusted",
        f"{generator.get('name', '')} {generator.get('version', '')}".strip(),
        active.get("title") or "",
        str(actions[0].get("digitalSourceType", "")).rpartition("/")[2],
        tuple(avatars),
        state == "valid" and ours,
    )


def _state(document: dict[str, Any]) -> tuple[State, str]:
    """By c2pa's own results; that nobody vouches for a certificate is another matter."""
    if document.get("validation_state") in ("Valid", "Trusted"):
        return "valid", ""
    return "changed", ", ".join(_failures(document)) or "its manifest is not valid"


def _failures(document: dict[str, Any]) -> list[str]:
    """C2PA's codes of what does not hold."""
    codes = [str(entry.get("code", "")) for entry in document.get("validation_status") or ()]
    return [code for code in codes if code and code != "signingCredential.untrusted"]


def _looked_at(file: dict[str, str], content: bytes, kind: str, store: bytes | None) -> tuple[State, str]:
    """Of a file that LiveHand signed: what neither hash nor signature covers."""
    try:
        check_store(embedded_store(content, kind) if store is None else store)
        if uncovered(content, kind).get(FTYP) != file.get(FTYP):
            raise Irregular("the video's type box was changed")
    except Irregular as error:
        return "changed", str(error)
    return "valid", ""


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
