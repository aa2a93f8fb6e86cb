"""Outputs that an update in place changes, so that a preview must call them unknown.

The table says when (`computed_if`); each text has a function here, and a test fails when one has
none. All other outputs keep their value during an update.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stacks.offline.compare import Sides, compare
from stacks.offline.semantics import root

Stale = Callable[[Sides], bool]


def _when(*names: str) -> Stale:
    return lambda sides: sides.differs(*names)


def _anything_but(*names: str) -> Stale:
    def stale(sides: Sides) -> bool:
        return any(root(change.path) not in names for change in compare(sides))

    return stale


def _default_version(sides: Sides) -> bool:
    return sides.new("updateDefaultVersion") is True and _anything_but(
        "name", "namePrefix", "description", "defaultVersion", "updateDefaultVersion"
    )(sides)


def _public_address(sides: Sides) -> bool:
    moves = sides.differs("instanceType", "userData", "userDataBase64")
    return moves and bool(sides.state.get("publicIp"))


def _balancer(name: str) -> Stale:
    def stale(sides: Sides) -> bool:
        kinds = ("application", "network")
        return sides.new("loadBalancerType") in kinds and sides.differs(name)

    return stale


def _imported(sides: Sides) -> bool:
    return sides.old("certificateBody") is not None and sides.differs("certificateBody")


def _insecure(sides: Sides) -> bool:
    return sides.differs("value") and sides.new_inputs.get("insecureValue") is None


def _nat_count(sides: Sides) -> bool:
    private = sides.new("connectivityType") == "private"
    return sides.differs("secondaryPrivateIpAddresses" if private else "secondaryAllocationIds")


def _nat_addresses(sides: Sides) -> bool:
    given = sides.new_inputs.get("secondaryPrivateIpAddresses")
    public = sides.new("connectivityType") == "public"
    return public and given is None and sides.differs("secondaryAllocationIds")


def _acl(sides: Sides) -> bool:
    return sides.differs("acl") and bool(sides.new("acl"))


def _published(sides: Sides) -> bool:
    return sides.new("publish") is True and _anything_but("tags", "tagsAll")(sides)


def _scope(sides: Sides) -> bool:
    gone = sides.new_inputs.get("filterPolicyScope") is None
    return gone and sides.old_inputs.get("filterPolicyScope") is not None


_CONTENT = _anything_but(
    "name", "namePrefix", "description", "defaultVersion", "updateDefaultVersion"
)
_JOB = _anything_but("tags", "tagsAll", "deregisterOnNewRevision")
_CODE = _when(
    "code", "codeSha256", "sourceCodeHash", "s3Bucket", "s3Key", "s3ObjectVersion",
    "sourceKmsKeyArn", "imageUri", "architectures",
)  # fmt: skip
_OBJECT = _when(
    "bucketKeyEnabled", "cacheControl", "checksumAlgorithm", "content", "contentBase64",
    "contentDisposition", "contentEncoding", "contentLanguage", "contentType", "etag", "kmsKeyId",
    "metadata", "serverSideEncryption", "source", "sourceHash", "storageClass", "websiteRedirect",
)  # fmt: skip
_DOCUMENT = _when("content")

STALE: Mapping[str, Mapping[str, Stale]] = {
    "aws:ec2/vpc:Vpc": {
        "ipv6AssociationId": _when("assignGeneratedIpv6CidrBlock"),
        "ipv6CidrBlock": _when("assignGeneratedIpv6CidrBlock"),
    },
    "aws:ec2/vpcEndpoint:VpcEndpoint": {
        "networkInterfaceIds": _when("subnetIds", "subnetConfigurations")
    },
    "aws:ec2/launchTemplate:LaunchTemplate": {
        "latestVersion": _CONTENT,
        "defaultVersion": _default_version,
    },
    "aws:ec2/instance:Instance": {
        "publicIp": _public_address,
        "publicDns": _public_address,
        "ipv6Addresses": _when("ipv6AddressCount"),
    },
    "aws:lb/loadBalancer:LoadBalancer": {
        "subnets": _balancer("subnetMappings"),
        "subnetMappings": _balancer("subnets"),
    },
    "aws:acm/certificate:Certificate": {
        "domainName": _imported,
        "subjectAlternativeNames": _imported,
    },
    "aws:ssm/parameter:Parameter": {
        "version": _when("value", "description"),
        "value": _when("insecureValue"),
        "insecureValue": _insecure,
        "hasValueWo": _when("valueWoVersion"),
    },
    "aws:ec2/natGateway:NatGateway": {
        "secondaryPrivateIpAddressCount": _nat_count,
        "secondaryPrivateIpAddresses": _nat_addresses,
    },
    "aws:ec2/managedPrefixList:ManagedPrefixList": {"version": _when("entries")},
    "aws:iam/group:Group": {"arn": _when("name", "path")},
    "aws:s3/bucketObjectv2:BucketObjectv2": {"versionId": _OBJECT, "tagsAll": _when("tags")},
    "aws:s3/bucketAcl:BucketAcl": {"accessControlPolicy": _acl},
    "aws:batch/jobDefinition:JobDefinition": {"arn": _JOB, "revision": _JOB, "id": _JOB},
    "aws:sns/topicSubscription:TopicSubscription": {"filterPolicyScope": _scope},
    "aws:lambda/function:Function": {
        "lastModified": _CODE,
        "version": _published,
        "qualifiedArn": _published,
        "qualifiedInvokeArn": _published,
    },
    "aws:cloudformation/stack:Stack": {
        "outputs": _anything_but("name", "region", "timeoutInMinutes"),
    },
    "aws:ssm/document:Document": {
        name: _DOCUMENT
        for name in ("defaultVersion", "documentVersion", "hash", "latestVersion", "parameters")
    },
}
"""Every `computed_if` of the table, by type and output."""


def stale(sides: Sides) -> frozenset[str]:
    """The outputs that this update changes."""
    found = STALE.get(sides.rules.token, {})
    return frozenset(
        name for name, test in found.items() if name not in sides.new_inputs and test(sides)
    )
