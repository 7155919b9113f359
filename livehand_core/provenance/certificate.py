"""The certificate that pictures are signed with: the user's own, or one made here that nobody else vouches for."""

from __future__ import annotations

import datetime
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..documents import Reader
from ..errors import LiveHandError
from ..files import atomic_path, unwritable

if TYPE_CHECKING:
    from cryptography import x509

FOLDER_VARIABLE = "LIVEHAND_CERTIFICATE"
CHAIN_FILE, KEY_FILE, ROOT_FILE = "certificate.pem", "key.pem", "root.pem"
YEARS = 5

PEM = Reader("The certificate", LiveHandError, "Give a PEM file.", limit=1 << 20)

UNTRUSTED = (
    "Nobody but you vouches for it: other programs show pictures signed with it as from an unknown source. What it "
    "proves is that a picture was not changed since it was signed with this key."
)


@dataclass(frozen=True)
class Identity:
    """What signs: a chain of certificates, its own first, and the private key, both PEM; and the algorithm's name."""

    chain: bytes
    key: bytes
    algorithm: str


def certificate_folder() -> Path:
    """Where the user's certificate lies: ``$LIVEHAND_CERTIFICATE``, else the system's folder for settings."""
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given)
    home = Path.home()
    if os.name == "nt":
        return Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming") / "LiveHand"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "LiveHand"
    return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "livehand"


def load_identity(chain: Path | None = None, key: Path | None = None) -> Identity:
    """The certificate of two PEM files, by default those of the user's folder.

    Raises:
        LiveHandError: there is none, or the two do not belong together, or cannot sign.
    """
    folder = certificate_folder()
    if (chain is None) != (key is None):
        raise LiveHandError("A certificate and its key belong together.", "Give both --certificate and --key.")
    chain, key = chain or folder / CHAIN_FILE, key or folder / KEY_FILE
    if not chain.is_file() or not key.is_file():
        missing = chain if not chain.is_file() else key
        raise LiveHandError(
            f"There is no certificate to sign with ({missing} is not there).",
            "Give --certificate CHAIN.pem --key KEY.pem, or make a local one with 'livehand sign --make-certificate'.",
        )
    chain_pem, key_pem = PEM.read(chain), PEM.read(key)
    return Identity(chain_pem, key_pem, _algorithm(chain, chain_pem, key, key_pem))


def make_certificate(name: str, folder: Path | None = None) -> Path:
    """Make a root and a certificate of its own for five years; gives the certificate's file.

    The root's key is forgotten, so that nothing else can be signed by it.

    Raises:
        LiveHandError: there is one already, or the folder cannot be written.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = folder or certificate_folder()
    for file in (CHAIN_FILE, KEY_FILE):
        if os.path.lexists(folder / file):
            raise LiveHandError(
                f"{folder / file} is there already.", "Choose another folder, or move it away: its key is lost with it."
            )
    root_key, own_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate(f"{name} (local root)", root_key, None, root_key)
    own = _certificate(name, own_key, root, root_key)
    pem = serialization.Encoding.PEM
    secret = own_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(folder / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(secret)
    except OSError as error:
        raise unwritable(error, folder / KEY_FILE) from error
    for file, content in (
        (ROOT_FILE, root.public_bytes(pem)),
        (CHAIN_FILE, own.public_bytes(pem) + root.public_bytes(pem)),
    ):
        with atomic_path(folder / file) as temporary:
            temporary.write_bytes(content)
    return folder / CHAIN_FILE


def _certificate(name: str, key: Any, issuer: x509.Certificate | None, issuer_key: Any) -> x509.Certificate:
    """A root without an issuer, else one that signs content, with the fields that C2PA asks for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)]
    )
    now, root = datetime.datetime.now(datetime.UTC), issuer is None
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks differ.
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=root, path_length=0 if root else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(digital_signature=not root, key_cert_sign=root, crl_sign=root, **usage), critical=True
        )
    )
    if not root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _algorithm(chain: Path, chain_pem: bytes, key: Path, key_pem: bytes) -> str:
    """C2PA's name of the algorithm that a key signs with. Raises LiveHandError when the files do not fit."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    try:
        certificate = x509.load_pem_x509_certificates(chain_pem)[0]
    except (ValueError, IndexError) as error:
        raise LiveHandError(f"{chain} holds no certificate in PEM form.", "Give the chain, its own first.") from error
    try:
        secret = serialization.load_pem_private_key(key_pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LiveHandError(
            f"{key} holds no private key in PEM form without a password.", "Give the certificate's key."
        ) from error
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if secret.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise LiveHandError(
            f"The key {key} is not that of the certificate {chain}.", "Give the two that belong together."
        )
    if isinstance(secret, ec.EllipticCurvePrivateKey):
        found = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}.get(secret.curve.name)
    else:
        found = {True: "ed25519"}.get(isinstance(secret, ed25519.Ed25519PrivateKey))
        found = "ps256" if isinstance(secret, rsa.RSAPrivateKey) else found
    if found is None:
        raise LiveHandError(f"C2PA knows no signature by the kind of key in {key}.", "Give an EC, RSA or Ed25519 key.")
    return found
