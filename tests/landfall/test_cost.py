from __future__ import annotations

import dataclasses
import json
import random
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landfall import cost
from landfall.cost import Assumptions, Estimate, Line, Resource, Usage, monthly
from landfall.cost.tables import FREE, RATES, free
from landfall.model.catalog import prices
from landfall.model.environment import ROOT

HOURS = 100.0
ASSUMED = Assumptions(training_hours=HOURS)


def resource(kind: str, region: str = "us-east-1", name: str = "it", **props: Any) -> Resource:
    return Resource(type=kind, name=name, props=props, region=region)


def lines(*found: Resource, assumed: Assumptions = ASSUMED) -> dict[str, float]:
    return {line.item: line.usd_month for line in monthly(found, assumed).lines}


def template(name: str, instance_type: str, gb: float = 0, region: str = "us-east-1") -> Resource:
    return Resource(
        type="aws:ec2/launchTemplate:LaunchTemplate",
        name=name,
        props={
            "name": f"{name}-1",
            "instanceType": instance_type,
            "blockDeviceMappings": [{"ebs": {"volumeSize": gb}}],
        },
        region=region,
    )


UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
NODES = "aws:eks/nodeGroup:NodeGroup"
BUCKET = "aws:s3/bucket:Bucket"
VPN = "aws:ec2/vpnConnection:VpnConnection"
RDS = "aws:rds/instance:Instance"
LUSTRE = "aws:fsx/lustreFileSystem:LustreFileSystem"
STREAM = "aws:kinesis/stream:Stream"
ATTACHMENT = "Transit gateway attachment (VPC, VPN, DX, peering)"

CASES: list[tuple[Resource, dict[str, float]]] = [
    (resource("aws:kms/key:Key"), {"KMS customer managed key": 1.0}),
    (resource("aws:secretsmanager/secret:Secret"), {"Secrets Manager secret": 0.4}),
    (
        resource("aws:ec2transitgateway/vpcAttachment:VpcAttachment"),
        {ATTACHMENT: 36.5},
    ),
    (
        resource(VPN, transitGatewayId=UNKNOWN),
        {"Site-to-Site VPN connection, standard": 36.5, ATTACHMENT: 36.5},
    ),
    (
        resource(VPN, tunnelBandwidth="large"),
        {"Site-to-Site VPN connection, large (5 Gbps tunnels)": 438.0},
    ),
    (
        resource(ENDPOINT, "eu-central-1", vpcEndpointType="Interface", subnetIds=[UNKNOWN] * 3),
        {"Interface VPC endpoint": 3 * 730 * 0.012},
    ),
    (resource(ENDPOINT, vpcEndpointType="Gateway"), {}),
    (resource(ENDPOINT), {}),
    (
        resource("aws:route53/resolverEndpoint:ResolverEndpoint", ipAddresses=[{}, {}]),
        {"Route 53 Resolver endpoint ENI": 182.5},
    ),
    (resource("aws:eks/cluster:Cluster"), {"EKS cluster, standard support": 73.0}),
    (
        resource(
            NODES,
            instanceTypes=["g6e.xlarge"],
            capacityType="SPOT",
            scalingConfig={"minSize": 0, "maxSize": 2},
        ),
        {
            "EC2 g6e.xlarge Linux, dearest AZ": 2 * HOURS * 0.9302,
            "EBS gp3 storage": 2 * 20 * HOURS / 730 * 0.08,
        },
    ),
    (
        resource(
            NODES,
            instanceTypes=["p5.48xlarge"],
            diskSize=100,
            capacityType="CAPACITY_BLOCK",
            scalingConfig={"minSize": 0, "maxSize": 2},
        ),
        {
            "EC2 p5.48xlarge Capacity Block, reservation fee": 2 * HOURS * 41.528,
            "EBS gp3 storage": 2 * 100 * HOURS / 730 * 0.08,
        },
    ),
    (
        resource(
            "aws:batch/computeEnvironment:ComputeEnvironment",
            computeResources={
                "type": "EC2",
                "instanceTypes": ["g6.xlarge", "g6.12xlarge"],
                "minVcpus": 4,
                "maxVcpus": 8,
            },
        ),
        {"EC2 g6.12xlarge Linux": 730 * 4.6016 + HOURS * 4.6016},
    ),
    (
        resource("aws:ec2/instance:Instance", instanceType="m7i.large"),
        {"EC2 m7i.large Linux": 730 * 0.1008},
    ),
    (
        resource(
            "aws:ec2/capacityReservation:CapacityReservation",
            instanceType="p4d.24xlarge",
            instanceCount=2,
        ),
        {"EC2 p4d.24xlarge Linux": 2 * 730 * 21.957642},
    ),
    (
        resource("aws:ebs/volume:Volume", type="gp3", size=100, iops=4000, throughput=225),
        {
            "EBS gp3 storage": 8.0,
            "EBS gp3 IOPS over 3000": 5.0,
            "EBS gp3 throughput over 125 MB/s": 4.0,
        },
    ),
    (
        resource(
            LUSTRE,
            deploymentType="PERSISTENT_2",
            storageCapacity=1200,
            perUnitStorageThroughput=125,
        ),
        {"FSx for Lustre PERSISTENT_2 SSD, 125 MB/s/TiB": 174.0},
    ),
    (
        resource(
            RDS,
            "eu-central-1",
            engine="postgres",
            instanceClass="db.t4g.medium",
            multiAz=True,
            storageType="gp3",
            allocatedStorage=50,
        ),
        {
            "RDS PostgreSQL db.t4g.medium Single-AZ": 2 * 730 * 0.065,
            "RDS storage gp3, Multi-AZ": 50 * 0.274,
        },
    ),
    (resource("aws:lb/loadBalancer:LoadBalancer"), {"Application Load Balancer": 16.425}),
    (resource("aws:route53/zone:Zone"), {"Route 53 hosted zone, first 25": 0.5}),
    (
        resource("aws:cloudwatch/metricAlarm:MetricAlarm", period=60),
        {"CloudWatch alarm, standard resolution": 0.1},
    ),
    (
        resource("aws:cloudwatch/metricAlarm:MetricAlarm", period=10),
        {"CloudWatch alarm, high resolution": 0.3},
    ),
    (resource(STREAM, shardCount=2), {"Kinesis provisioned shard": 2 * 730 * 0.015}),
    (
        resource(STREAM, streamModeDetails={"streamMode": "ON_DEMAND"}),
        {"Kinesis on-demand stream": 29.2},
    ),
    (
        resource("aws:directconnect/connection:Connection", bandwidth="10Gbps"),
        {"Direct Connect dedicated port 10 Gbps": 2.25 * 730},
    ),
    (
        resource("aws:acmpca/certificateAuthority:CertificateAuthority"),
        {"ACM Private CA, general purpose": 400.0},
    ),
    (resource("aws:ec2/natGateway:NatGateway"), {"NAT gateway": 0.045 * 730}),
    (
        cost.launched("train", "g6e.xlarge", region="us-east-1", instances=3, disk_gb=73),
        {"EC2 g6e.xlarge Linux": 3 * HOURS * 1.861, "EBS gp3 storage": 3 * 73 * HOURS / 730 * 0.08},
    ),
    (resource(BUCKET), {}),
    (resource("aws:iam/role:Role"), {}),
]


@pytest.mark.parametrize(("found", "wanted"), CASES, ids=[case[0].type for case in CASES])
def test_what_a_resource_costs(found: Resource, wanted: dict[str, float]) -> None:
    sums: dict[str, float] = {}
    for line in monthly([found], ASSUMED).lines:
        sums[line.item] = sums.get(line.item, 0) + line.usd_month
    assert sums == pytest.approx(wanted)


def test_fargate_is_sized_by_its_task_definition() -> None:
    service = resource(
        "aws:ecs/service:Service", launchType="FARGATE", desiredCount=2, taskDefinition=UNKNOWN
    )
    task = resource("aws:ecs/taskDefinition:TaskDefinition", cpu="512", memory="2048")
    assert lines(service, task) == pytest.approx(
        {
            "ECS Fargate Linux x86 vCPU": 2 * 0.5 * 730 * 0.04048,
            "ECS Fargate Linux x86 memory": 2 * 2 * 730 * 0.004445,
        }
    )
    assert [each.reason for each in monthly([service], ASSUMED).unknown] == [
        "number or size of its tasks is not known here"
    ]


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ({"id": UNKNOWN}, "p5.48xlarge"),  # not known yet: the dearest
        ({"name": "small-1"}, "g6.xlarge"),
        ({"id": "lt-1"}, "g6.xlarge"),
        ({"launchTemplateId": "lt-1"}, "g6.xlarge"),
        ({"id": "lt-3"}, "g6.12xlarge"),  # the one whose id is not known may be it
        ({"id": "lt-3", "name": "other-1"}, None),
        ({"name": "other-1"}, None),
    ],
)
def test_a_node_group_reads_its_launch_template(
    reference: dict[str, str], wanted: str | None
) -> None:
    nodes = resource(NODES, launchTemplate=reference, scalingConfig={"minSize": 1, "maxSize": 1})
    small = dataclasses.replace(template("small", "g6.xlarge"), id="lt-1")
    large = dataclasses.replace(template("large", "p5.48xlarge"), id="lt-2")
    found = monthly([nodes, small, large, template("middle", "g6.12xlarge")], ASSUMED)
    assert [line.item for line in found.lines] == ([f"EC2 {wanted} Linux"] if wanted else [])
    assert len(found.unknown) == (0 if wanted else 1)


def test_an_unknown_launch_template_counts_the_largest_volumes_too() -> None:
    nodes = resource(
        NODES, launchTemplate={"id": UNKNOWN}, scalingConfig={"minSize": 1, "maxSize": 1}
    )
    found = lines(nodes, template("a", "g6.xlarge", 500), template("b", "p5.48xlarge", 100))
    assert found == pytest.approx({"EC2 p5.48xlarge Linux": 730 * 55.04, "EBS gp3 storage": 40.0})


RESERVED = {"capacityReservationTarget": {"capacityReservationId": "cr-1"}}


@pytest.mark.parametrize(
    ("settings", "item", "usd"),
    [
        ({}, "EC2 p5.48xlarge Linux", HOURS * 55.04),
        ({"capacityReservationSpecification": RESERVED}, "EC2 p5.48xlarge Linux", 0),
        (
            {
                "capacityReservationSpecification": RESERVED,
                "instanceMarketOptions": {"marketType": "capacity-block"},
            },
            "EC2 p5.48xlarge Capacity Block, reservation fee",
            HOURS * 41.528,
        ),
        (
            {"instanceMarketOptions": {"marketType": "spot"}},
            "EC2 p5.48xlarge Linux, dearest AZ",
            HOURS * 55.04,
        ),
    ],
)
def test_a_template_says_how_its_machines_are_bought(
    settings: dict[str, Any], item: str, usd: float
) -> None:
    group = resource(
        "aws:batch/computeEnvironment:ComputeEnvironment",
        computeResources={
            "type": "EC2",
            "instanceTypes": ["p5.48xlarge"],
            "maxVcpus": 192,
            "launchTemplate": {"launchTemplateId": "lt-1"},
        },
    )
    disks = [{"ebs": {"volumeSize": 73}}]
    made = Resource(
        type="aws:ec2/launchTemplate:LaunchTemplate",
        name="t",
        props={**settings, "blockDeviceMappings": disks},
        region="us-east-1",
        id="lt-1",
    )
    wanted = {item: usd, "EBS gp3 storage": 73 * HOURS / 730 * 0.08}
    assert lines(group, made) == pytest.approx(wanted)


def test_what_is_not_known_of_a_template_makes_nothing_cheaper() -> None:
    nodes = resource(
        NODES,
        instanceTypes=["g6.xlarge"],
        launchTemplate={"id": UNKNOWN},
        scalingConfig={"minSize": 1, "maxSize": 1},
    )
    props = {"capacityReservationSpecification": RESERVED}
    reserved = Resource(
        type="aws:ec2/launchTemplate:LaunchTemplate", name="t", props=props, region="us-east-1"
    )
    assert lines(nodes, reserved) == lines(nodes) == {"EC2 g6.xlarge Linux": 730 * 0.8048}
    elsewhere = dataclasses.replace(nodes, props={**nodes.props, "launchTemplate": {"id": "lt-9"}})
    found = monthly([elsewhere], ASSUMED)
    assert [each.reason for each in found.unknown] == ["its launch template is not in this stack"]


@pytest.mark.parametrize(
    ("body", "wanted", "gaps"),
    [
        ({"A": "AWS::SecretsManager::Secret", "B": "AWS::SecretsManager::Secret"}, 0.8, []),
        ({"A": "AWS::RolesAnywhere::CRL"}, 0, []),
        ({"A": "AWS::EC2::Instance"}, 0, ["AWS::EC2::Instance in its template is in no price"]),
        (None, 0, ["what its template makes is not known here"]),
    ],
)
def test_a_cloudformation_stack_costs_what_it_makes(
    body: dict[str, str] | None, wanted: float, gaps: list[str]
) -> None:
    made = {name: {"Type": kind} for name, kind in (body or {}).items()}
    written = json.dumps({"Resources": made}) if made else UNKNOWN
    found = monthly([resource("aws:cloudformation/stack:Stack", templateBody=written)], ASSUMED)
    assert found.total_usd == pytest.approx(wanted)
    told = [each.reason for each in found.unknown if not each.by_use]
    assert [each.startswith(gap) for each, gap in zip(told, gaps, strict=True)] == [True] * len(
        gaps
    )


def test_spot_without_a_price_is_at_most_on_demand() -> None:
    nodes = resource(
        NODES,
        "eu-central-1",
        instanceTypes=["g6.xlarge"],
        capacityType="SPOT",
        scalingConfig={"minSize": 1, "maxSize": 1},
    )
    line = monthly([nodes], ASSUMED).lines[-1]
    assert (line.item, line.usd_per_unit) == ("EC2 g6.xlarge Linux", 1.0064)
    assert "no spot price: at most the on-demand price" in line.note


def test_a_price_of_another_region_is_flagged_or_refused() -> None:
    found = resource(VPN, "eu-central-1")
    [line] = monthly([found], ASSUMED).lines
    assert (line.region, line.stand_in) == ("us-east-1", True)
    assert line.note.endswith("price of us-east-1")
    strict = monthly([found], dataclasses.replace(ASSUMED, other_regions=False))
    assert strict.lines == ()
    assert [(each.reason, each.by_use) for each in strict.unknown] == [
        ("no price in eu-central-1", False)
    ]
    own = monthly([resource("aws:kms/key:Key", "eu-central-1")], ASSUMED)
    assert [line.stand_in for line in own.lines] == [False]
    assert own.stand_in_usd == 0


def test_what_is_billed_by_use_is_listed_with_its_price() -> None:
    found = monthly([resource(BUCKET, name="a"), resource(BUCKET, name="b")], ASSUMED)
    assert {(each.item, each.usd_per_unit, each.unit) for each in found.unknown} == {
        ("S3 Standard storage, first 50 TB", 0.023, "GB-month"),
        ("S3 Standard PUT/COPY/POST/LIST", 0.005, "1k requests"),
    }
    assert all(each.by_use for each in found.unknown)
    assert found.total_usd == 0


def test_assumed_use_is_in_the_total_and_says_so() -> None:
    item = "S3 Standard storage, first 50 TB"
    usage = (Usage(item=item, quantity=100), Usage(item=item, quantity=1000, resource="b"))
    found = monthly(
        [resource(BUCKET, name="a"), resource(BUCKET, name="b")],
        Assumptions(training_hours=0, usage=usage),
    )
    assert [(line.quantity, line.note) for line in found.lines] == [
        (100, "assumed"),
        (1000, "assumed"),
    ]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (resource("aws:nowhere/thing:Thing"), "this type is in no price table"),
        (resource("azure:network/x:X"), "this type is in no price table"),
        (resource("aws:budgets/budgetAction:BudgetAction"), "of a budget with actions is not"),
        (resource(ENDPOINT, vpcEndpointType="Interface"), "in how many zones it stands"),
        (resource(NODES, scalingConfig={"minSize": 1, "maxSize": 2}), "of which instance type"),
        (resource(NODES, instanceTypes=["g6.xlarge"]), "how many machines it has is not known"),
        (resource(RDS, engine="mysql", instanceClass="db.t4g.micro"), "database mysql on"),
        (resource(LUSTRE, deploymentType="PERSISTENT_1", storageCapacity=1200), "PERSISTENT_1"),
        (resource("aws:ec2/capacityBlockReservation:CapacityBlockReservation"), "bought up front"),
        (
            resource("aws:ec2/instance:Instance", instanceType="z9.large"),
            "no price in us-east-1",
        ),
    ],
)
def test_what_has_no_price_is_shown(found: Resource, reason: str) -> None:
    estimate = monthly([found], ASSUMED)
    assert any(reason in each.reason and not each.by_use for each in estimate.unknown)
    assert estimate.free == ()


def test_the_dearest_of_several_types_names_those_without_a_price() -> None:
    nodes = resource(
        NODES,
        instanceTypes=["g6.xlarge", "z9.large"],
        scalingConfig={"minSize": 1, "maxSize": 1},
    )
    note = {line.note for line in monthly([nodes], ASSUMED).lines if "g6.xlarge" in line.item}
    assert note == {"1 machines, always; dearest of 2 types; no price of EC2 z9.large Linux"}


KEY = resource("aws:kms/key:Key")
TWO = resource(ENDPOINT, vpcEndpointType="Interface", subnetIds=["a", "b"])
THREE = resource(ENDPOINT, vpcEndpointType="Interface", subnetIds=["a", "b", "c"])


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (None, KEY, 1.0),
        (KEY, None, -1.0),
        (KEY, KEY, 0.0),
        (TWO, THREE, 7.3),
        (None, resource("aws:iam/role:Role"), 0.0),
        (None, resource(BUCKET), None),  # by use alone
        (None, resource("aws:nowhere/thing:Thing"), None),
        (TWO, resource(ENDPOINT, vpcEndpointType="Interface", subnetIds=UNKNOWN), None),
    ],
)
def test_delta(before: Resource | None, after: Resource | None, wanted: float | None) -> None:
    found = cost.delta(before, after, ASSUMED)
    assert found == (wanted if wanted is None else pytest.approx(wanted))


def test_a_launch_template_is_worth_what_it_does_to_groups() -> None:
    nodes = resource(
        NODES, launchTemplate={"id": UNKNOWN}, scalingConfig={"minSize": 1, "maxSize": 1}
    )
    before, after = template("t", "g6.xlarge"), template("t", "g6.12xlarge")
    found = cost.delta(before, after, ASSUMED, among=[nodes, after])
    assert found == pytest.approx(730 * (4.6016 - 0.8048))
    assert cost.delta(before, after, ASSUMED, among=[after]) == 0


def test_a_budget_below_the_list_price() -> None:
    estimate = monthly([KEY, TWO, resource("aws:nowhere/thing:Thing", name="x")], ASSUMED)
    problem = cost.over_budget(estimate, 10, path="landfall:budgetUsd")
    assert problem is not None
    assert str(problem) == (
        "landfall:budgetUsd: a budget of 10.00 USD a month is below the list price of what is "
        "declared, 15.60 USD (ec2.VpcEndpoint it 14.60, kms.Key it 1.00); "
        "3 items more have no price; raise it to 16 or more, or declare less"
    )
    assert cost.over_budget(estimate, 15.6, path="p") is None


# Any stack at all.

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5000),
    st.floats(allow_nan=True),
    st.sampled_from([UNKNOWN, "g6.xlarge", "p5.48xlarge", "gp3", "Interface", "SPOT", "4", ""]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["minSize", "maxSize", "instanceType", "ebs", "id", "name", "type"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)
NAMES = sorted(
    {
        *re.findall(
            r'props\.get\("(\w+)"', "".join(p.read_text() for p in FREE.parent.glob("*.py"))
        ),
        "scalingConfig",
        "computeResources",
        "mixedInstancesPolicy",
        "streamModeDetails",
    }
)
FREE_TYPES = [
    kind for each in tomllib.loads(FREE.read_text())["free"] for kind in each.get("types", [])
]
TYPES = st.one_of(st.sampled_from([*RATES, "aws:no/no:No"]), st.sampled_from(FREE_TYPES))
GOOD = [case[0] for case in CASES] + [
    template("c", "p4d.24xlarge", 10),
    resource(
        NODES,
        instanceTypes=["g6.xlarge"],
        launchTemplate={"name": "c-1"},
        scalingConfig={"minSize": 1, "maxSize": 2},
    ),
    resource(
        NODES,
        instanceTypes=["g6.xlarge"],
        launchTemplate={"id": UNKNOWN},
        scalingConfig={"minSize": 1, "maxSize": 2},
    ),
    template("a", "g6.xlarge", 50),
    template("b", "p5.48xlarge"),
]
RESOURCES = st.one_of(
    st.sampled_from(GOOD),
    st.builds(
        Resource,
        type=TYPES,
        name=st.sampled_from(["a", "b", "c"]),
        props=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5),
        region=st.sampled_from(["us-east-1", "eu-central-1", "xx-none-1"]),
    ),
)
STACKS = st.lists(RESOURCES, max_size=6)
ASSUMPTIONS = st.builds(
    Assumptions,
    training_hours=st.floats(0, 730),
    usage=st.lists(
        st.builds(
            Usage,
            item=st.sampled_from(sorted({each.item for each in prices.prices()})),
            quantity=st.floats(0, 1e6),
        ),
        max_size=3,
    ).map(tuple),
    other_regions=st.booleans(),
)


@settings(deadline=None, max_examples=60)
@given(STACKS, ASSUMPTIONS)
def test_the_total_is_the_sum_and_nothing_is_lost(
    stack: list[Resource], assumed: Assumptions
) -> None:
    found = monthly(stack, assumed)
    assert found.total_usd == pytest.approx(sum(line.usd_month for line in found.lines))
    assert found.total_usd == pytest.approx(sum(found.by_resource.values()))
    assert 0 <= found.stand_in_usd <= found.total_usd
    shown = {line.resource for line in found.lines} | {each.resource for each in found.unknown}
    assert shown | set(found.free) == {each.label for each in stack}
    assert all(line.usd_month >= 0 for line in found.lines)
    if not assumed.other_regions:
        assert found.stand_in_usd == 0


@settings(deadline=None, max_examples=60)
@given(STACKS, ASSUMPTIONS, st.randoms(use_true_random=False))
def test_order_does_not_matter(
    stack: list[Resource], assumed: Assumptions, shuffled: random.Random
) -> None:
    other = list(stack)
    shuffled.shuffle(other)
    assert comparable(monthly(other, assumed)) == comparable(monthly(stack, assumed))


def comparable(estimate: Estimate) -> tuple[object, ...]:
    def key(line: Line) -> str:
        return json.dumps(dataclasses.asdict(line), sort_keys=True)

    return sorted(map(key, estimate.lines)), estimate.unknown, estimate.free, estimate.total_usd


@settings(deadline=None, max_examples=60)
@given(STACKS, RESOURCES, ASSUMPTIONS)
def test_one_resource_more_never_costs_less(
    stack: list[Resource], more: Resource, assumed: Assumptions
) -> None:
    less = monthly(stack, assumed).total_usd
    assert monthly([*stack, more], assumed).total_usd >= less * (1 - 1e-12)


@given(st.from_regex(r"\A[a-z]{2,6}:[a-z]{1,8}/[a-z]{1,8}:[A-Z][a-z]{1,8}\Z"), STACKS, ASSUMPTIONS)
@settings(deadline=None, max_examples=40)
def test_a_type_of_no_table_is_always_shown(
    kind: str, stack: list[Resource], assumed: Assumptions
) -> None:
    if kind in RATES or free(kind):
        return
    strange = Resource(type=kind, name="strange", props={}, region="us-east-1")
    found = [each for each in monthly([*stack, strange], assumed).unknown if each.type == kind]
    assert [each.reason for each in found] == ["this type is in no price table"]


# The tables.

FAMILIES = (
    "EC2 ",
    "RDS ",
    "FSx ",
    "MSK ",
    "ECS ",
    "Direct Connect ",
    "CloudWatch alarm",
    "Application Load",
    "Network Load",
)
"""Items whose names are put together where they are used."""


def test_no_type_is_both_billed_and_free() -> None:
    assert [kind for kind in RATES if free(kind) and not kind.startswith(("kube", "landf"))] == []


def test_every_type_that_the_offline_cloud_knows_is_in_a_table() -> None:
    known = json.loads((ROOT / "stacks/offline/data/aws_semantics.json").read_text())["types"]
    assert [kind for kind in known if kind not in RATES and not free(kind)] == []


def test_every_type_is_one_of_the_sdk() -> None:
    spec = find_spec("pulumi_aws")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the SDK is not installed")
    folder = Path(spec.submodule_search_locations[0])
    listed = [kind for kind in (*RATES, *FREE_TYPES)]
    wrong = [kind for kind in listed if kind.startswith("aws:") and not in_sdk(folder, kind)]
    assert wrong == []


def in_sdk(folder: Path, kind: str) -> bool:
    area, file = kind.split(":")[1].split("/")
    folded = {path.name.rstrip("_"): path.name for path in folder.iterdir()}  # lambda_
    near = [path for path in (folder / folded[area]).glob("*.py") if fold(path.stem) == fold(file)]
    return any(kind in path.read_text() for path in near)


def fold(name: str) -> str:
    return name.replace("_", "").lower()


def test_every_price_says_where_it_is_from() -> None:
    for each in prices.prices():
        assert each.usd >= 0
        assert each.source
        assert each.confidence in prices.CONFIDENCE
        assert each.as_of is None or re.fullmatch(r"20\d\d(-\d\d){0,2}", each.as_of)


def test_every_item_that_is_looked_up_has_a_price() -> None:
    source = "".join(path.read_text() for path in FREE.parent.glob("*.py"))
    named = {each.item for each in prices.prices()}
    used = {item for item in named if item in source}
    assert sorted(item for item in named - used if not item.startswith(FAMILIES)) == []


@pytest.mark.parametrize(
    ("change", "wins"),
    [
        ({"confidence": "secondary", "as_of": "2026-10"}, False),
        ({"as_of": "2026-10"}, True),
        ({"as_of": None}, False),
        ({"usd": 0.1}, False),
        ({"usd": 9.0}, True),
    ],
)
def test_the_most_trusted_then_the_newest_then_the_dearest_price_is_taken(
    change: dict[str, Any], wins: bool
) -> None:
    one = prices.Price(
        item="i",
        region="r",
        unit="u",
        usd=1.0,
        purchase="on_demand",
        as_of="2026-09-21",
        source="s",
        confidence="read",
    )
    other = dataclasses.replace(one, **change)
    assert prices.best([one, other]) == prices.best([other, one]) == (other if wins else one)


def test_a_price_holds_in_its_region_alone() -> None:
    assert prices.in_region("EBS gp3 IOPS over 3000", "eu-west-1") is None
    found = prices.elsewhere("EBS gp3 IOPS over 3000")
    assert found is not None
    assert found.region == "us-east-1"
    everywhere = prices.in_region("Public IPv4 address (in use or idle)", "eu-west-1")
    assert everywhere is not None
