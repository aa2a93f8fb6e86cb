"""Properties whose change replaces a resource only under a condition.

The table states each condition in prose (`conditional_replace`). Each is a small function here, in
one registry by type and property; a test fails when the table has a condition without one. Where
the real provider asks AWS, and so cannot be followed, the function is listed in `CONSERVATIVE`
with what it assumes: rather a replacement too many than one that nobody saw coming.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from typing import Any

from stacks.offline.compare import Change, Sides
from stacks.offline.wire import UNKNOWN, is_unknown


class Verdict(enum.Enum):
    """What a change of one property does to the resource."""

    REPLACE = "replace"
    UPDATE = "update"
    NOTHING = "nothing"


Condition = Callable[[Sides, Change], Verdict]


def replace_if(holds: bool) -> Verdict:
    """Replace when the condition holds; otherwise update in place."""
    return Verdict.REPLACE if holds else Verdict.UPDATE


def _tenancy(sides: Sides, _change: Change) -> Verdict:
    before, after = sides.old("instanceTenancy"), sides.new("instanceTenancy")
    return replace_if((before, after) != ("dedicated", "default"))


def _vpc_cidr(sides: Sides, _change: Change) -> Verdict:
    from_pool = sides.new("ipv4NetmaskLength") not in (None, 0)
    return Verdict.NOTHING if from_pool else Verdict.REPLACE


def _subnet_ipv6(sides: Sides, _change: Change) -> Verdict:
    return replace_if(sides.old("assignIpv6AddressOnCreation") is True)


def _private_dns(sides: Sides, _change: Change) -> Verdict:
    return replace_if(sides.new("vpcEndpointType") != "Interface")


def _user_data(sides: Sides, _change: Change) -> Verdict:
    return replace_if(sides.new("userDataReplaceOnChange") in (True, UNKNOWN))


def _instance_type(sides: Sides, _change: Change) -> Verdict:
    before, after = sides.old("instanceType"), sides.new("instanceType")
    if not (isinstance(before, str) and isinstance(after, str)):
        return Verdict.REPLACE
    return replace_if(_is_arm(before) != _is_arm(after))


def _is_arm(instance_type: str) -> bool:
    """Whether the family's name marks a Graviton: a `g` after the generation (EC2 user guide)."""
    return instance_type.startswith("a1.") or bool(re.match(r"[a-z]+\d+g", instance_type))


def _only(name: str, before: Any, after: Any) -> Condition:
    """Replaces only when the property goes from one value to the other, or may do so."""

    def condition(sides: Sides, _change: Change) -> Verdict:
        old, new = sides.old(name), sides.new(name)
        return replace_if(old == before and (new == after or new is UNKNOWN))

    return condition


def _ipv6_addresses(sides: Sides, _change: Change) -> Verdict:
    return replace_if(not sides.differs("ipv6AddressCount"))


SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")


def _source_kind(sides: Sides, _change: Change) -> Verdict:
    before = {name for name in SOURCES if sides.old_inputs.get(name) is not None}
    after = {name for name in SOURCES if sides.new_inputs.get(name) is not None}
    return replace_if(before != after)


def _removed(name: str) -> Condition:
    """Replaces only when the property, or the block, goes away."""

    def condition(sides: Sides, _change: Change) -> Verdict:
        return replace_if(bool(sides.old(name)) and sides.new(name) in (None, "", [], {}))

    return condition


def _added_or_removed(name: str) -> Condition:
    def condition(sides: Sides, _change: Change) -> Verdict:
        return replace_if(bool(sides.old(name)) != bool(sides.new(name)))

    return condition


def _always(_sides: Sides, _change: Change) -> Verdict:
    return Verdict.REPLACE


def _write_only_secret(sides: Sides, _change: Change) -> Verdict:
    return replace_if(sides.old("secretString") not in (None, ""))


def _write_only_version(sides: Sides, _change: Change) -> Verdict:
    known_before = sides.old("secretStringWoVersion") not in (None, 0)
    return replace_if(known_before or sides.new("secretStringWoVersion") is UNKNOWN)


def _bucket_owner(sides: Sides, _change: Change) -> Verdict:
    name = "expectedBucketOwner"
    own = sides.old(name) in (None, "") and sides.new(name) == sides.account
    return replace_if(not own)


def _lustre_capacity(sides: Sides, _change: Change) -> Verdict:
    if sides.new("deploymentType") in ("SCRATCH_1", UNKNOWN):
        return Verdict.REPLACE
    return replace_if(_less(sides.new("storageCapacity"), sides.old("storageCapacity")))


def _lustre_metadata(sides: Sides, _change: Change) -> Verdict:
    old, new = sides.old("metadataConfiguration"), sides.new("metadataConfiguration")
    if new is UNKNOWN:
        return Verdict.REPLACE
    old, new = old or {}, new or {}
    provisioned = new.get("mode") in ("USER_PROVISIONED", UNKNOWN)
    before, after = old.get("iops"), new.get("iops")
    return replace_if(provisioned and None not in (before, after) and _less(after, before))


def _downgrade(name: str) -> Condition:
    def condition(sides: Sides, _change: Change) -> Verdict:
        return replace_if(_less(_version(sides.new(name)), _version(sides.old(name))))

    return condition


def _version(text: Any) -> Any:
    return [int(part) for part in re.findall(r"\d+", text)] if isinstance(text, str) else text


def _less(new: Any, old: Any) -> bool:
    """Whether `new` is below `old`, or might be."""
    if is_unknown(new):
        return True
    return bool(new is not None and old is not None and new < old)


def _cluster_compute(sides: Sides, _change: Change) -> Verdict:
    old, new = sides.old("computeConfig") or {}, sides.new("computeConfig")
    if new is UNKNOWN:
        return replace_if(bool(old.get("nodeRoleArn")))
    new = new or {}
    before, after = old.get("nodeRoleArn"), new.get("nodeRoleArn")
    switched_off = new.get("enabled") is not True or new.get("nodePools") in (None, [])
    return replace_if(
        bool(before) and before != after and not (switched_off and after in (None, ""))
    )


def _cluster_network(sides: Sides, _change: Change) -> Verdict:
    old, new = sides.old("vpcConfig") or {}, sides.new("vpcConfig") or {}
    if new is UNKNOWN:
        return replace_if(old.get("controlPlaneEgressMode") == "CUSTOMER_ROUTED")
    after = new.get("controlPlaneEgressMode")
    routed = old.get("controlPlaneEgressMode") == "CUSTOMER_ROUTED"
    return replace_if(routed and after in ("AWS_MANAGED", UNKNOWN))


def _storage_mode(sides: Sides, _change: Change) -> Verdict:
    return replace_if(sides.new("storageMode") in ("LOCAL", UNKNOWN))


def _balancer_subnets(sides: Sides, _change: Change) -> Verdict:
    if not _is_network_balancer(sides):
        return Verdict.UPDATE
    old, new = sides.old("subnets") or [], sides.new("subnets") or []
    return replace_if(new is UNKNOWN or len(new) <= len(old) or not _within(old, new))


def _balancer_mappings(sides: Sides, _change: Change) -> Verdict:
    old, new = sides.old("subnetMappings") or [], sides.new("subnetMappings") or []
    if is_unknown(new):
        return Verdict.REPLACE
    pure_add, pure_removal = _within(old, new), _within(new, old)
    if _is_network_balancer(sides):
        return replace_if(not pure_add)
    return replace_if(not (pure_add or pure_removal))


def _balancer_groups(sides: Sides, _change: Change) -> Verdict:
    old, new = sides.old("securityGroups"), sides.new("securityGroups")
    crossed = bool(old) != bool(new) or (not old and is_unknown(new))
    return replace_if(_is_network_balancer(sides) and crossed)


def _balancer_ips(sides: Sides, _change: Change) -> Verdict:
    name = "secondaryIpsAutoAssignedPerSubnet"
    fewer = _less(sides.new(name) or 0, sides.old(name) or 0)
    return replace_if(_is_network_balancer(sides) and fewer)


def _is_network_balancer(sides: Sides) -> bool:
    kind: object = sides.new("loadBalancerType")
    return kind == "network"


def _within(part: list[Any], whole: list[Any]) -> bool:
    return all(each in whole for each in part)


def _certificate_name(sides: Sides, _change: Change) -> Verdict:
    imported = sides.new("certificateBody") is not None
    return Verdict.UPDATE if imported else Verdict.REPLACE


def _nat_addresses(sides: Sides, _change: Change) -> Verdict:
    if sides.new_inputs.get("secondaryPrivateIpAddressCount") is None:
        return Verdict.NOTHING
    return replace_if(sides.new("connectivityType") == "private")


STRATEGIES = ("BEST_FIT_PROGRESSIVE", "SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED")
LINKED_ROLE = "role/aws-service-role/batch.amazonaws.com/"


def _batch_resources(sides: Sides, change: Change) -> Verdict:
    resources = [sides.old("computeResources") or {}, sides.new("computeResources") or {}]
    if any(each is UNKNOWN for each in resources):
        return Verdict.REPLACE
    roles = (sides.old("serviceRole"), sides.new("serviceRole"))
    linked = all(role in (None, "") or LINKED_ROLE in str(role) for role in roles)
    if linked and all(each.get("allocationStrategy") in STRATEGIES for each in resources):
        return Verdict.UPDATE
    networked = change.pattern.startswith(
        ("computeResources.securityGroupIds", "computeResources.subnets")
    )
    fargate = str(resources[1].get("type", "")).upper().startswith("FARGATE")
    return Verdict.UPDATE if networked and fargate else Verdict.REPLACE


def _trust_notifications(sides: Sides, _change: Change) -> Verdict:
    """AWS adds two settings of its own; a set without one of them is no change at all."""
    own = [each for each in sides.state.get("notificationSettings") or [] if _by_aws(each)]
    new = sides.new("notificationSettings")
    if new is UNKNOWN or not own:
        return Verdict.REPLACE
    given = [(each.get("channel"), each.get("event")) for each in new or []]
    present = all((each.get("channel"), each.get("event")) in given for each in own)
    return Verdict.REPLACE if present else Verdict.NOTHING


def _by_aws(setting: Mapping[str, Any]) -> bool:
    return setting.get("configuredBy") == "rolesanywhere.amazonaws.com"


_RULE_SOURCES = {name: _source_kind for name in SOURCES}
_OWNER = {"expectedBucketOwner": _bucket_owner}

CONDITIONS: Mapping[str, Mapping[str, Condition]] = {
    "aws:ec2/vpc:Vpc": {"instanceTenancy": _tenancy, "cidrBlock": _vpc_cidr},
    "aws:ec2/subnet:Subnet": {"ipv6CidrBlock": _subnet_ipv6},
    "aws:ec2/vpcEndpoint:VpcEndpoint": {"privateDnsEnabled": _private_dns},
    "aws:ec2/instance:Instance": {
        "userData": _user_data,
        "userDataBase64": _user_data,
        "instanceType": _instance_type,
        "enablePrimaryIpv6": _only("enablePrimaryIpv6", True, False),
        "ipv6Addresses": _ipv6_addresses,
        "launchTemplate": _always,
    },
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _RULE_SOURCES,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _RULE_SOURCES,
    "aws:ec2transitgateway/transitGateway:TransitGateway": {
        name: _only(name, "disable", "enable")
        for name in ("defaultRouteTableAssociation", "defaultRouteTablePropagation")
    },
    "aws:route53/resolverRule:ResolverRule": {"resolverEndpointId": _removed("resolverEndpointId")},
    "aws:secretsmanager/secretVersion:SecretVersion": {
        "secretString": _always,
        "secretStringWo": _write_only_secret,
        "secretStringWoVersion": _write_only_version,
    },
    "aws:s3/bucketVersioning:BucketVersioning": _OWNER,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        _OWNER
    ),
    "aws:s3/bucketLogging:BucketLogging": _OWNER,
    "aws:s3/bucketAcl:BucketAcl": _OWNER,
    "aws:fsx/lustreFileSystem:LustreFileSystem": {
        "storageCapacity": _lustre_capacity,
        "metadataConfiguration": _lustre_metadata,
        "fileSystemTypeVersion": _downgrade("fileSystemTypeVersion"),
    },
    "aws:eks/cluster:Cluster": {
        "encryptionConfig": _removed("encryptionConfig"),
        "computeConfig": _cluster_compute,
        "vpcConfig": _cluster_network,
    },
    "aws:msk/cluster:Cluster": {
        "kafkaVersion": _downgrade("kafkaVersion"),
        "storageMode": _storage_mode,
    },
    "aws:lb/loadBalancer:LoadBalancer": {
        "subnets": _balancer_subnets,
        "subnetMappings": _balancer_mappings,
        "securityGroups": _balancer_groups,
        "secondaryIpsAutoAssignedPerSubnet": _balancer_ips,
    },
    "aws:acm/certificate:Certificate": {
        "domainName": _certificate_name,
        "subjectAlternativeNames": _certificate_name,
    },
    "aws:ssm/parameter:Parameter": {"tier": _only("tier", "Advanced", "Standard")},
    "aws:ec2/natGateway:NatGateway": {"secondaryPrivateIpAddressCount": _nat_addresses},
    "aws:batch/computeEnvironment:ComputeEnvironment": {"computeResources": _batch_resources},
    "aws:rolesanywhere/trustAnchor:TrustAnchor": {"notificationSettings": _trust_notifications},
    "aws:lambda/function:Function": {"durableConfig": _added_or_removed("durableConfig")},
}
"""Every condition of the table, by type and property."""

CONSERVATIVE: Mapping[tuple[str, str], str] = {
    ("aws:ec2/instance:Instance", "launchTemplate"): (
        "Which version $Default and $Latest stand for is known to AWS only: any change replaces."
    ),
    ("aws:ec2/instance:Instance", "instanceType"): (
        "The processor is read off the family's name; an unknown type counts as another one."
    ),
    ("aws:rolesanywhere/trustAnchor:TrustAnchor", "notificationSettings"): (
        "AWS's own settings are not in an offline state: any change replaces."
    ),
}
"""Conditions that need an answer from AWS, and what is assumed in its place."""


def verdict(sides: Sides, change: Change, name: str) -> Verdict:
    """What the condition of property `name` says about a change."""
    condition = CONDITIONS.get(sides.rules.token, {}).get(name, _always)
    return condition(sides, change)
