"""What a decommissioned host leaves on paper: a confirmation before, and a certificate after."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

DIGITS = 12
"""Of the digest in a confirmation: enough that no other set of disks has it by accident."""


def decommission_confirmation(host: str, disks: Iterable[Mapping[str, Any]]) -> str:
    """What must be given to decommission exactly this host with exactly these disks."""
    serials = "\n".join(sorted(str(each["serial"]) for each in disks))
    return f"{host}:{hashlib.sha256(serials.encode()).hexdigest()[:DIGITS]}"


def certificate(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with a digest over it, which shows any later change."""
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return {**body, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def certificate_page(found: Mapping[str, Any]) -> str:
    """The certificate as a page to read."""
    erased = found["storage"].get("disks") or []
    known = {each["serial"] for each in erased}
    rows = [
        f"| {each['serial']} | {each.get('method') or each.get('how') or 'erased'} | "
        f"{'yes' if each.get('verified') else 'no'} |"
        for each in erased
    ]
    rows += [f"| {serial} | not erased | no |" for serial in found["disks"] if serial not in known]
    lines = [
        f"# Host {found['host']} was decommissioned",
        "",
        f"Environment {found['environment']}, finished {found['time']} (UTC), "
        f"by {found['by'] or 'somebody unnamed'}.",
        "",
        "| disk | how it was erased | verified |",
        "|---|---|---|",
        *(rows or ["| none is declared | | |"]),
        "",
        "Removed from the host:",
        "",
        *(f"- `{each}`" for each in found["removed"]),
        "",
        "Removed from the controller:",
        "",
        *(f"- `{each}`" for each in found["escrow"] or ["nothing was in escrow"]),
        "",
        "Left, and for you to judge:",
        "",
        *(f"- {each}" for each in found["left"]),
        "",
        f"SHA-256 of the certificate: `{found['sha256']}`",
    ]
    return "\n".join(lines) + "\n"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {
            "certificate": certificate,
            "certificate_page": certificate_page,
            "decommission_confirmation": decommission_confirmation,
        }
