"""Where an avatar comes from, in lines for people: shown wherever one is chosen. Needs NumPy only."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .metadata import AvatarMetadata, read_metadata


def story(metadata: AvatarMetadata) -> list[str]:
    """Licence, whose hand it is and by whose leave, what it was trained on, and what tells it from all others."""
    told = metadata.provenance
    people = ", ".join(identity.name for identity in metadata.identities if identity.name)
    lines = [f"Licence: {metadata.licence or 'not stated'}"]
    lines += [f"Identities: {people}"] if len(metadata.identities) > 1 else []
    lines.append(f"Consent: {told.get('consent') or 'not stated'}")
    if "training_images" in told:
        counts = f"{told.get('training_cameras', '?')} cameras, {told.get('training_poses', '?')} poses"
        lines.append(f"Trained on {told['training_images']} images, {counts}")
    if told.get("capture"):
        lines.append(f"Capture: {told['capture']}")
    if told.get("capture_hash"):
        lines.append(f"Capture's hash: {str(told['capture_hash'])[:16]}")
    lines.append(f"Content's hash: {metadata.content_hash[:16]}")
    return lines


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = "Say where an avatar comes from: licence, whose hand, by whose leave, what it was trained on."
    parser.add_argument("avatar", nargs="?", default="default", help="an avatar file; the one that ships by default")
    parser.add_argument("--json", action="store_true", help="all that the file says of itself, as JSON")


def run(args: argparse.Namespace) -> int:
    """``livehand info``."""
    metadata = read_metadata(args.avatar if args.avatar == "default" else Path(args.avatar))
    if args.json:
        print(json.dumps(metadata.to_json(), indent=2))
        return 0
    print(f"{metadata.name}: {metadata.side} hand, for {metadata.hand_model}")
    for line in story(metadata):
        print(f"  {line}")
    return 0
