"""The link speaks IKEv2 with modern ciphers, in both tunnels."""

from collections.abc import Iterator
from typing import Any

from stacks.policy.rule import Finding, Resource, Rule, Severity, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN

MODERN: dict[str, frozenset[object]] = {
    "IkeVersions": frozenset({"ikev2"}),
    "Phase1EncryptionAlgorithms": frozenset({"AES128-GCM-16", "AES256-GCM-16", "AES256"}),
    "Phase2EncryptionAlgorithms": frozenset({"AES128-GCM-16", "AES256-GCM-16", "AES256"}),
    "Phase1IntegrityAlgorithms": frozenset({"SHA2-256", "SHA2-384", "SHA2-512"}),
    "Phase2IntegrityAlgorithms": frozenset({"SHA2-256", "SHA2-384", "SHA2-512"}),
    "Phase1DhGroupNumbers": frozenset({14, 15, 16, 17, 18, 19, 20, 21}),
    "Phase2DhGroupNumbers": frozenset({14, 15, 16, 17, 18, 19, 20, 21}),
}
"""No SHA-1, no AES-128-CBC, no group below 14 or of the 1024- and 2048-bit subgroups 22 to 24
(RFC 8247)."""


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """Every list is written, since AWS would offer all; and each value in it is modern."""
    for tunnel in ("tunnel1", "tunnel2"):
        for name, modern in MODERN.items():
            yield from _offers(f"{tunnel}{name}", resource.props.get(f"{tunnel}{name}"), modern)


def _offers(path: str, value: Any, modern: frozenset[object]) -> Iterator[Finding]:
    allowed = ", ".join(sorted(map(str, modern)))
    if value is UNKNOWN:
        yield undecided(path)
    elif not value:
        yield Finding(path=path, message=f"is left out, so old ones are offered; give {allowed}")
    elif old := [
        f"{each:g}" if isinstance(each, float) else str(each)
        for each in value
        if each not in modern
    ]:
        yield Finding(path=path, message=f"offers {', '.join(old)}; allowed are {allowed}")


RULE = Rule(
    name="vpn-ciphers",
    description="VPN tunnels use IKEv2 only, with modern ciphers that are written down.",
    severity=Severity.HIGH,
    supports=("SC-8(1)", "SC-13", "SC-12", "164.312(e)(1)", "GDPR 32", "DORA 9"),
    remedy="Write every list of both tunnels; the site's description has them.",
    types=frozenset({"aws:ec2/vpnConnection:VpnConnection"}),
    check=check,
)
