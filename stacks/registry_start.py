"""The first program in the registry's container: it prepares a folder and becomes MLflow.

The container's root is read-only and MLflow wants two things as files: how it authenticates, and a
certificate for the way from the load balancer, so that passwords travel encrypted to the end. Load
balancers look at no certificate of theirs, so each task makes its own. The text of this module
stands in the task definition; it needs Python and what MLflow itself depends on, nothing of ours.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFETIME = timedelta(days=365)
PRIVATE = 0o600


def main() -> None:
    """Write the files, then run what the arguments say in place of this process."""
    folder = Path(os.environ["LANDFALL_FOLDER"])
    write(folder / "basic_auth.ini", os.environ["LANDFALL_BASIC_AUTH"].encode())
    key, certificate = self_signed(os.environ["LANDFALL_NAME"])
    write(folder / "key.pem", key)
    write(folder / "certificate.pem", certificate)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - there is no shell, and none is wanted


def write(path: Path, content: bytes) -> None:
    """A file that only its owner reads, from the first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(content)


def self_signed(name: str) -> tuple[bytes, bytes]:
    """A key and a certificate for `name`, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        certificate.public_bytes(serialization.Encoding.PEM),
    )


if __name__ == "__main__":
    main()
