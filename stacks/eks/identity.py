"""Who the control plane, the nodes, and the pods are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stacks.statements import allow, document
from stacks.training.identity import sessions

AWS_POLICY = "arn:aws:iam::aws:policy/"

CONTROL_PLANE: Sequence[str] = ("AmazonEKSClusterPolicy",)

NODE: Sequence[str] = (
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonEC2ContainerRegistryPullOnly",
)
"""What a node needs before any pod has an identity (EKS user guide, "Amazon EKS node IAM role")."""

ADMINISTRATOR = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


def pods_trust(account: str) -> str:
    """A trust policy for pods of this account's clusters (EKS user guide, EKS Pod Identity)."""
    statement = {
        "Sid": "Pods",
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    return document(statement)


def node_policy(*, account: str, region: str) -> str:
    """Being reached for a session, besides what AWS's own policies give a node."""
    return document(*sessions(f"arn:aws:ec2:{region}:{account}:instance/*"))


def autoscaler_policy(*, account: str, region: str, cluster: str) -> str:
    """Changing the size of this cluster's node groups, and of no others."""
    groups = f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*"
    ours: Mapping[str, Mapping[str, str]] = {
        "StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}": "owned"}
    }
    look = ["autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances",
            "autoscaling:DescribeLaunchConfigurations", "autoscaling:DescribeScalingActivities",
            "autoscaling:DescribeTags", "ec2:DescribeImages", "ec2:DescribeInstanceTypes",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:GetInstanceTypesFromInstanceRequirements"]  # fmt: skip
    size = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    node_groups = f"arn:aws:eks:{region}:{account}:nodegroup/{cluster}/*"
    return document(
        allow("Look", look, ["*"]),
        allow("Groups", ["eks:DescribeNodegroup"], [node_groups]),
        allow("Size", size, [groups], when=ours),
    )
