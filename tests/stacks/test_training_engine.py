"""Training on EC2 and on EKS, planned and applied by a real engine against the offline cloud."""

from __future__ import annotations

import base64
import email
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from landfall.model.ami import eks_ami_type
from landfall.model.catalog import instance_types
from stacks.eks import EksTraining
from stacks.training import Ec2Training, Shared
from tests.stacks import components
from tests.stacks.conftest import Planned, Rehearsal
from tests.stacks.trained import (
    DIGEST,
    DRIVERS,
    LARGE,
    OFFERING,
    SMALL,
    SPOT,
    block,
    ec2,
    ec2_args,
    eks,
    eks_args,
)

pytestmark = pytest.mark.cloud

OTHER = "cb-0fedcba987654321f"
EVERY = {
    "small": SMALL,
    "spot": SPOT,
    "large": LARGE,
    "offered": block(),
    "bought": block(purchase=OFFERING),
}


def on_ec2(settings: dict[str, Any], **place: Any) -> Callable[[], None]:
    def program() -> None:
        Ec2Training("training", ec2_args(settings, **place))

    return program


def on_eks(settings: dict[str, Any], folder: Path, **place: Any) -> Callable[[], None]:
    def program() -> None:
        EksTraining("training", eks_args({**settings, "manifests": str(folder)}, **place))

    return program


def changes(planned: Planned) -> dict[str, str]:
    return {key: op for key, op in planned.operations.items() if op != "same"}


def closed(planned: Planned) -> None:
    """What holds for every machine of ours, however it is started."""
    for template in planned.of("aws:ec2/launchTemplate:LaunchTemplate").values():
        metadata = template["metadataOptions"]
        assert (metadata["httpTokens"], metadata["httpPutResponseHopLimit"]) == ("required", 1)
        assert "keyName" not in template
        [volume] = template["blockDeviceMappings"]
        assert volume["ebs"]["encrypted"] == "true"
        assert volume["ebs"]["kmsKeyId"] == components.key_arn("compute")
        for interface in template["networkInterfaces"]:
            assert interface.get("associatePublicIpAddress", "false") == "false"
            assert interface["securityGroups"]
        tags = {each["resourceType"]: each["tags"] for each in template["tagSpecifications"]}
        assert tags["instance"]["landfall:owner"] == "platform"
        assert tags["volume"] == tags["instance"]
    for token in ("securityGroupIngressRule", "securityGroupEgressRule"):
        kind = f"aws:vpc/{token}:{token[0].upper()}{token[1:]}"
        for rule in planned.of(kind).values():
            assert "cidrIpv4" not in rule or rule["cidrIpv4"] == "10.10.0.0/24"
            assert "cidrIpv6" not in rule
    for role in planned.of("aws:iam/role:Role").values():
        assert role["path"] == "/landfall/"
        assert role["permissionsBoundary"]
    for group in planned.of("aws:cloudwatch/logGroup:LogGroup").values():
        assert (group["retentionInDays"], group["kmsKeyId"]) == (90, components.key_arn("logs"))


def test_pools_of_every_capacity(rehearsal: Rehearsal) -> None:
    planned = rehearsal.preview(on_ec2(ec2(**EVERY)))
    closed(planned)
    found = planned.of("aws:batch/computeEnvironment:ComputeEnvironment")
    assert set(found) == {"small", "spot", "large", "bought"}
    resources = {name: each["computeResources"] for name, each in found.items()}
    assert resources["small"]["maxVcpus"] == 4
    assert resources["spot"]["instanceTypes"] == ["g6.xlarge", "g6.2xlarge"]
    assert resources["large"]["subnets"] == ["subnet-0a000002"]
    assert resources["large"]["placementGroup"] == "landfall-dev-large"
    assert resources["bought"]["subnets"] == ["subnet-0a000001"]
    assert "placementGroup" not in resources["bought"]

    templates = planned.of("aws:ec2/launchTemplate:LaunchTemplate")
    assert templates["bought"]["instanceMarketOptions"] == {"marketType": "capacity-block"}
    only = templates["large"]["capacityReservationSpecification"]["capacityReservationPreference"]
    assert only == "capacity-reservations-only"
    assert len(templates["large"]["networkInterfaces"]) == 33
    assert "capacityReservationSpecification" not in templates["small"]

    definitions = planned.of("aws:batch/jobDefinition:JobDefinition")
    assert {name: each["type"] for name, each in definitions.items()} == {
        "small": "container",
        "spot": "container",
        "large": "multinode",
        "bought": "multinode",
    }
    # All of a job is known when it is planned: its image, and that it is not privileged.
    job = json.loads(definitions["small"]["containerProperties"])
    assert job["image"].endswith(f"/landfall-dev/training@{DIGEST}")
    assert job["jobRoleArn"].startswith(f"arn:aws:iam::{components.ACCOUNT}:role/landfall/")
    assert job["privileged"] is False
    for each in definitions.values():
        assert each["deregisterOnNewRevision"] is False
        assert each["timeout"]["attemptDurationSeconds"] == 24 * 3600


def test_nothing_is_bought_that_nobody_agreed_to(rehearsal: Rehearsal) -> None:
    planned = rehearsal.preview(on_ec2(ec2(small=SMALL, offered=block())))
    assert planned.of("aws:ec2/capacityBlockReservation:CapacityBlockReservation") == {}
    names = [key.partition(" ")[2] for key in planned.inputs if key.startswith("aws:")]
    assert [each for each in names if "offered" in each] == []
    [told] = [each for each in planned.diagnostics if "not bought" in each]
    assert f"capacity.purchase: {OFFERING}" in told


def test_what_was_agreed_to_is_bought_with_a_warning(rehearsal: Rehearsal) -> None:
    planned = rehearsal.preview(on_ec2(ec2(bought=block(purchase=OFFERING))))
    [reservation] = planned.of("aws:ec2/capacityBlockReservation:CapacityBlockReservation").values()
    assert reservation["capacityBlockOfferingId"] == OFFERING
    assert any("cannot be given back" in each for each in planned.diagnostics)
    [end] = [
        each["scheduleExpression"]
        for each in planned.of("aws:cloudwatch/eventRule:EventRule").values()
        if each.get("scheduleExpression")
    ]
    assert end == "cron(45 10 12 1 ? 2027)"


def test_a_machine_is_told_what_its_pool_is(rehearsal: Rehearsal) -> None:
    planned = rehearsal.preview(on_ec2(ec2(small=SMALL)))
    [template] = planned.of("aws:ec2/launchTemplate:LaunchTemplate").values()
    message = email.message_from_string(base64.b64decode(template["userData"]).decode())
    [part] = [each for each in message.walk() if not each.is_multipart()]
    files = yaml.safe_load(str(part.get_payload()))["write_files"]
    report = next(each["content"] for each in files if each["path"].endswith("landfall-report"))
    assert "Environment=dev,Pool=small" in report


def test_a_file_system_is_mounted_by_its_clients(rehearsal: Rehearsal) -> None:
    def program() -> None:
        shared = Shared(
            group=pulumi.Output.from_input("sg-0f000001"),
            dns_name=pulumi.Output.from_input("fs-1.fsx.eu-central-1.amazonaws.com"),
            mount_name=pulumi.Output.from_input("abcdefgh"),
        )
        Ec2Training("training", replace(ec2_args(ec2(small=SMALL)), shared=shared))
        EksTraining("cluster", replace(eks_args(eks()), shared=shared))

    templates = rehearsal.preview(program).of("aws:ec2/launchTemplate:LaunchTemplate")
    for name in ("small", "large", "cluster-system"):
        [*_, group] = templates[name]["networkInterfaces"][0]["securityGroups"]
        assert group == "sg-0f000001"
    text = base64.b64decode(templates["small"]["userData"]).decode()
    assert "fs-1.fsx.eu-central-1.amazonaws.com@tcp:/abcdefgh" in text


def test_what_a_change_does(rehearsal: Rehearsal) -> None:
    before = ec2(small=SMALL, bought=block(purchase=OFFERING))
    rehearsal.up(on_ec2(before))
    assert changes(rehearsal.preview(on_ec2(before))) == {}
    after = {
        **before,
        "jobImage": "training@sha256:" + "2" * 64,
        "pools": {
            "small": {**SMALL, "volumeGib": 300},
            "bought": block(offering=OTHER, purchase=OTHER),
        },
    }
    found = changes(rehearsal.preview(on_ec2(after)))
    # A new revision of the job; machines that are updated while jobs run.
    assert found["aws:batch/jobDefinition:JobDefinition small"] == "update"
    assert found["aws:ec2/launchTemplate:LaunchTemplate small"] == "update"
    assert found["aws:batch/computeEnvironment:ComputeEnvironment small"] == "update"
    assert "aws:batch/jobQueue:JobQueue small" not in found
    # Another block is bought, and its environment is another one behind the same queue.
    bought = "aws:ec2/capacityBlockReservation:CapacityBlockReservation bought"
    assert found[bought] == "replace"
    assert found["aws:batch/computeEnvironment:ComputeEnvironment bought"] == "replace"
    assert found["aws:batch/jobQueue:JobQueue bought"] == "update"


def test_a_protected_reservation_is_not_let_go(rehearsal: Rehearsal) -> None:
    rehearsal.up(on_ec2(ec2(small=SMALL, large=LARGE), protect=True))
    told = rehearsal.fails(on_ec2(ec2(small=SMALL), protect=True))
    assert "CapacityReservation::large" in told
    assert "protect" in told


def test_a_cluster_that_only_the_network_reaches(rehearsal: Rehearsal, tmp_path: Path) -> None:
    planned = rehearsal.preview(on_eks(eks(), tmp_path / "manifests", protect=True))
    closed(planned)
    [cluster] = planned.of("aws:eks/cluster:Cluster").values()
    assert cluster["vpcConfig"]["endpointPublicAccess"] is False
    assert cluster["vpcConfig"]["endpointPrivateAccess"] is True
    assert cluster["accessConfig"] == {
        "authenticationMode": "API",
        "bootstrapClusterCreatorAdminPermissions": False,
    }
    assert cluster["encryptionConfig"]["provider"]["keyArn"] == components.key_arn("secrets")
    assert len(cluster["enabledClusterLogTypes"]) == 5
    assert cluster["deletionProtection"] is True
    assert cluster["bootstrapSelfManagedAddons"] is False
    addons = planned.of("aws:eks/addon:Addon")
    assert '"enableNetworkPolicy": "true"' in addons["training-vpc-cni"]["configurationValues"]
    assert "training-eks-node-monitoring-agent" in addons

    groups = planned.of("aws:eks/nodeGroup:NodeGroup")
    assert {name: each.get("capacityType") for name, each in groups.items()} == {
        "training-system": None,
        "large": "ON_DEMAND",
        "spot": "SPOT",
        "block": "CAPACITY_BLOCK",
    }
    for name in ("large", "spot", "block"):
        assert groups[name]["scalingConfig"] == {"desiredSize": 0, "maxSize": 2, "minSize": 0}
        assert groups[name]["nodeRepairConfig"]["enabled"] is True
        assert groups[name]["taints"][0]["effect"] == "NO_SCHEDULE"
    assert groups["block"]["subnetIds"] == ["subnet-0a000001"]
    assert "instanceTypes" not in groups["block"]
    template = planned.of("aws:ec2/launchTemplate:LaunchTemplate")["block"]
    assert template["instanceType"] == "p5en.48xlarge"
    identities = planned.of("aws:eks/podIdentityAssociation:PodIdentityAssociation")
    assert identities["training-job"]["serviceAccount"] == "training"


def test_objects_are_rendered_and_stay(rehearsal: Rehearsal, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    program = on_eks(eks(), folder)
    rehearsal.up(program)
    assert changes(rehearsal.preview(program)) == {}
    written = [yaml.safe_load(each.read_text()) for each in sorted(folder.rglob("*.yaml"))]
    kinds = {each["kind"] for each in written}
    assert {"NetworkPolicy", "ClusterQueue", "ClusterTrainingRuntime"} <= kinds
    assert "TrainJob" not in kinds
    [runtime] = [
        each
        for each in written
        if each["kind"] == "ClusterTrainingRuntime" and each["metadata"]["name"] == "large"
    ]
    [job] = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    [container] = job["template"]["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert variables["LANDFALL_CHECKPOINTS"] == "s3://landfall-artifacts/checkpoints/eks-large"
    registry = f"{components.ACCOUNT}.dkr.ecr.{components.REGION}.amazonaws.com/landfall-dev/"
    assert container["image"].startswith(registry)

    newer = eks({**DRIVERS, "version": "1.36"})
    found = changes(rehearsal.preview(on_eks(newer, folder)))
    assert found["aws:eks/cluster:Cluster training"] == "update"
    assert "replace" not in found.values()


def test_machines_with_every_number_of_efas(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """One type for each: with Batch and as a node group."""
    kinds = {kind.efa: kind for kind in instance_types().values()}
    pools = {
        kind.family: {
            "instanceTypes": [kind.type],
            "efa": kind.efa > 0,
            "maxInstances": 2,
            "capacity": {"kind": "onDemand", "zone": "eu-central-1a"},
        }
        for kind in kinds.values()
    }
    assert len(pools) == len(kinds)

    def program() -> None:
        Ec2Training("training", ec2_args(ec2(**pools)))
        settings = eks(pools=pools, manifests=str(tmp_path))
        EksTraining("cluster", eks_args(settings))

    planned = rehearsal.preview(program)
    groups = planned.of("aws:eks/nodeGroup:NodeGroup")
    templates = planned.of("aws:ec2/launchTemplate:LaunchTemplate")
    for kind in kinds.values():
        found = templates[kind.family]["networkInterfaces"]
        assert [each["interfaceType"] for each in found].count("efa-only") == kind.efa
        assert groups[kind.family]["amiType"] == eks_ami_type(kind.type)
