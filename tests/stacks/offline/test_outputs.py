"""Ids and outputs have AWS's form and are the same in every run."""

from __future__ import annotations

import ipaddress
import re
import zlib
from typing import Any

import pytest

from stacks.offline import outputs, prepare, schema, semantics
from stacks.offline.compare import Sides
from stacks.offline.outputs import Subject
from stacks.offline.prepare import Surroundings
from stacks.offline.wire import UNKNOWN, Properties, Secret, holds, reveal

pytestmark = pytest.mark.slow

AROUND = Surroundings(account="123456789012", region="eu-central-1")
TYPES = sorted(semantics.table()["types"])
VPC, TEMPLATE = "aws:ec2/vpc:Vpc", "aws:ec2/launchTemplate:LaunchTemplate"
VPN = "aws:ec2/vpnConnection:VpnConnection"


def subject(kind: str, *, known: dict[str, Properties] | None = None, name: str = "a") -> Subject:
    return Subject(
        urn=f"urn:pulumi:dev::landfall::{kind}::{name}",
        schema=schema.resource(kind),
        rules=semantics.rules(kind),
        around=AROUND,
        known=known or {},
    )


def filled(kind: str, news: Properties) -> Properties:
    it = subject(kind)
    return prepare.fill(news, {}, urn=it.urn, schema=it.schema, rules=it.rules, around=AROUND)


def make(kind: str, **inputs: Any) -> tuple[str, Properties]:
    return outputs.made(subject(kind), filled(kind, inputs))


def sides(kind: str, state: Properties, old: Properties, new: Properties) -> Sides:
    rules = semantics.rules(kind)
    return Sides(rules=rules, state=reveal(state), old_inputs=old, new_inputs=new)


@pytest.mark.parametrize(
    ("kind", "inputs", "pattern"),
    [
        (VPC, {"cidrBlock": "10.0.0.0/16"}, r"vpc-[0-9a-f]{17}"),
        ("aws:kms/key:Key", {}, r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("aws:s3/bucket:Bucket", {"bucket": "b"}, r"b"),
        ("aws:s3/bucketVersioning:BucketVersioning", {"bucket": "b"}, r"b"),
        (
            "aws:s3/bucketVersioning:BucketVersioning",
            {"bucket": "b", "expectedBucketOwner": "1"},
            r"b,1",
        ),
        (
            "aws:ec2/route:Route",
            {"routeTableId": "rtb-1", "destinationCidrBlock": "10.0.0.0/8"},
            f"r-rtb-1{zlib.crc32(b'10.0.0.0/8')}",
        ),
        (
            "aws:sqs/queue:Queue",
            {"name": "q"},
            r"https://sqs\.eu-central-1\.amazonaws\.com/\d{12}/q",
        ),
        ("aws:rds/instance:Instance", {"instanceClass": "x"}, r"db-[0-9A-Z]{26}"),
        ("aws:cloudwatch/eventRule:EventRule", {"name": "n"}, r"n"),
        ("aws:cloudwatch/eventRule:EventRule", {"name": "n", "eventBusName": "b"}, r"b/n"),
        ("aws:ec2/ami:Ami", {"name": "a"}, r"offline-[0-9a-f]{17}"),
    ],
)
def test_ids(kind: str, inputs: dict[str, Any], pattern: str) -> None:
    assert re.fullmatch(pattern, make(kind, **inputs)[0])


@pytest.mark.parametrize(
    ("kind", "inputs", "output", "wanted"),
    [
        (VPC, {}, "ownerId", "123456789012"),
        (VPC, {}, "ipv6AssociationId", ""),
        (TEMPLATE, {"name": "t"}, "latestVersion", 1),
        (TEMPLATE, {"name": "t"}, "defaultVersion", 1),
        ("aws:iam/role:Role", {"name": "r"}, "arn", "arn:aws:iam::123456789012:role/r"),
        ("aws:s3/bucket:Bucket", {"bucket": "b"}, "arn", "arn:aws:s3:::b"),
        ("aws:ssm/parameter:Parameter", {"name": "/a/b", "type": "String"}, "version", 1),
        (
            "aws:ecr/lifecyclePolicy:LifecyclePolicy",
            {"repository": "r"},
            "registryId",
            "123456789012",
        ),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Interface"}, "prefixListId", ""),
        (
            "aws:ssm/parameter:Parameter",
            {"name": "/a/b"},
            "arn",
            "arn:aws:ssm:eu-central-1:123456789012:parameter/a/b",
        ),
        ("aws:ec2/instance:Instance", {}, "spotInstanceRequestId", ""),
        (
            "aws:cloudwatch/eventRule:EventRule",
            {"name": "n", "eventBusName": "b"},
            "arn",
            "arn:aws:events:eu-central-1:123456789012:rule/b/n",
        ),
        (
            "aws:secretsmanager/secretVersion:SecretVersion",
            {"secretId": "arn:aws:secretsmanager:eu-central-1:1:secret:s-AbCdEf"},
            "arn",
            "arn:aws:secretsmanager:eu-central-1:1:secret:s-AbCdEf",
        ),
        (
            "aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter",
            {"logGroup": "g"},
            "id",
            f"cwlsf-{zlib.crc32(b'g-')}",
        ),
        (
            "aws:acmpca/certificateAuthority:CertificateAuthority",
            {},
            "certificateSigningRequest",
            "offline:CertificateAuthority.certificateSigningRequest",
        ),
    ],
)
def test_outputs(kind: str, inputs: dict[str, Any], output: str, wanted: Any) -> None:
    identity, made = make(kind, **inputs)
    assert {**made, "id": identity}[output] == wanted


def test_outputs_that_name_each_other_agree() -> None:
    identity, made = make(VPC, cidrBlock="10.0.0.0/16")
    assert made["arn"].endswith(f":vpc/{identity}")
    assert made["mainRouteTableId"] == made["defaultRouteTableId"]
    _, balancer = make("aws:lb/loadBalancer:LoadBalancer", name="n", loadBalancerType="network")
    assert balancer["arn"].endswith(balancer["arnSuffix"])
    assert balancer["arnSuffix"].startswith("net/n/")


def test_structures_that_the_table_writes_out() -> None:
    _, cluster = make("aws:eks/cluster:Cluster", name="c")
    issuer = cluster["identities"][0]["oidcs"][0]["issuer"]
    assert re.fullmatch(r"https://oidc\.eks\.eu-central-1\.amazonaws\.com/id/[0-9A-F]{32}", issuer)
    _, endpoint = make(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        vpcEndpointType="Interface",
        subnetIds=["subnet-1", "subnet-2"],
    )
    assert len(set(endpoint["networkInterfaceIds"])) == 2


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_makes_the_same_in_every_run(kind: str) -> None:
    identity, made = make(kind)
    assert (identity, made) == make(kind)
    assert identity
    assert not holds(made, lambda value: isinstance(value, str) and "{" in value)
    shapes = schema.resource(kind).outputs
    assert not made.keys() - shapes.keys()


@pytest.mark.parametrize("kind", TYPES)
def test_every_output_has_the_type_that_the_sdk_promises(kind: str) -> None:
    from stacks.offline.check import problems

    found = problems(reveal(make(kind)[1]), schema.resource(kind).outputs)
    assert [str(each) for each in found if "missing" not in each.message] == []


def test_another_input_that_replaces_gives_another_id() -> None:
    first, second = make(VPC, cidrBlock="10.0.0.0/16"), make(VPC, cidrBlock="10.1.0.0/16")
    assert first[0] != second[0]
    assert make(VPC, cidrBlock="10.0.0.0/16", enableDnsHostnames=True)[0] == first[0]
    again = outputs.made(subject(VPC), filled(VPC, {"cidrBlock": "10.0.0.0/16"}), replaced=first[0])
    assert again[0] != first[0]


def test_nothing_in_the_clear_depends_on_a_secret() -> None:
    """Neither on a property that is secret by its type, nor on a value that is marked."""
    version = "aws:secretsmanager/secretVersion:SecretVersion"
    one, other = (make(version, secretId="s", secretString=text) for text in ("a", "b"))
    assert one[0] == other[0]
    assert one[1]["versionId"] == other[1]["versionId"]
    one, other = (make(VPC, cidrBlock=Secret(text)) for text in ("10.0.0.0/16", "10.1.0.0/16"))
    assert one[0] == other[0]


def test_what_comes_from_a_secret_is_secret() -> None:
    _, made = make("aws:s3/bucket:Bucket", bucket=Secret("hidden"))
    assert made["arn"] == Secret("arn:aws:s3:::hidden")


def test_a_plan_knows_inputs_and_nothing_that_aws_computes() -> None:
    planned = outputs.planned(subject(VPC), filled(VPC, {"cidrBlock": "10.0.0.0/16"}))
    assert planned["cidrBlock"] == "10.0.0.0/16"
    assert planned["region"] == "eu-central-1"
    assert planned["arn"] is UNKNOWN
    assert planned["enableDnsHostnames"] is UNKNOWN
    assert "ipv4IpamPoolId" not in planned


def test_an_update_keeps_what_it_does_not_change_and_counts_versions() -> None:
    old, new = filled(TEMPLATE, {"imageId": "ami-1"}), filled(TEMPLATE, {"imageId": "ami-2"})
    _, state = outputs.made(subject(TEMPLATE), old)
    both = sides(TEMPLATE, state, old, new)
    planned = outputs.planned_update(subject(TEMPLATE), both, state, new)
    assert planned["latestVersion"] is UNKNOWN
    assert planned["arn"] == state["arn"]
    after = outputs.updated(subject(TEMPLATE), both, state, new)
    assert after == {**state, "imageId": "ami-2", "latestVersion": 2}


def test_an_update_that_changes_no_content_makes_no_version() -> None:
    old, new = filled(TEMPLATE, {}), filled(TEMPLATE, {"description": "x"})
    _, state = outputs.made(subject(TEMPLATE), old)
    after = outputs.updated(subject(TEMPLATE), sides(TEMPLATE, state, old, new), state, new)
    assert after["latestVersion"] == 1


def test_what_the_program_drops_goes_unless_aws_keeps_it() -> None:
    kind = "aws:ec2/vpc:Vpc"
    old = filled(kind, {"ipv4IpamPoolId": "p", "enableDnsHostnames": True})
    new = filled(kind, {})
    _, state = outputs.made(subject(kind), old)
    after = outputs.updated(subject(kind), sides(kind, state, old, new), state, new)
    assert "ipv4IpamPoolId" not in after
    assert after["enableDnsHostnames"] is True


def test_a_vpn_connection_with_keys_in_secrets_manager() -> None:
    known: dict[str, Properties] = {
        "tgw-1": {"amazonSideAsn": 64777},
        "cgw-1": {"ipAddress": "198.51.100.9"},
    }
    inputs = filled(
        VPN,
        {
            "type": "ipsec.1",
            "customerGatewayId": "cgw-1",
            "transitGatewayId": "tgw-1",
            "presharedKeyStorage": "SecretsManager",
            "tunnel1InsideCidr": "169.254.10.4/30",
        },
    )
    identity, made = outputs.made(subject(VPN, known=known), inputs)
    assert f"!{identity}-" in made["presharedKeyArn"]
    assert made["presharedKeyArn"].startswith("arn:aws:secretsmanager:eu-central-1:123456789012:")
    assert made["tunnel1PresharedKey"] == made["tunnel2PresharedKey"] == Secret("")
    assert isinstance(made["customerGatewayConfiguration"], Secret)
    assert made["tunnel1VgwInsideAddress"] == "169.254.10.5"
    assert made["tunnel1CgwInsideAddress"] == "169.254.10.6"
    assert made["tunnel1BgpAsn"] == made["tunnel2BgpAsn"] == "64777"
    assert made["transitGatewayAttachmentId"].startswith("tgw-attach-")
    second = ipaddress.ip_network(made["tunnel2InsideCidr"])
    assert ipaddress.ip_address(made["tunnel2CgwInsideAddress"]) in second
    assert ipaddress.ip_address(made["tunnel1Address"]) in ipaddress.ip_network("198.51.100.0/24")
    assert ipaddress.ip_address(made["tunnel2Address"]) in ipaddress.ip_network("203.0.113.0/24")


def test_a_tunnel_never_ends_at_the_sites_own_address() -> None:
    base = filled(VPN, {"type": "ipsec.1", "customerGatewayId": "cgw-1"})
    _, free = outputs.made(subject(VPN), base)
    known: dict[str, Properties] = {"cgw-1": {"ipAddress": free["tunnel1Address"]}}
    _, made = outputs.made(subject(VPN, known=known), base)
    assert made["tunnel1Address"] != free["tunnel1Address"]


def test_a_vpn_connection_without_a_transit_gateway_has_no_attachment() -> None:
    _, made = make(VPN, type="ipsec.1", customerGatewayId="cgw-1", vpnGatewayId="vgw-1")
    assert made["transitGatewayAttachmentId"] == ""
    assert made["presharedKeyArn"] == ""
