"""The customer's CA, as files below the checkout: certificates, a revocation list, never a key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from landfall.errors import InvalidInput, Problem
from stacks.settings.parts import SiteHosts

CERTIFICATE, REVOCATIONS = "CERTIFICATE", "X509 CRL"
"""How the two kinds of files are marked (RFC 7468)."""

LARGEST_LIST = 40_000
"""Bytes of a revocation list that a CloudFormation template still has room for (51,200 in all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """What the files say, as PEM. None where there is no such file."""

    certificates: str | None
    revocation_list: str | None


def read(root: Path, hosts: SiteHosts) -> Authority:
    """The files that `hosts` names, below `root`.

    Raises:
        InvalidInput: with everything that is wrong with them.
    """
    found = list(problems(root, hosts))
    if found:
        raise InvalidInput("identity.siteHosts", found)
    return Authority(
        certificates=_text(root, hosts.certificate_authority),
        revocation_list=_text(root, hosts.revocation_list),
    )


def problems(root: Path, hosts: SiteHosts) -> Iterator[Problem]:
    """What is wrong with the files that `hosts` names, each with the key that names it."""
    files = {
        "certificateAuthority": (hosts.certificate_authority, CERTIFICATE),
        "revocationList": (hosts.revocation_list, REVOCATIONS),
    }
    for key, (name, kind) in files.items():
        if name is not None and (message := _wrong(root, name, kind)):
            yield Problem(path=f"landfall:identity.siteHosts.{key}", message=f"{name} {message}")


def _wrong(root: Path, name: str, kind: str) -> str | None:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        return "is not below the checkout"
    try:
        text = path.read_text(encoding="ascii")
    except OSError:
        return "cannot be read; there is no such file"
    except UnicodeDecodeError:
        return f"is no PEM text; convert it, so that it begins with -----BEGIN {kind}-----"
    return _wrong_text(text, kind)


def _wrong_text(text: str, kind: str) -> str | None:
    labels = re.findall(r"-----BEGIN ([A-Z0-9 ]+)-----", text)
    if any("PRIVATE KEY" in label for label in labels):
        return "holds a private key; take it out, and take the key for known to others"
    if not labels or set(labels) != {kind}:
        return f"must hold {kind} in PEM and nothing else, not {', '.join(labels) or 'nothing'}"
    if kind == REVOCATIONS and len(text) > LARGEST_LIST:
        return f"has {len(text)} bytes; at most {LARGEST_LIST} can be imported"
    return None


def _text(root: Path, name: str | None) -> str | None:
    return None if name is None else (root / name).read_text(encoding="ascii")
