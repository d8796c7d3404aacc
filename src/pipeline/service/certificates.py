"""Certificates by which the processes of a run know one another: who does not have the key is not listened to."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.service import wire

if TYPE_CHECKING:
    from distributed import Security

_VALID = datetime.timedelta(days=365)
_SKEW = datetime.timedelta(days=1)  # of the clocks of two machines


def make(folder: Path) -> None:
    """Write a new key and its certificate, which is its own authority, into a folder, for this user only.

    Parameters
    ----------
    folder : Path
        A folder that only this user can read. The files are `wire.CERTIFICATE` and `wire.KEY`.

    Raises
    ------
    OSError
        When a file cannot be written, or is there.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pipeline")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(folder / wire.KEY, key.private_bytes(pem, *plain))
    _write(folder / wire.CERTIFICATE, certificate.public_bytes(pem))


def security(ca: Path, certificate: Path, key: Path) -> Security:
    """Return what makes Dask encrypt, and speak only with who has a certificate of an authority.

    Parameters
    ----------
    ca, certificate, key : Path
        Files of PEM: the certificate of the authority, and the certificate and the key of this side.
    """
    from distributed import Security

    own = {"cert": str(certificate), "key": str(key)}
    roles = ("client", "scheduler", "worker")
    return Security(
        require_encryption=True,
        tls_ca_file=str(ca),
        **{f"tls_{role}_{name}": path for role in roles for name, path in own.items()},
    )


def of_run(folder: Path) -> Security:
    """Return the security of the processes of a run, from the files of `make`."""
    certificate = folder / wire.CERTIFICATE
    return security(certificate, certificate, folder / wire.KEY)


def _write(path: Path, content: bytes) -> None:
    """Write a new file that only this user can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
