"""Whom a host believes: one PEM file with a public key, or with roots and their revocation lists.

The tool that checks signatures looks at a chain as of the day on which its certificate began, and
at no revocation list. So the chain is checked here first, as of now: an engine whose certificate
has ended or was revoked is refused. Signing again needs no new build.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from landfall.errors import IntegrityError

if TYPE_CHECKING:
    from cryptography import x509

KEY, ROOT = b"-----BEGIN PUBLIC KEY-----", b"-----BEGIN CERTIFICATE-----"
LIST = b"-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a file of trust holds: a key, or roots with their revocation lists."""

    path: Path
    roots: tuple[x509.Certificate, ...] = ()
    lists: tuple[x509.CertificateRevocationList, ...] = ()


def read(path: Path) -> Trust:
    """The trust in a PEM file.

    Raises:
        IntegrityError: it is neither, it is both, or roots come without a revocation list.
    """
    from cryptography import x509

    content = path.read_bytes()
    if (KEY in content) == (ROOT in content):
        raise _unusable(path, "it must hold one public key, or certificates of roots")
    if KEY in content:
        return Trust(path=path)
    try:
        roots = x509.load_pem_x509_certificates(content)
        lists = [x509.load_pem_x509_crl(LIST + each) for each in content.split(LIST)[1:]]
    except ValueError as error:
        raise _unusable(path, str(error)) from error
    if not lists:
        raise _unusable(path, "its roots have no revocation list; an empty one is enough")
    return Trust(path=path, roots=tuple(roots), lists=tuple(lists))


def check(trust: Trust, chain: Sequence[x509.Certificate], *, now: dt.datetime) -> str:
    """Check a chain, the signer's certificate first; the name of the signer.

    Raises:
        IntegrityError: no root of ours stands behind it, it has ended or not begun, it or one above
            it was revoked, a revocation list is missing or too old, or it is not for signing code.
    """
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID
    from OpenSSL import crypto

    leaf, name = chain[0], name_of(chain[0])
    found = crypto.X509Store()
    for root in trust.roots:
        found.add_cert(crypto.X509.from_cryptography(root))
    for each in trust.lists:
        found.add_crl(each)
    found.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)
    found.set_time(now)
    above = [crypto.X509.from_cryptography(each) for each in chain[1:]]
    signer = crypto.X509.from_cryptography(leaf)
    try:
        crypto.X509StoreContext(found, signer, above).verify_certificate()
    except crypto.X509StoreContextError as error:
        raise IntegrityError(f"the certificate of {name} is not accepted: {error}") from error
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        uses = x509.ExtendedKeyUsage([])
    if ExtendedKeyUsageOID.CODE_SIGNING not in uses:
        raise IntegrityError(f"the certificate of {name} is not for signing code")
    return name


def name_of(certificate: x509.Certificate) -> str:
    """The common name of a certificate's subject, else the whole subject."""
    from cryptography.x509.oid import NameOID

    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else certificate.subject.rfc4514_string()


def _unusable(path: Path, why: str) -> IntegrityError:
    return IntegrityError(f"{path} says nothing about whom to believe: {why}")
