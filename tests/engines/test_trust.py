"""Certificates and tokens: what a root of ours stands behind passes, and all else is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engines import sign, trust
from engines.sign import KeyFile, Token
from landfall.errors import IntegrityError, InvalidInput
from tests.engines import authority
from tests.engines.authority import PEM, Authority

pytestmark = pytest.mark.slow

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "2468"


@dataclass(frozen=True, kw_only=True)
class Case:
    """An engine, and whom its host believes."""

    folder: Path
    root: Authority

    @property
    def engine(self) -> Path:
        return self.folder / "engine"

    @property
    def signature(self) -> Path:
        return self.folder / "engine.sig"

    @property
    def trust(self) -> Path:
        return self.folder / "trust.pem"

    def signed(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        """Sign with a key file, and let the host believe the root."""
        private = self.folder / "key.pem"
        private.write_bytes(
            key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        (self.folder / "leaf.pem").write_bytes(certificate.public_bytes(PEM))
        signer = KeyFile(private_key=private, certificate=self.folder / "leaf.pem")
        sign.sign(self.engine, self.signature, signer)
        self.trust.write_bytes(self.root.pem + self.root.revocations())

    def verify(self) -> str:
        return sign.verify(self.engine, self.signature, self.trust)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    found = Case(folder=tmp_path, root=authority.root())
    found.engine.mkdir()
    (found.engine / "model.onnx").write_text("weights")
    return found


KEY = ec.generate_private_key(ec.SECP256R1())


def test_a_certificate_of_our_root_passes(case: Case) -> None:
    case.signed(case.root.issue("Release", KEY.public_key()), KEY)
    assert case.verify() == "Release"
    (case.engine / "model.onnx").write_text("other weights")
    with pytest.raises(IntegrityError, match="Hash mismatch"):
        case.verify()


def test_a_certificate_that_will_have_ended(case: Case) -> None:
    case.signed(case.root.issue("Release", KEY.public_key(), days=(-1, 3)), KEY)
    verified = partial(sign.verify, case.engine, case.signature, case.trust)
    assert verified(now=authority.NOW + 2 * authority.DAY) == "Release"
    with pytest.raises(IntegrityError, match="certificate has expired"):
        verified(now=authority.NOW + 4 * authority.DAY)


def expired(case: Case) -> None:
    case.signed(case.root.issue("Release", KEY.public_key(), days=(-20, -1)), KEY)


def not_yet_valid(case: Case) -> None:
    case.signed(case.root.issue("Release", KEY.public_key(), days=(2, 9)), KEY)


def of_another_root(case: Case) -> None:
    case.signed(authority.root("Another").issue("Release", KEY.public_key()), KEY)


def of_another_root_of_the_same_name(case: Case) -> None:
    case.signed(authority.root().issue("Release", KEY.public_key()), KEY)


def revoked(case: Case) -> None:
    leaf = case.root.issue("Release", KEY.public_key())
    case.signed(leaf, KEY)
    case.trust.write_bytes(case.root.pem + case.root.revocations(leaf))


def an_old_list(case: Case) -> None:
    case.signed(case.root.issue("Release", KEY.public_key()), KEY)
    case.trust.write_bytes(case.root.pem + case.root.revocations(days=(-9, -1)))


def no_list(case: Case) -> None:
    case.signed(case.root.issue("Release", KEY.public_key()), KEY)
    case.trust.write_bytes(case.root.pem)


def a_list_of_another(case: Case) -> None:
    case.signed(case.root.issue("Release", KEY.public_key()), KEY)
    case.trust.write_bytes(case.root.pem + authority.root("Another").revocations())


def for_a_web_server(case: Case) -> None:
    leaf = case.root.issue("Web", KEY.public_key(), use=authority.WEB)
    case.signed(leaf, KEY)


def by_a_key_alone(case: Case) -> None:
    case.signed(case.root.issue("Release", KEY.public_key()), KEY)
    sign.sign(case.engine, case.signature, case.folder / "key.pem")


REFUSED: dict[Callable[[Case], None], str] = {
    expired: "certificate has expired",
    not_yet_valid: "not yet valid",
    of_another_root: "unable to get local issuer certificate",
    of_another_root_of_the_same_name: "signature failure|unable to get|issuer",
    revoked: "certificate revoked",
    an_old_list: "CRL has expired",
    no_list: "no revocation list",
    a_list_of_another: "unable to get certificate CRL",
    for_a_web_server: "not for signing code",
    by_a_key_alone: "signed with a key alone",
}


@pytest.mark.parametrize("how", REFUSED, ids=lambda how: how.__name__)
def test_what_is_refused(case: Case, how: Callable[[Case], None]) -> None:
    how(case)
    with pytest.raises(IntegrityError, match=REFUSED[how]) as seen:
        case.verify()
    assert "not loaded" in seen.value.hint


def test_a_chain_with_one_between(case: Case) -> None:
    between = authority.below(case.root, "Between")
    case.signed(between.issue("Release", KEY.public_key()), KEY)
    chain = case.folder / "chain.pem"
    chain.write_bytes(between.pem)
    signer = KeyFile(
        private_key=case.folder / "key.pem", certificate=case.folder / "leaf.pem", chain=(chain,)
    )
    sign.sign(case.engine, case.signature, signer)
    case.trust.write_bytes(case.root.pem + case.root.revocations() + between.revocations())
    assert case.verify() == "Release"
    case.trust.write_bytes(
        case.root.pem + case.root.revocations(between.certificate) + between.revocations()
    )
    with pytest.raises(IntegrityError, match="revoked"):
        case.verify()


def test_a_host_that_believes_a_key_takes_no_certificate(case: Case) -> None:
    case.signed(case.root.issue("Release", KEY.public_key()), KEY)
    _, public = sign.generate_keys(case.folder / "keys")
    with pytest.raises(IntegrityError):
        sign.verify(case.engine, case.signature, public)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nx", None])
def test_a_file_of_trust_that_is_none(case: Case, content: bytes | None) -> None:
    _, public = sign.generate_keys(case.folder)
    both = public.read_bytes() + case.root.pem
    case.trust.write_bytes(both if content is None else content)
    with pytest.raises(IntegrityError, match="whom to believe"):
        trust.read(case.trust)


@pytest.fixture(scope="module")
def in_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The public key of a token of this module's own."""
    if not Path(MODULE).exists():
        pytest.skip("no SoftHSM (apt-get install softhsm2)")
    pytest.importorskip("PyKCS11", reason="no pykcs11 (the extra token)")
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}\n")
    with pytest.MonkeyPatch.context() as patch:  # the library reads it once, when it is loaded
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        yield authority.token(MODULE, pin=PIN)


@pytest.fixture
def token(case: Case, in_token: Any) -> Path:
    """The file of the token's public key; beside it its certificate, which the host believes."""
    path = case.folder / "token.pub"
    path.write_bytes(in_token.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    leaf = case.root.issue("Release", in_token)
    (case.folder / "leaf.pem").write_bytes(leaf.public_bytes(PEM))
    case.trust.write_bytes(case.root.pem + case.root.revocations())
    return path


URI = "pkcs11:token=landfall;object=release"


def test_a_token_signs(case: Case, token: Path) -> None:
    signer = Token(uri=URI, module=Path(MODULE), pin=PIN.encode())
    assert PIN not in repr(signer)
    sign.sign(case.engine, case.signature, signer)
    assert sign.verify(case.engine, case.signature, token).startswith("key ")
    _, other = sign.generate_keys(case.folder / "keys")
    with pytest.raises(IntegrityError, match="Key mismatch"):
        sign.verify(case.engine, case.signature, other)


def test_a_token_signs_with_a_certificate(case: Case, token: Path) -> None:
    signer = Token(
        uri=URI, module=Path(MODULE), pin=PIN.encode(), certificate=case.folder / "leaf.pem"
    )
    sign.sign(case.engine, case.signature, signer)
    assert case.verify() == "Release"


@pytest.mark.parametrize(
    ("uri", "pin", "reason"),
    [
        (URI, b"0000", "CKR_PIN_INCORRECT"),
        ("pkcs11:token=none;object=release", PIN.encode(), "Could not find a token"),
        ("pkcs11:token=landfall;object=none", PIN.encode(), "Could not find any object"),
        (f"{URI}?pin-value={PIN}", PIN.encode(), "must not name a PIN"),
    ],
)
def test_a_token_that_refuses(case: Case, token: Path, uri: str, pin: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        sign.sign(case.engine, case.signature, Token(uri=uri, module=Path(MODULE), pin=pin))
    assert not case.signature.exists()
