"""Disks of instances are encrypted with a key of the customer's."""

from collections.abc import Iterator

from stacks.policy.keys import of_customer
from stacks.policy.rule import Finding, Resource, Rule, Severity, expect
from stacks.policy.settings import PolicySettings
from stacks.policy.values import at

VOLUME = "aws:ebs/volume:Volume"
DISKS = {
    VOLUME: ("",),
    "aws:ebs/snapshotCopy:SnapshotCopy": ("",),
    "aws:ec2/amiCopy:AmiCopy": ("",),
    "aws:ec2/instance:Instance": ("rootBlockDevice", "ebsBlockDevices"),
    "aws:ec2/launchTemplate:LaunchTemplate": ("blockDeviceMappings",),
}
NESTED = {"aws:ec2/launchTemplate:LaunchTemplate": "ebs."}
REQUIRED = {
    "aws:ec2/instance:Instance": "rootBlockDevice",
    "aws:ec2/launchTemplate:LaunchTemplate": "blockDeviceMappings",
}
"""Left out, the image's disk is made all the same, with the account's defaults."""


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """Each disk says that it is encrypted, and with which key."""
    required = REQUIRED.get(resource.type)
    if required and resource.props.get(required) in (None, []):
        yield Finding(path=required, message="is left out; write it, encrypted and with a key")
    for place in DISKS[resource.type]:
        if not place or resource.props.get(place) not in (None, []):
            yield from _disk(resource, place, NESTED.get(resource.type, ""))


def _disk(resource: Resource, place: str, nested: str) -> Iterator[Finding]:
    prefix = f"{place}.{nested}" if place else ""
    empty = set()
    if nested:
        # An entry without `ebs` names an instance's own NVMe, or leaves a disk out.
        found = at(resource.props, prefix.rstrip("."))
        empty = {where for where, value in found if value is None}
    encrypted = expect(resource, f"{prefix}encrypted", True, message="must be true")
    yield from (each for each in encrypted if not _below(each.path, empty))
    for where, value in at(resource.props, f"{prefix}kmsKeyId"):
        if not _below(where, empty):
            yield from of_customer(where, value)


def _below(path: str, above: set[str]) -> bool:
    return any(path == each or path.startswith(f"{each}.") for each in above)


RULE = Rule(
    name="customer-key-volumes",
    description="Every volume of an instance is encrypted with a customer key.",
    severity=Severity.HIGH,
    supports=("SC-28(1)", "SC-12", "SC-13", "164.312(a)(2)(iv)", "GDPR 32", "DORA 9"),
    remedy="Set encrypted to true and kmsKeyId to the ARN of one of your keys.",
    types=frozenset(DISKS),
    check=check,
)
