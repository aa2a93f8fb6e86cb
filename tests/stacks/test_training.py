"""What training on EC2 is made of, without an engine: layouts, policies, jobs, schedules."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pulumi
import pytest

from landfall.model import efa
from landfall.model.catalog import instance_types
from stacks.settings.training import Block, Pool
from stacks.training import health, jobs
from stacks.training.batch import launching
from stacks.training.block import drain_document, once
from stacks.training.capacity import Claim, in_zone, not_bought
from stacks.training.ec2 import bucket_name, registry_image
from stacks.training.identity import Data, job_policy, machine_policy, sending_policy
from stacks.training.jobs import Job
from stacks.training.template import interfaces, reserved
from tests.stacks import components, iam
from tests.stacks.trained import DIGEST, LARGE, OFFERING, RESERVED, SMALL, SPOT, block

ACCOUNT, REGION = components.ACCOUNT, components.REGION
DATA = Data(
    datasets="arn:aws:s3:::data",
    artifacts="arn:aws:s3:::artifacts",
    datasets_key=components.key_arn("datasets"),
    artifacts_key=components.key_arn("artifacts"),
)
JOB = Job(
    image=f"registry/landfall-dev/training@{DIGEST}",
    command=("train", "--all"),
    role="arn:aws:iam::111122223333:role/job",
    pool="small",
    datasets="data",
    artifacts="artifacts",
    log_group="/landfall/dev/training",
    region=REGION,
)


def pool(written: dict[str, Any]) -> Pool:
    return Pool.model_validate(written)


def statements(policy: str) -> dict[str, dict[str, Any]]:
    return {each["Sid"]: each for each in json.loads(policy)["Statement"]}


MAY: list[tuple[str, str, dict[str, str], bool]] = [
    ("s3:GetObject", "arn:aws:s3:::data/set/part-0", {}, True),
    ("s3:PutObject", "arn:aws:s3:::data/set/part-0", {}, False),
    ("s3:DeleteObject", "arn:aws:s3:::artifacts/checkpoints/small/1", {}, False),
    ("s3:PutObject", "arn:aws:s3:::artifacts/checkpoints/small/1", {}, True),
    ("s3:PutObject", "arn:aws:s3:::artifacts/models/released", {}, False),
    ("s3:GetObject", "arn:aws:s3:::artifacts/models/released", {}, False),
    ("s3:ListBucket", "arn:aws:s3:::artifacts", {"s3:prefix": "checkpoints/small"}, True),
    ("s3:ListBucket", "arn:aws:s3:::artifacts", {"s3:prefix": "models/"}, False),
    ("kms:Decrypt", DATA.datasets_key, {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}, True),
    ("kms:Decrypt", DATA.datasets_key, {}, False),
    (
        "kms:GenerateDataKey",
        DATA.datasets_key,
        {"kms:ViaService": f"s3.{REGION}.amazonaws.com"},
        False,
    ),
]


@pytest.mark.parametrize(("action", "resource", "context", "may"), MAY)
def test_what_a_job_may(action: str, resource: str, context: dict[str, str], may: bool) -> None:
    policy = job_policy(DATA, region=REGION)
    assert iam.allowed(policy, action=action, resource=resource, context=context) is may


def test_a_machine_reaches_no_data_and_no_parameters() -> None:
    policy = machine_policy(
        account=ACCOUNT, region=REGION, log_group="arn:logs", repositories="arn:ecr"
    )
    actions = {action for each in statements(policy).values() for action in each["Action"]}
    assert not [each for each in actions if each.startswith(("s3:", "kms:", "iam:", "secrets"))]
    assert not actions & {"ssm:GetParameter", "ssm:GetParameters", "ec2:TerminateInstances"}
    assert not [each for each in actions if "*" in each]
    assert statements(policy)["Report"]["Condition"] == {
        "StringEquals": {"cloudwatch:namespace": "Landfall/Training"}
    }


def test_the_end_of_a_block_reaches_one_pool() -> None:
    policy = statements(sending_policy(document_arn="arn:doc", instances="arn:i/*", pool="large"))
    assert policy["Machines"]["Condition"] == {
        "StringEquals": {"ssm:resourceTag/landfall:pool": "large"}
    }
    assert policy["Document"]["Resource"] == ["arn:doc"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (SMALL, {"type": "EC2", "allocation_strategy": "BEST_FIT_PROGRESSIVE"}),
        (SPOT, {"type": "SPOT", "allocation_strategy": "SPOT_PRICE_CAPACITY_OPTIMIZED"}),
        (LARGE, {"type": "EC2", "allocation_strategy": "BEST_FIT_PROGRESSIVE"}),
        (block(), {"type": "EC2", "allocation_strategy": "BEST_FIT"}),
    ],
)
def test_how_machines_are_got(written: dict[str, Any], expected: dict[str, str]) -> None:
    assert launching(pool(written)) == expected


def test_every_interface_has_the_group() -> None:
    found = interfaces(efa.interfaces("p5.48xlarge", efa=True), ["sg-1"])
    assert len(found) == 33
    assert all(each["security_groups"] == ["sg-1"] for each in found)
    assert not any("associate_public_ip_address" in each for each in found)
    [single] = interfaces(efa.interfaces("g6.xlarge", efa=False), ["sg-1"])
    assert single["associate_public_ip_address"] == "false"


def test_what_a_machine_may_use() -> None:
    held = pulumi.Output.from_input(RESERVED)
    assert reserved(Claim()) is None
    assert reserved(Claim(reservation=held)) == {
        "capacity_reservation_preference": "capacity-reservations-only",
        "capacity_reservation_target": {"capacity_reservation_id": held},
    }
    assert reserved(Claim(reservation=held, block=True)) == {
        "capacity_reservation_target": {"capacity_reservation_id": held}
    }


def test_capacity_in_a_zone_uses_that_zones_subnet() -> None:
    place = components.place()
    assert in_zone(pool(SMALL), place, ["a", "b"]) == ["a", "b"]
    assert in_zone(pool(LARGE), place, ["a", "b"]) == ["b"]


def test_what_would_be_bought_is_told_with_how_to_agree() -> None:
    found = pool(block())
    assert isinstance(found.capacity, Block)
    told = not_bought("large", found, found.capacity)
    for part in ("2 x p5en.48xlarge", "eu-central-1a", "2027-01-11 11:30", OFFERING, "never given"):
        assert part in told
    assert told.endswith(f"capacity.purchase: {OFFERING}")


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (datetime(2027, 1, 12, 10, 45, tzinfo=UTC), "cron(45 10 12 1 ? 2027)"),
        (
            datetime(2027, 1, 1, 0, 15, tzinfo=timezone(timedelta(hours=1))),
            "cron(15 23 31 12 ? 2026)",
        ),
    ],
)
def test_a_schedule_is_met_once_and_in_utc(when: datetime, expected: str) -> None:
    assert once(when) == expected


def test_the_document_runs_the_machines_own_script() -> None:
    [step] = json.loads(drain_document())["mainSteps"]
    assert step["inputs"]["runCommand"] == ["/usr/local/sbin/landfall-drain block-end"]


def test_a_job_has_a_whole_machine_of_the_smallest_type() -> None:
    found = jobs.container(JOB, pool(SPOT))
    wanted = {each["type"]: each["value"] for each in found["resourceRequirements"]}
    assert wanted == {"GPU": "1", "VCPU": "4", "MEMORY": "14745"}
    assert found["privileged"] is False
    assert found["user"] == "1000:1000"


@pytest.mark.parametrize("name", sorted(instance_types()))
def test_a_job_fits_on_every_type(name: str) -> None:
    kind = instance_types()[name]
    found = jobs.container(JOB, pool({"instanceTypes": [name]}))
    wanted = {each["type"]: int(each["value"]) for each in found["resourceRequirements"]}
    assert wanted["GPU"] == kind.gpus
    assert wanted["VCPU"] <= kind.vcpu
    assert wanted["MEMORY"] < kind.mem_gib * 1024
    assert found["linuxParameters"]["sharedMemorySize"] < wanted["MEMORY"]


def test_a_job_knows_where_its_checkpoints_are() -> None:
    assert jobs.environment(JOB)["LANDFALL_CHECKPOINTS"] == "s3://artifacts/checkpoints/small"


def test_a_job_with_efa_gets_every_device_and_locked_memory() -> None:
    found = jobs.container(JOB, pool(LARGE))
    devices = [each["hostPath"] for each in found["linuxParameters"]["devices"]]
    assert devices == [f"/dev/infiniband/uverbs{index}" for index in range(32)]
    assert found["ulimits"] == [{"name": "memlock", "softLimit": -1, "hardLimit": -1}]
    assert jobs.container(JOB, pool(SMALL))["linuxParameters"]["devices"] == []


def test_a_job_on_several_machines() -> None:
    assert jobs.several(pool(LARGE))
    assert not jobs.several(pool({**LARGE, "maxInstances": 1}))
    found = json.loads(jobs.node_properties(JOB, pool(LARGE)))
    assert found["numNodes"] == 2
    assert found["nodeRangeProperties"][0]["targetNodes"] == "0:"


def test_data_sets_of_the_file_system_are_read_only() -> None:
    found = jobs.container(replace(JOB, lustre=True), pool(SMALL))
    mounts = {each["containerPath"]: each["readOnly"] for each in found["mountPoints"]}
    assert mounts == {"/scratch": False, "/datasets": True}


def test_who_is_tried_again() -> None:
    assert [each["action"] for each in jobs.RETRY] == ["RETRY", "RETRY", "EXIT"]
    assert jobs.RETRY[0]["on_status_reason"] == "Host EC2*"
    assert (jobs.attempts(pool(SPOT)), jobs.attempts(pool(SMALL))) == (10, 3)


def test_jobs_of_other_queues_are_not_told() -> None:
    found = json.loads(health.pattern("failed-jobs", "arn:queue/landfall-dev-"))
    assert found["detail"]["jobQueue"] == [{"prefix": "arn:queue/landfall-dev-"}]
    assert "jobQueue" not in health.TOLD["failed-jobs"]["detail"]


def test_names_of_what_is_used() -> None:
    assert bucket_name("arn:aws:s3:::landfall-artifacts") == "landfall-artifacts"
    image = registry_image(f"training@{DIGEST}", account=ACCOUNT, place=components.place())
    registry = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    assert image == f"{registry}/landfall-dev/training@{DIGEST}"
