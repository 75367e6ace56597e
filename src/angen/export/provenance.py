"""A signed statement of origin inside the file: C2PA, where the extra `angen[provenance]` is installed.

It says that the sound was created by a trained algorithm, and binds this to the file's bytes. Who may be
believed is a matter of the certificate: one from an authority on the C2PA trust list is trusted by
verifiers; the one we can make ourselves is not. It shows that a file is unchanged since the export, and
nothing of who made it.

WAV, FLAC, MP3 and M4A can carry it; Ogg cannot.

Source: C2PA Technical Specification 2.1: 9 (assertions), 13 and 14 (signatures, trust).
"""

from __future__ import annotations

import datetime
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from angen import __version__
from angen.errors import ExportError
from angen.export.formats import Format
from angen.export.piece import Signer
from angen.export.tags import TRAINED_MEDIA, Tags
from angen.export.writing import export_errors
from angen.files import atomic_path

MIME_TYPES = {".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".m4a": "audio/mp4"}
LOCAL_NAME = "Angen local signing (untrusted)"
UNTRUSTED = "signed with a local certificate that no authority vouches for: verifiers call it untrusted"
VALID_DAYS = 825
MISSING = "Install it with `pip install 'angen[provenance]'`, or export without signing."


@dataclass(frozen=True)
class SigningIdentity:
    """A private key and its certificates.

    Attributes:
        certificates_pem: The signing certificate, then those above it.
        key_pem: The private key, PKCS #8.
        algorithm: "es256", "ps256" or "ed25519", by the kind of key.
        is_local: Whether we made it ourselves.
    """

    certificates_pem: bytes
    key_pem: bytes
    algorithm: str
    is_local: bool


def read_identity(certificates: str | Path, key: str | Path) -> SigningIdentity:
    """Read a certificate chain and its private key, both PEM.

    Raises:
        ExportError: If they cannot be read, the key is encrypted or does not belong to the certificate, or the
            extra is not installed.
    """
    _c2pa()
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        chain, key_pem = Path(certificates).read_bytes(), Path(key).read_bytes()
        private: Any = serialization.load_pem_private_key(key_pem, password=None)
        leaf = x509.load_pem_x509_certificate(chain)
    except (OSError, ValueError, TypeError) as error:
        raise ExportError(
            f"The signing certificate or its key cannot be read: {error}.",
            remedy="Give PEM files, the key without a password.",
        ) from error
    forms = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if leaf.public_key().public_bytes(*forms) != private.public_key().public_bytes(*forms):
        raise ExportError(
            "The signing key is not that of the certificate.", remedy="Give the pair that belongs together."
        )
    plain = private.private_bytes(
        forms[0].PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return SigningIdentity(chain, plain, _algorithm(private), is_local=False)


def local_identity(folder: Path) -> SigningIdentity:
    """Our own untrusted identity, kept in `folder`; made there if it is missing or expired.

    Raises:
        ExportError: If the folder cannot be used, or the extra is not installed.
    """
    certificates, key = folder / "certificates.pem", folder / "key.pem"
    if not (certificates.is_file() and key.is_file() and _is_current(certificates)):
        chain, key_pem = _made_identity()
        with export_errors(folder):
            with atomic_path(key) as temporary:
                temporary.touch(mode=0o600)
                temporary.write_bytes(key_pem)
            with atomic_path(certificates) as temporary:
                temporary.write_bytes(chain)
    identity = read_identity(certificates, key)
    return SigningIdentity(identity.certificates_pem, identity.key_pem, identity.algorithm, is_local=True)


def c2pa_signer(identity: SigningIdentity) -> Signer:
    """A function that signs finished files, as `export_audio` takes it.

    It leaves Ogg files as they are and says so.

    Raises:
        ExportError: If the extra is not installed; and when signing, if the music has no AI mark (there is
            nothing else we could state), or the certificate is refused.
    """
    c2pa = _c2pa()

    def sign(data: bytes, kind: Format, tags: Tags) -> tuple[bytes, str]:
        mime = MIME_TYPES.get(kind.suffix)
        if mime is None:
            return data, f"not signed: C2PA has no form for {kind.suffix} files"
        info = c2pa.C2paSignerInfo(
            identity.algorithm.encode(), identity.certificates_pem, identity.key_pem, None
        )
        target = io.BytesIO()
        try:
            with c2pa.Signer.from_info(info) as signer, c2pa.Builder(manifest(kind, tags)) as builder:
                builder.sign(signer, mime, io.BytesIO(data), target)
        except c2pa.C2paError as error:
            raise ExportError(
                f"C2PA did not sign the {kind.name} file: {error}.",
                remedy="Check the certificate: it needs the usage of e-mail protection and may not be self-signed.",
            ) from error
        return target.getvalue(), UNTRUSTED if identity.is_local else "signed with the given certificate"

    return sign


def manifest(kind: Format, tags: Tags) -> str:
    """What is stated, as the JSON of a C2PA manifest definition."""
    if tags.ai is None:
        raise ExportError(
            "What is signed is that a machine made the music, and this has no such mark.",
            remedy="Leave out --no-ai-mark, or --sign.",
        )
    generator = {"name": "Angen", "version": __version__}
    agent = generator | ({"name": f"Angen, model {tags.ai.model}"} if tags.ai.model else {})
    source_type = tags.ai.source_type or TRAINED_MEDIA
    action = {"action": "c2pa.created", "digitalSourceType": source_type, "softwareAgent": agent}
    return json.dumps(
        {
            "claim_generator_info": [generator],
            "title": tags.title or "untitled",
            "format": MIME_TYPES[kind.suffix],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
        }
    )


def read_provenance(path: str | Path) -> dict[str, Any] | None:
    """The C2PA statement in a file as the library reports it: manifests and how valid they are; None if none.

    Raises:
        ExportError: If the extra is not installed, or the file cannot be read.
    """
    c2pa, path = _c2pa(), Path(path)
    mime = MIME_TYPES.get(path.suffix.lower())
    if mime is None:
        return None
    try:
        with path.open("rb") as file, c2pa.Reader(mime, file) as reader:
            found: dict[str, Any] = json.loads(reader.json())
            return found
    except OSError as error:
        raise ExportError(f"{str(path)!r} cannot be read: {error}.", remedy="Check its name.") from error
    except c2pa.C2paError as error:
        if "ManifestNotFound" in str(error):
            return None
        raise ExportError(
            f"The C2PA statement of {str(path)!r} is damaged: {error}.", remedy="Export it again."
        ) from error


def _c2pa() -> Any:
    try:
        import c2pa
        import cryptography  # noqa: F401  # both make the extra
    except ImportError as error:
        raise ExportError(
            "Signing needs c2pa-python and cryptography, which are not installed.", remedy=MISSING
        ) from error
    return c2pa


def _algorithm(private: Any) -> str:
    name = type(private).__name__.lower()
    if "ed25519" in name:
        return "ed25519"
    if "rsa" in name:
        return "ps256"
    size = getattr(private, "key_size", 256)
    return {256: "es256", 384: "es384", 521: "es512"}.get(size, "es256")


def _is_current(certificates: Path) -> bool:
    _c2pa()
    from cryptography import x509

    try:
        until = x509.load_pem_x509_certificate(certificates.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return False
    return bool(until > datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1))


def _made_identity() -> tuple[bytes, bytes]:
    """A new authority of our own, a signing certificate below it, and its key; PEM."""
    _c2pa()
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.UTC)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("authority", "signer")}

    def certificate(role: str) -> x509.Certificate:
        is_authority = role == "authority"
        authority = keys["authority"].public_key()
        names = {
            who: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{LOCAL_NAME}, {who}"),
                            x509.NameAttribute(NameOID.ORGANIZATION_NAME, LOCAL_NAME)])
            for who in keys
        }  # fmt: skip
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
             "decipher_only"), False,
        )  # fmt: skip
        usage |= {
            "digital_signature": not is_authority,
            "key_cert_sign": is_authority,
            "crl_sign": is_authority,
        }
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[role])
            .issuer_name(names["authority"])
            .public_key(keys[role].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[role].public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False)
        )
        if not is_authority:
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purpose, critical=False)
        return builder.sign(keys["authority"], hashes.SHA256())

    pem = serialization.Encoding.PEM
    chain = b"".join(certificate(role).public_bytes(pem) for role in ("signer", "authority"))
    key = keys["signer"].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return chain, key
