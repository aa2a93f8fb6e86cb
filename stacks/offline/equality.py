"""When two values of a property mean the same to AWS although they are written differently.

The table names the properties that the provider compares in a way of its own (`diff_suppressed`).
Those whose rule can be followed without an account have an entry here. The others are compared as
they are, which can show a change that AWS would not see, and never the reverse.
"""

from __future__ import annotations

import ipaddress
import json
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

Equality = Callable[[Any, Any], bool]

SETS = Path(__file__).parent / "data" / "sets.toml"

TRUE_TEXTS = frozenset({True, "true", "1"})
FALSE_TEXTS = frozenset({False, "false", "0"})

VPN_DEFAULTS: Mapping[str, Any] = {
    "DpdTimeoutAction": "clear",
    "DpdTimeoutSeconds": 30,
    "Phase1LifetimeSeconds": 28800,
    "Phase2LifetimeSeconds": 3600,
    "RekeyFuzzPercentage": 100,
    "RekeyMarginTimeSeconds": 540,
    "ReplayWindowSize": 1024,
    "StartupAction": "add",
}
"""AWS Site-to-Site VPN user guide, tunnel options: the values when none is given. Seconds."""

KEYS_WITHOUT_ORDER = frozenset({"Action", "NotAction", "Resource", "NotResource", "AWS", "Service"})
"""Policy elements whose lists are sets (IAM user guide, grammar of the policy language)."""


@cache
def sets(token: str) -> frozenset[str]:
    """The patterns of a type's lists whose order means nothing."""
    return frozenset(tomllib.loads(SETS.read_text(encoding="utf-8")).get(token, ()))


def equal(token: str, pattern: str, old: Any, new: Any) -> bool:
    """Whether two values of a suppressed property mean the same."""
    rule = _rule(token, pattern)
    return rule is not None and rule(old, new)


def followed(token: str, pattern: str) -> bool:
    """Whether the provider's own comparison of this property is followed here."""
    return _rule(token, pattern) is not None


def same_document(old: Any, new: Any) -> bool:
    """Equal as JSON; in policies a list of one equals its element, and order of names is free."""
    try:
        return bool(_canonical(_parsed(old)) == _canonical(_parsed(new)))
    except ValueError:
        return False


def _same_truth(old: Any, new: Any) -> bool:
    """Optional booleans that the provider keeps as text: empty is unset, 1 is true."""
    pairs = ((old, new), (new, old))
    if any(first in ("", None) and second in ("", None) for first, second in pairs):
        return True
    return any({old, new} <= texts for texts in (TRUE_TEXTS, FALSE_TEXTS))


def _same_json(old: Any, new: Any) -> bool:
    try:
        return bool(_parsed(old) == _parsed(new))
    except ValueError:
        return False


def _same_number(old: Any, new: Any) -> bool:
    try:
        return float(old) == float(new)
    except (TypeError, ValueError):
        return False


def _same_network(old: Any, new: Any) -> bool:
    try:
        first, second = (ipaddress.ip_network(each, strict=False) for each in (old, new))
    except ValueError:
        return False
    return first == second


def _same_name(old: Any, new: Any) -> bool:
    return str(old).rstrip(".").lower() == str(new).rstrip(".").lower()


def _same_url(old: Any, new: Any) -> bool:
    return str(old).removeprefix("https://") == str(new).removeprefix("https://")


def _same_key(old: Any, new: Any) -> bool:
    """A KMS key may be given by id or by ARN."""
    return str(old).rpartition("/")[2] == str(new).rpartition("/")[2]


def _default_may_go(default: Any) -> Equality:
    """Dropping a value that is AWS's own default is no change; writing it out is one."""

    def same(old: Any, new: Any) -> bool:
        return bool(old == default and new in (None, "", 0))

    return same


_DOCUMENTS = frozenset(
    {
        "archivePolicy", "assumeRolePolicy", "containerDefinitions", "containerProperties",
        "deliveryPolicy", "ecsProperties", "filterPolicy", "nodeProperties", "policy",
        "policyDocument", "redrivePolicy", "replayPolicy",
    }
)  # fmt: skip

_BY_NAME: Mapping[tuple[str, str], Equality] = {
    ("aws:cloudformation/stack:Stack", "policyBody"): _same_json,
    ("aws:cloudformation/stack:Stack", "templateBody"): _same_json,
    ("aws:budgets/budget:Budget", "limitAmount"): _same_number,
    ("aws:budgets/budget:Budget", "plannedLimits[].amount"): _same_number,
    ("aws:ec2/defaultNetworkAcl:DefaultNetworkAcl", "egress[].action"): _same_name,
    ("aws:ec2/defaultNetworkAcl:DefaultNetworkAcl", "ingress[].action"): _same_name,
    ("aws:ec2/networkAcl:NetworkAcl", "egress[].action"): _same_name,
    ("aws:ec2/networkAcl:NetworkAcl", "ingress[].action"): _same_name,
    ("aws:ec2/route:Route", "destinationIpv6CidrBlock"): _same_network,
    ("aws:ec2transitgateway/route:Route", "destinationCidrBlock"): _same_network,
    ("aws:iam/openIdConnectProvider:OpenIdConnectProvider", "url"): _same_url,
    ("aws:kms/alias:Alias", "targetKeyId"): _same_key,
    ("aws:route53/record:Record", "aliases[].name"): _same_name,
}


@cache
def _rule(kind: str, pattern: str) -> Equality | None:
    if (kind, pattern) in _BY_NAME:
        return _BY_NAME[kind, pattern]
    if pattern.rpartition(".")[2] in _DOCUMENTS:
        return same_document
    if kind == "aws:ec2/launchTemplate:LaunchTemplate":
        return _same_truth
    if kind == "aws:ec2/vpnConnection:VpnConnection":
        return _default_may_go(VPN_DEFAULTS.get(pattern.removeprefix("tunnel")[1:]))
    return None


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _canonical(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _canonical(each, name) for name, each in value.items()}
    if isinstance(value, list):
        items = [_canonical(each) for each in value]
        if len(items) == 1:
            return items[0]
        return sorted(items, key=json.dumps) if key in KEYS_WITHOUT_ORDER else items
    return value
