"""``livehand sign FILES``: put Content Credentials into pictures and videos, or make a certificate to do so."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..errors import LiveHandError
from ..libraries import require
from .certificate import ROOT_FILE, UNTRUSTED, load_identity, make_certificate
from .facts import avatar_facts


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Sign pictures and videos: which program made them, with which avatars (content hash, licence), by a trained "
        "model. PNG, MP4 and MOV hold it themselves; for EXR and WebP it lies beside them, in NAME.c2pa. Nothing is "
        "sent or fetched."
    )
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE", help="signed in place")
    parser.add_argument(
        "--avatar",
        action="append",
        default=[],
        metavar="FILE",
        help="an avatar that they show, or 'default'; more than one is allowed",
    )
    add_certificate(parser)
    parser.add_argument(
        "--make-certificate",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="FOLDER",
        help="make a certificate of your own, in FOLDER or where it is looked for, and exit",
    )
    parser.add_argument("--name", default="LiveHand user", help="with --make-certificate: whom it names")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)


def add_certificate(parser: argparse._ActionsContainer) -> None:
    """Add ``--certificate`` and ``--key`` to a command's options."""
    parser.add_argument("--certificate", type=Path, metavar="CHAIN.pem", help="what signs, its own certificate first")
    parser.add_argument("--key", type=Path, metavar="KEY.pem", help="its private key")


def run(args: argparse.Namespace) -> int:
    """Sign, or make a certificate; 0 when all is done, 1 when a file could not be signed."""
    require("provenance")
    if args.make_certificate is not None:
        folder = args.make_certificate if args.make_certificate != Path() else None
        made = make_certificate(args.name, folder)
        print(f"{made}: a certificate for {args.name!r}. {UNTRUSTED}")
        print(f"Who wants to trust it verifies with --trust {made.with_name(ROOT_FILE)}.")
        return 0
    if not args.files and not args.serve:
        raise LiveHandError("No file to sign is given.", "Give the pictures' files.")
    from .signing import Signer

    signer = Signer(load_identity(args.certificate, args.key), avatar_facts(args.avatar))
    if args.serve:
        return _serve(signer)
    failed = 0
    for file in args.files:
        try:
            print(f"signed {signer.sign(file)}", flush=True)
        except LiveHandError as error:
            failed += 1
            print(f"livehand: {error}", file=sys.stderr)
    return 1 if failed else 0


def _serve(signer: object) -> int:
    """For programs: a line of JSON for each file, with ``path`` and ``title``, and a line in answer.

    An answer holds ``signed``, the file with the manifest, or ``error``.
    """
    from .signing import Signer

    assert isinstance(signer, Signer)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        wish = json.loads(line)
        try:
            answer = {"signed": str(signer.sign(Path(wish["path"]), wish["title"]))}
        except LiveHandError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
    return 0
