"""Who a job and a machine are, and what each may do: two identities, neither with the other's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stacks.statements import Statement, allow, document
from stacks.training.userdata import NAMESPACE

CHECKPOINTS = "checkpoints"
"""The prefix in the artifacts' bucket below which jobs write, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """ARNs of what a job reads and writes."""

    datasets: str
    artifacts: str
    datasets_key: str
    artifacts_key: str


def job_policy(data: Data, *, region: str) -> str:
    """Reading data sets, and reading and writing checkpoints, each with its own key."""
    by_s3 = {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}}
    below = {"StringLike": {"s3:prefix": [f"{CHECKPOINTS}/*"]}}
    work = [
        "s3:GetObject",
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    ]
    return document(
        allow("ReadData", ["s3:GetObject"], [f"{data.datasets}/*"]),
        allow("ListData", ["s3:ListBucket"], [data.datasets]),
        allow("Checkpoints", work, [f"{data.artifacts}/{CHECKPOINTS}/*"]),
        allow("ListCheckpoints", ["s3:ListBucket"], [data.artifacts], when=below),
        allow("DataKey", ["kms:Decrypt"], [data.datasets_key], when=by_s3),
        allow(
            "ArtifactsKey", ["kms:Decrypt", "kms:GenerateDataKey"], [data.artifacts_key], when=by_s3
        ),
    )


def machine_policy(*, account: str, region: str, log_group: str, repositories: str) -> str:
    """What a machine of AWS Batch does itself: join, pull, log, report, be reached for a session.

    Args:
        account: the environment's.
        region: where it stands.
        log_group: ARN of the log group of jobs.
        repositories: ARN, with a wildcard, of the repositories that it pulls from.
    """
    return document(
        *_joining(f"arn:aws:ecs:{region}:{account}"),
        *pulling(repositories),
        allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group}:*"]),
        reporting(),
        *sessions(f"arn:aws:ec2:{region}:{account}:instance/*"),
    )


def _joining(ecs: str) -> Sequence[Statement]:
    """What the ECS agent does, in clusters that AWS Batch made."""
    clusters = f"{ecs}:cluster/AWSBatch-*"
    work = ["ecs:Poll", "ecs:StartTelemetrySession", "ecs:UpdateContainerInstancesState",
            "ecs:SubmitTaskStateChange", "ecs:SubmitContainerStateChange",
            "ecs:SubmitAttachmentStateChanges"]  # fmt: skip
    ours = {"ArnLike": {"ecs:cluster": clusters}}
    return (
        allow("Discover", ["ecs:DiscoverPollEndpoint"], ["*"]),
        allow(
            "Join",
            ["ecs:RegisterContainerInstance", "ecs:DeregisterContainerInstance"],
            [clusters],
        ),
        allow("Work", work, ["*"], when=ours),
    )


def pulling(repositories: str) -> Sequence[Statement]:
    """Pulling images of the environment's own repositories."""
    layers = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    return (
        allow("Login", ["ecr:GetAuthorizationToken"], ["*"]),
        allow("Pull", layers, [repositories]),
    )


def reporting() -> Statement:
    """Metrics of training, and of nothing else."""
    ours = {"StringEquals": {"cloudwatch:namespace": NAMESPACE}}
    return allow("Report", ["cloudwatch:PutMetricData"], ["*"], when=ours)


def sessions(instances: str) -> Sequence[Statement]:
    """Session Manager and Run Command, without reading anybody's parameters.

    AWS's own policy for it, AmazonSSMManagedInstanceCore, reads every parameter of the account.
    """
    channels = ["ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
                "ec2messages:AcknowledgeMessage", "ec2messages:DeleteMessage",
                "ec2messages:FailMessage", "ec2messages:GetEndpoint",
                "ec2messages:GetMessages", "ec2messages:SendReply"]  # fmt: skip
    own = ["ssm:UpdateInstanceInformation"]
    return (allow("Managed", own, [instances]), allow("Channels", channels, ["*"]))


def sending_policy(*, document_arn: str, instances: str, pool: str) -> str:
    """Running one document on the machines of one pool."""
    ours = {"StringEquals": {"ssm:resourceTag/landfall:pool": pool}}
    return document(
        allow("Document", ["ssm:SendCommand"], [document_arn]),
        allow("Machines", ["ssm:SendCommand"], [instances], when=ours),
    )
