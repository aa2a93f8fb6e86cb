"""A certificate authority of a test's own, and a token: SoftHSM, a real one in software."""

from __future__ import annotations

import datetime as dt
import importlib
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
DAY = dt.timedelta(days=1)
CODE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
WEB = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
PEM = serialization.Encoding.PEM


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def usage(*, signs: bool, issues: bool) -> x509.KeyUsage:
    return x509.KeyUsage(signs, False, False, False, False, issues, issues, False, False)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A root, or what stands below one."""

    title: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def issue(
        self, title: str, public: Any, *, days: tuple[int, int] = (-1, 30), use: Any = CODE,
        issues: bool = False,
    ) -> x509.Certificate:  # fmt: skip
        made = (
            x509.CertificateBuilder()
            .subject_name(name(title))
            .issuer_name(name(self.title))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + days[0] * DAY)
            .not_valid_after(NOW + days[1] * DAY)
            .add_extension(x509.BasicConstraints(ca=issues, path_length=None), critical=True)
            .add_extension(usage(signs=not issues, issues=issues), critical=True)
        )
        made = made if issues else made.add_extension(use, critical=False)
        return made.sign(self.key, hashes.SHA256())

    def revocations(self, *revoked: x509.Certificate, days: tuple[int, int] = (-1, 7)) -> bytes:
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(name(self.title))
            .last_update(NOW + days[0] * DAY)
            .next_update(NOW + days[1] * DAY)
        )
        for each in revoked:
            made = made.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(each.serial_number)
                .revocation_date(NOW - DAY)
                .build()
            )
        return made.sign(self.key, hashes.SHA256()).public_bytes(PEM)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)


def root(title: str = "Root of a test") -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    template = Authority(title=title, key=key, certificate=None)  # type: ignore[arg-type]
    made = template.issue(title, key.public_key(), days=(-40, 400), issues=True)
    return Authority(title=title, key=key, certificate=made)


def below(above: Authority, title: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    made = above.issue(title, key.public_key(), days=(-30, 300), issues=True)
    return Authority(title=title, key=key, certificate=made)


def token(module: str, *, pin: str) -> Any:
    """A new token with the key `release`, where SOFTHSM2_CONF says; its public key."""
    P11 = importlib.import_module("PyKCS11")  # noqa: N806  not everywhere, and without types
    library = P11.PyKCS11Lib()
    library.load(module)
    library.initToken(library.getSlotList()[0], "officer", "landfall".ljust(32))
    [slot] = [
        each
        for each in library.getSlotList(tokenPresent=True)
        if library.getTokenInfo(each).label.strip() == "landfall"
    ]
    session = library.openSession(slot, P11.CKF_SERIAL_SESSION | P11.CKF_RW_SESSION)
    session.login("officer", P11.CKU_SO)
    session.initPin(pin)
    session.logout()
    session.login(pin)
    common = [
        (P11.CKA_KEY_TYPE, P11.CKK_EC), (P11.CKA_TOKEN, True), (P11.CKA_LABEL, "release"),
    ]  # fmt: skip
    p256 = bytes.fromhex("06082a8648ce3d030107")
    public, _ = session.generateKeyPair(
        [(P11.CKA_CLASS, P11.CKO_PUBLIC_KEY), (P11.CKA_EC_PARAMS, p256), *common],
        [
            (P11.CKA_CLASS, P11.CKO_PRIVATE_KEY), (P11.CKA_SENSITIVE, True),
            (P11.CKA_EXTRACTABLE, False), (P11.CKA_PRIVATE, True), (P11.CKA_SIGN, True), *common,
        ],
        mecha=P11.Mechanism(P11.CKM_EC_KEY_PAIR_GEN, None),
    )  # fmt: skip
    point = bytes(session.getAttributeValue(public, [P11.CKA_EC_POINT])[0])
    session.logout()
    session.closeSession()
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point[2:])
