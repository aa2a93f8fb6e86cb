"""The customer's CA as files: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from landfall.errors import InvalidInput
from stacks.settings.authority import LARGEST_LIST, read
from stacks.settings.parts import SiteHosts


def pem(*labels: str) -> str:
    return "".join(f"-----BEGIN {each}-----\nAA==\n-----END {each}-----\n" for each in labels)


def hosts(revocation_list: str | None = None, authority: str = "ca.pem") -> SiteHosts:
    return SiteHosts(
        certificate_authority=authority, revocation_list=revocation_list, hosts=("gpu-1",)
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "ca.pem").write_text(pem("CERTIFICATE", "CERTIFICATE"))
    (root / "crl.pem").write_text(pem("X509 CRL"))
    (tmp_path / "outside.pem").write_text(pem("CERTIFICATE"))
    return root


def test_a_bundle_and_a_list_are_read(checkout: Path) -> None:
    found = read(checkout, hosts("crl.pem"))
    assert found.certificates == pem("CERTIFICATE", "CERTIFICATE")
    assert found.revocation_list == pem("X509 CRL")
    assert read(checkout, hosts()).revocation_list is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"", "must hold CERTIFICATE in PEM and nothing else, not nothing"),
        (b"\xff\x30\x82", "is no PEM text"),
        (pem("CERTIFICATE", "EC PRIVATE KEY").encode(), "holds a private key"),
        (pem("X509 CRL").encode(), "not X509 CRL"),
    ],
)
def test_what_is_no_authority_is_refused(
    checkout: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (checkout / "new.pem").write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        read(checkout, hosts(authority="new.pem"))
    (problem,) = caught.value.problems
    assert problem.path == "landfall:identity.siteHosts.certificateAuthority"
    assert message in problem.message


def test_all_problems_come_together(checkout: Path) -> None:
    (checkout / "crl.pem").write_text(pem("X509 CRL") + "#" * LARGEST_LIST)
    with pytest.raises(InvalidInput) as caught:
        read(checkout, hosts("crl.pem", authority="../outside.pem"))
    first, second = caught.value.problems
    assert "is not below the checkout" in first.message
    assert "at most 40000 can be imported" in second.message
