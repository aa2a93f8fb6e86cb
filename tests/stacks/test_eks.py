"""Who nodes and pods of a cluster are, without an engine."""

from __future__ import annotations

import json

import pytest

from stacks.eks import identity
from tests.stacks import components, iam

ACCOUNT, REGION = components.ACCOUNT, components.REGION
CLUSTER = "landfall-dev-training"
GROUP = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:1:autoScalingGroupName/x"
OURS = {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{CLUSTER}": "owned"}
THEIRS = {"aws:ResourceTag/k8s.io/cluster-autoscaler/landfall-prod-training": "owned"}


@pytest.mark.parametrize(
    ("action", "resource", "context", "may"),
    [
        ("autoscaling:SetDesiredCapacity", GROUP, OURS, True),
        ("autoscaling:SetDesiredCapacity", GROUP, THEIRS, False),
        ("autoscaling:SetDesiredCapacity", GROUP, {}, False),
        ("autoscaling:UpdateAutoScalingGroup", GROUP, OURS, False),
        ("autoscaling:DescribeAutoScalingGroups", "*", {}, True),
        ("ec2:RunInstances", "*", {}, False),
        (
            "eks:DescribeNodegroup",
            f"arn:aws:eks:{REGION}:{ACCOUNT}:nodegroup/{CLUSTER}/large/1",
            {},
            True,
        ),
    ],
)
def test_what_the_autoscaler_may(
    action: str, resource: str, context: dict[str, str], may: bool
) -> None:
    policy = identity.autoscaler_policy(account=ACCOUNT, region=REGION, cluster=CLUSTER)
    assert iam.allowed(policy, action=action, resource=resource, context=context) is may


def test_only_pods_of_the_account_get_a_role() -> None:
    [trust] = json.loads(identity.pods_trust(ACCOUNT))["Statement"]
    assert trust["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert "Resource" not in trust


def test_a_node_reads_no_parameters() -> None:
    policy = identity.node_policy(account=ACCOUNT, region=REGION)
    assert not iam.allowed(policy, action="ssm:GetParameter", resource="*")
    assert iam.allowed(policy, action="ssmmessages:OpenDataChannel")
