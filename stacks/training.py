"""Rented GPUs: what an instance of a training job is made from, and what it may do."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.keys import EncryptionKey
from stacks.network import Network
from stacks.storage import ArtifactBucket

HTTPS = 443


@dataclass(frozen=True, kw_only=True)
class TrainingArgs:
    """What training needs to know. `volume_gib` is the root volume's size in GiB."""

    network: Network
    bucket: ArtifactBucket
    key: EncryptionKey
    instance_type: str
    image: str
    volume_gib: int
    s3_prefix_list: pulumi.Output[str]


class Training(pulumi.ComponentResource):
    """A launch template for one GPU type, with an identity that reaches the artifacts only."""

    template: aws.ec2.LaunchTemplate

    def __init__(
        self, name: str, args: TrainingArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Training", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        profile = self._identity(name, args, child)
        group = self._firewall(name, args, child)
        self.template = aws.ec2.LaunchTemplate(
            name,
            image_id=args.image,
            instance_type=args.instance_type,
            update_default_version=True,
            iam_instance_profile={"arn": profile.arn},
            instance_initiated_shutdown_behavior="terminate",
            # A token is asked for, and it cannot travel through a container's bridge.
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
                "instance_metadata_tags": "disabled",
            },
            network_interfaces=[
                {
                    "device_index": 0,
                    "associate_public_ip_address": "false",
                    "delete_on_termination": "true",
                    "security_groups": [group.id],
                    "subnet_id": args.network.subnets[0].id,
                }
            ],
            block_device_mappings=[
                {
                    "device_name": "/dev/sda1",
                    "ebs": {
                        "volume_size": args.volume_gib,
                        "volume_type": "gp3",
                        "encrypted": "true",
                        "kms_key_id": args.key.key.arn,
                        "delete_on_termination": "true",
                    },
                }
            ],
            opts=child,
        )
        self.register_outputs({"template_id": self.template.id})

    def _identity(
        self, name: str, args: TrainingArgs, child: pulumi.ResourceOptions
    ) -> aws.iam.InstanceProfile:
        role = aws.iam.Role(name, assume_role_policy=json.dumps(ASSUMED_BY_EC2), opts=child)
        aws.iam.RolePolicy(
            name,
            role=role.id,
            policy=pulumi.Output.all(args.bucket.bucket.arn, args.key.key.arn).apply(
                lambda arns: training_policy(bucket_arn=arns[0], key_arn=arns[1])
            ),
            opts=child,
        )
        return aws.iam.InstanceProfile(name, role=role.name, opts=child)

    def _firewall(
        self, name: str, args: TrainingArgs, child: pulumi.ResourceOptions
    ) -> aws.ec2.SecurityGroup:
        group = aws.ec2.SecurityGroup(
            name,
            vpc_id=args.network.vpc.id,
            description="Landfall: training instances, S3 and the VPC's own endpoints only",
            opts=child,
        )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-s3",
            security_group_id=group.id,
            prefix_list_id=args.s3_prefix_list,
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            opts=child,
        )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-vpc",
            security_group_id=group.id,
            cidr_ipv4=str(args.network.args.cidr),
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            opts=child,
        )
        return group


ASSUMED_BY_EC2 = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def training_policy(*, bucket_arn: str, key_arn: str) -> str:
    """Read and write artifacts and checkpoints, encrypted with the one key."""
    statements = [
        {
            "Sid": "Artifacts",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
            "Resource": f"{bucket_arn}/*",
        },
        {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket_arn},
        {
            "Sid": "Key",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": key_arn,
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
