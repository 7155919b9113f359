"""What a picture says of its making: the manifest's content. Needs no c2pa; called by signing and the commands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..avatars.metadata import read_metadata

GENERATOR = "LiveHand"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's word for pictures that a trained model made."""

AVATARS_LABEL = "org.livehand.avatars"
FILE_LABEL = "org.livehand.file"


@dataclass(frozen=True)
class AvatarFacts:
    """Which avatar a picture shows."""

    name: str
    content_hash: str
    licence: str


def avatar_facts(avatars: Iterable[str | Path]) -> list[AvatarFacts]:
    """Of avatar files, or ``"default"``; each once. Raises AvatarError for one that cannot be read."""
    found: dict[str, AvatarFacts] = {}
    for avatar in avatars:
        metadata = read_metadata(avatar)
        found[metadata.content_hash] = AvatarFacts(metadata.name, metadata.content_hash, metadata.licence)
    return list(found.values())


def manifest(title: str, avatars: Iterable[AvatarFacts], file: dict[str, str]) -> dict[str, Any]:
    """The definition that c2pa signs.

    Args:
        title: the picture's name.
        file: digests of parts of the file that c2pa leaves out.
    """
    agent = {"name": GENERATOR, "version": __version__}
    created = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": agent}
    assertions: list[dict[str, Any]] = [{"label": "c2pa.actions", "data": {"actions": [created]}}]
    shown = [asdict(avatar) for avatar in avatars]
    if shown:
        assertions.append({"label": AVATARS_LABEL, "data": {"avatars": shown}})
    if file:
        assertions.append({"label": FILE_LABEL, "data": file})
    return {"claim_generator_info": [agent], "title": title, "assertions": assertions}
