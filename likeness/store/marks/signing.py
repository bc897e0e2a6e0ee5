"""The key and the certificates that manifests are signed with."""

import datetime as dt
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from likeness.store.atomic import making_folder
from likeness.store.errors import LikenessError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

VARIABLE = "LIKENESS_SIGNING"
KEY_FILE, CHAIN_FILE = "key.pem", "chain.pem"
ORGANISATION = "Likeness, a certificate of this machine"
_YEARS = 10


class SigningError(LikenessError):
    """A key or certificate that can't be read or used."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who signs.

    Attributes:
        key: PEM of the private key, P-256.
        chain: PEM of the certificate of that key, then of those above it.

    """

    key: bytes
    chain: bytes

    @property
    def serial(self) -> str:
        """Serial number of the certificate, in decimal."""
        from cryptography import x509

        return str(x509.load_pem_x509_certificates(self.chain)[0].serial_number)


def signing_folder() -> Path:
    """Return the folder of key and certificates: LIKENESS_SIGNING, or in the user's settings."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser()
    return _settings_folder() / "likeness" / "signing"


def identity(*, make: bool = True) -> Identity | None:
    """Return who signs on this machine.

    Where there is no key yet, one is made together with a certificate by an authority whose own key
    is thrown away; a folder that LIKENESS_SIGNING names must hold them.

    Args:
        make: make them where they are missing; otherwise return None.

    Raises:
        SigningError: the files are missing where LIKENESS_SIGNING says, damaged, or don't belong
            together.

    """
    folder = signing_folder()
    paths = [folder / name for name in (KEY_FILE, CHAIN_FILE)]
    if all(path.is_file() for path in paths):
        found = Identity(key=paths[0].read_bytes(), chain=paths[1].read_bytes())
        _check(found, folder)
        return found
    if os.environ.get(VARIABLE):
        raise SigningError(
            f"{VARIABLE} is {folder}, which must hold {KEY_FILE} (P-256) and {CHAIN_FILE}; "
            "put them there, or unset it to sign with a certificate of this machine"
        )
    if not make:
        return None
    _make(folder)
    return identity()


def _make(folder: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key, chain = _drawn()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with making_folder(folder) as made:
            made.chmod(0o700)
            (made / KEY_FILE).touch(mode=0o600)
            (made / KEY_FILE).write_bytes(pem)
            (made / CHAIN_FILE).write_bytes(
                b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)
            )
    except LikenessError:
        # Another process may have made it in the meantime; theirs serves as well.
        if not (folder / CHAIN_FILE).is_file():
            raise


def _drawn() -> "tuple[ec.EllipticCurvePrivateKey, list[x509.Certificate]]":
    """Draw a key and its certificate, made by an authority that signs nothing else."""
    from cryptography.hazmat.primitives.asymmetric import ec

    key, above = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("Authority", above, above, authority=True)
    return key, [_certificate("Signer", key, above, authority=False), authority]


def _certificate(
    name: str,
    key: "ec.EllipticCurvePrivateKey",
    signer: "ec.EllipticCurvePrivateKey",
    *,
    authority: bool,
) -> "x509.Certificate":
    """Make a certificate as C2PA's certificate profile wants it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    now = dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("Authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365 * _YEARS))
        .add_extension(
            x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True
        )
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not authority:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _name(common: str) -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Likeness {common}"),
        ]
    )


def _check(found: Identity, folder: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(found.key, password=None)
        certificate = x509.load_pem_x509_certificates(found.chain)[0]
    except (ValueError, TypeError) as error:
        raise SigningError(f"{folder}: key or certificates can't be read ({error})") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SigningError(f"{folder / KEY_FILE}: manifests are signed with a P-256 key (ES256)")
    if key.public_key() != certificate.public_key():
        raise SigningError(
            f"{folder}: the first certificate of {CHAIN_FILE} is not that of {KEY_FILE}; "
            "put the signer's certificate first"
        )


def _settings_folder() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
