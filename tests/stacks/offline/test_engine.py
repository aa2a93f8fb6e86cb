"""A real engine plans, applies, refreshes and destroys real programs without an account."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import automation as auto

from landfall import process
from landfall.model.change import Kind
from stacks.changes import Collector
from stacks.offline import OfflineCloud, doubts
from stacks.state import folder_of
from tests.stacks.engine import Program
from tests.stacks.offline.rehearsed import Rehearsal, raw

pytestmark = pytest.mark.cloud


def network(cidr: str) -> Program:
    def program() -> None:
        import pulumi_aws as aws

        vpc = aws.ec2.Vpc("vpc", cidr_block=f"{cidr}.0.0/16")
        subnet = aws.ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block=f"{cidr}.1.0/24")
        group = aws.ec2.SecurityGroup("group", vpc_id=vpc.id)
        aws.s3.Bucket("bucket", tags={"Purpose": "artifacts"})
        pulumi.export("vpc", vpc.id)
        pulumi.export("subnet", subnet.arn)
        pulumi.export("group", group.name)

    return program


def test_the_life_of_a_network(rehearsal: Rehearsal) -> None:
    first = network("10.1")
    assert rehearsal.preview(first) == {"create": ["bucket", "group", "subnet", "vpc"]}
    made = rehearsal.stack(first).up().outputs
    assert made["vpc"].value.startswith("vpc-")
    assert set(rehearsal.preview(first)) == {"same"}

    second = network("10.2")
    changes = rehearsal.preview(second)
    assert changes == {"replace": ["group", "subnet", "vpc"], "same": ["bucket"]}
    after = rehearsal.stack(second).up().outputs
    assert all(after[name].value != made[name].value for name in ("vpc", "subnet", "group"))

    refreshed = rehearsal.stack(second).refresh().summary.resource_changes
    assert refreshed is not None
    assert set(refreshed) == {"same"}
    assert set(rehearsal.preview(second)) == {"same"}
    destroyed = rehearsal.stack(second).destroy().summary.resource_changes
    assert destroyed == {"delete": 5}


def test_the_same_program_gives_the_same_ids_in_another_state(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    made = rehearsal.stack(network("10.1")).up().outputs
    other = tmp_path / "other"
    other.mkdir()
    with OfflineCloud() as cloud:
        again = Rehearsal(other, cloud).stack(network("10.1")).up().outputs
    assert {name: each.value for name, each in again.items()} == {
        name: each.value for name, each in made.items()
    }


def test_all_that_is_wrong_is_said_at_once(rehearsal: Rehearsal) -> None:
    said = rehearsal.fails(
        raw(
            "aws:ec2/vpc:Vpc",
            {"cidrBlok": "10.0.0.0/16", "tags": {"a": 1}, "enableDnsSupport": "x"},
        )
    )
    assert "cidrBlok: no such property; did you mean cidrBlock?" in said
    assert 'tags["a"]: must be a string, not a number' in said
    assert "enableDnsSupport: must be true or false, not a string" in said


def test_an_error_never_shows_a_value(rehearsal: Rehearsal) -> None:
    def program() -> None:
        wrong = {"enableDnsSupport": pulumi.Output.secret("hunter2"), "pasword": "hunter2"}
        pulumi.CustomResource("aws:ec2/vpc:Vpc", "thing", wrong)

    said = rehearsal.fails(program)
    assert "enableDnsSupport: must be true or false" in said
    assert "pasword: no such property" in said
    assert "hunter2" not in said


def test_nested_and_missing_properties(rehearsal: Rehearsal) -> None:
    def program() -> None:
        import pulumi_aws as aws

        wrong: Any = {"from_port": 443, "to_port": "443", "protocol": "tcp", "colour": "red"}
        aws.ec2.SecurityGroup("group", ingress=[wrong])

    said = rehearsal.fails(program)
    assert "ingress[0].toPort" in said
    assert "ingress[0].colour" in said
    assert "missing; it must be a string" in rehearsal.fails(
        raw("aws:ec2/customerGateway:CustomerGateway", {})
    )


def test_a_type_that_the_sdk_lacks(rehearsal: Rehearsal) -> None:
    said = rehearsal.fails(raw("aws:ec2/vpc:Vcp", {}))
    assert "no resource type aws:ec2/vpc:Vcp; did you mean aws:ec2/vpc:Vpc?" in said


def test_what_aws_would_refuse_is_refused_before(rehearsal: Rehearsal) -> None:
    def subnets(*networks: str) -> Program:
        def program() -> None:
            import pulumi_aws as aws

            vpc = aws.ec2.Vpc("vpc", cidr_block="10.1.0.0/16")
            for number, network in enumerate(networks):
                aws.ec2.Subnet(f"subnet{number}", vpc_id=vpc.id, cidr_block=network)

        return program

    outside = rehearsal.fails(subnets("10.2.0.0/24"))  # the VPC has no id yet
    assert "cidrBlock: 10.2.0.0/24 is not inside its VPC, 10.1.0.0/16" in outside
    rehearsal.stack(subnets("10.1.0.0/24")).up()
    overlapping = rehearsal.fails(subnets("10.1.0.0/24", "10.1.0.128/25"))
    assert "overlaps" in overlapping


def test_a_function_without_an_answer(rehearsal: Rehearsal) -> None:
    def program() -> None:
        import pulumi_aws as aws

        aws.ec2.get_instances()

    assert "cannot answer aws:ec2/getInstances:getInstances" in rehearsal.fails(program)


def test_a_type_outside_the_table_is_unknown_and_never_an_update(rehearsal: Rehearsal) -> None:
    def changes(name: str, *, up: bool = False) -> list[tuple[Kind, str]]:
        collector = Collector("dev", doubts)
        stack = rehearsal.stack(raw("aws:ec2/ami:Ami", {"name": name}))
        stack.preview(on_event=collector)
        if up:
            stack.up()
        found = [each for each in collector.changes if "ec2/ami" in each.target]
        return [(each.kind, each.reasons[0]) for each in found]

    said = "aws:ec2/ami:Ami is not in the offline provider's table: "
    made = changes("a", up=True)
    assert made == [(Kind.UNKNOWN, f"{said}what AWS fills in and answers is not known here")]
    assert changes("b") == [(Kind.UNKNOWN, f"{said}what replaces it is not known here")]
    assert changes("a") == []


def test_every_provider_works_in_its_own_region(rehearsal: Rehearsal) -> None:
    def program() -> None:
        import pulumi_aws as aws

        tags = aws.ProviderDefaultTagsArgs(tags={"Owner": "team"})
        west = aws.Provider("west", region="eu-west-1", default_tags=tags)
        first = aws.sns.Topic("first")
        second = aws.sns.Topic(
            "second", opts=pulumi.ResourceOptions(provider=west, depends_on=[first])
        )
        third = aws.sns.Topic("third", opts=pulumi.ResourceOptions(depends_on=[second]))
        for topic, name in ((first, "first"), (second, "second"), (third, "third")):
            pulumi.export(name, topic.region)
            pulumi.export(f"{name} tags", topic.tags_all)

    made = {name: each.value for name, each in rehearsal.stack(program).up().outputs.items()}
    assert [made[name] for name in ("first", "second", "third")] == [
        "eu-central-1",
        "eu-west-1",
        "eu-central-1",
    ]
    assert made["second tags"] == {"Owner": "team"}
    assert not made["third tags"]


def test_the_state_of_a_real_provider_is_refused(rehearsal: Rehearsal) -> None:
    stack = rehearsal.stack(network("10.1"))
    stack.up()
    exported = stack.export_stack()
    assert exported.deployment is not None
    for resource in exported.deployment["resources"]:
        if resource["type"] == "pulumi:providers:aws":
            for part in ("inputs", "outputs"):
                assert resource[part].pop("landfallOffline") == "true"
    stack.import_stack(exported)
    for act in (stack.preview, stack.destroy, stack.refresh):
        with pytest.raises(auto.CommandError, match="made with a real AWS provider"):
            act()


def test_secrets_stay_secret_in_state(rehearsal: Rehearsal) -> None:
    def program() -> None:
        import pulumi_aws as aws

        secret = aws.secretsmanager.Secret("secret")
        aws.secretsmanager.SecretVersion("version", secret_id=secret.id, secret_string="hunter2")
        aws.ssm.Parameter("parameter", type="SecureString", value=pulumi.Output.secret("hunter2"))

    stack = rehearsal.stack(program)
    stack.up()
    folder = folder_of(rehearsal.variables["PULUMI_BACKEND_URL"])
    assert folder is not None
    texts = [each.read_text(errors="replace") for each in folder.rglob("*") if each.is_file()]
    assert texts
    assert not [text for text in texts if "hunter2" in text]


def test_served_by_a_process_of_its_own(tmp_path: Path) -> None:
    """`python -m stacks.offline` writes its ports once it answers, and ends with SIGTERM."""
    import sys

    port_file = tmp_path / "port"
    argv = [sys.executable, "-m", "stacks.offline", "--port-file", str(port_file)]
    root = Path(__file__).parents[3]
    daemon = process.spawn(
        argv, name="offline", record=tmp_path / "record", log=tmp_path / "log", cwd=root
    )
    try:
        assert process.wait_until(port_file.exists, timeout_s=60), daemon.tail()
        assert re.fullmatch(r"aws:\d+,kubernetes:\d+\n", port_file.read_text())
        assert daemon.alive()
    finally:
        daemon.stop()
    assert not daemon.alive()
