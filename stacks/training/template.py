"""Launch templates: what every machine of a pool is started with, on EC2 and on EKS."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from landfall.model.efa import NetworkInterface
from stacks.place import Place
from stacks.training.capacity import Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateArgs:
    """What a pool's launch template needs to know.

    Attributes:
        name: of the pool, for tags.
        interfaces: of every machine, as `landfall.model.efa` lays them out.
        groups: security groups of every interface.
        volume_gib: the root volume.
        user_data: what a machine does when it starts; None for what its image does.
        claim: which capacity it asks for.
        root_device: what the image calls its root volume.
        image: the machine image; None where EKS chooses it.
        instance_type: where the template says it and not the launcher.
        profile: the ARN of the instance profile; None where EKS makes it.
        placement: the name of a placement group, where the launcher does not take one itself.
    """

    place: Place
    name: str
    interfaces: tuple[NetworkInterface, ...]
    groups: list[pulumi.Input[str]]
    volume_gib: int
    claim: Claim
    user_data: pulumi.Input[str] | None = None
    root_device: str = "/dev/xvda"
    image: pulumi.Input[str] | None = None
    instance_type: str | None = None
    profile: pulumi.Input[str] | None = None
    placement: pulumi.Input[str] | None = None


def launch_template(
    name: str, args: TemplateArgs, opts: pulumi.ResourceOptions
) -> aws.ec2.LaunchTemplate:
    """A launch template without a key pair, with every volume under the environment's key."""
    tags = machine_tags(args.place, args.name)
    return aws.ec2.LaunchTemplate(
        name,
        image_id=args.image,
        instance_type=args.instance_type,
        update_default_version=True,
        iam_instance_profile={"arn": args.profile} if args.profile else None,
        instance_initiated_shutdown_behavior="terminate" if args.image else None,
        metadata_options=METADATA,
        network_interfaces=interfaces(args.interfaces, args.groups),
        block_device_mappings=[
            {
                "device_name": args.root_device,
                "ebs": {
                    "volume_size": args.volume_gib,
                    "volume_type": "gp3",
                    "encrypted": "true",
                    "kms_key_id": args.place.keys["compute"],
                    "delete_on_termination": "true",
                },
            }
        ],
        placement={"group_name": args.placement} if args.placement else None,
        instance_market_options={"market_type": "capacity-block"} if args.claim.block else None,
        capacity_reservation_specification=reserved(args.claim),
        tag_specifications=[
            {"resource_type": kind, "tags": tags} for kind in ("instance", "volume")
        ],
        user_data=_encoded(args.user_data),
        opts=opts,
    )


METADATA: Any = {
    "http_endpoint": "enabled",
    "http_tokens": "required",
    "http_put_response_hop_limit": 1,
    "instance_metadata_tags": "disabled",
}
"""A token is asked for, and it cannot travel through a container's bridge."""


def interfaces(found: tuple[NetworkInterface, ...], groups: list[pulumi.Input[str]]) -> Any:
    """Network interfaces as a launch template has them, each with its security groups."""
    return [
        {
            "network_card_index": each.network_card_index,
            "device_index": each.device_index,
            "interface_type": each.interface_type.value,
            "security_groups": groups,
            "delete_on_termination": "true",
            # EC2 refuses the question where there are several interfaces, and gives none then.
            **({"associate_public_ip_address": "false"} if len(found) == 1 else {}),
        }
        for each in found
    ]


def reserved(claim: Claim) -> Any:
    """The one reservation that a machine may use; None where it has none."""
    if claim.reservation is None:
        return None
    target = {"capacity_reservation_id": claim.reservation}
    if claim.block:
        # The market says already that nothing but the block is used.
        return {"capacity_reservation_target": target}
    return {
        "capacity_reservation_preference": "capacity-reservations-only",
        "capacity_reservation_target": target,
    }


def machine_tags(place: Place, pool: str) -> Mapping[str, str]:
    """Tags of machines and volumes: those that a service starts get none from the provider."""
    return {
        "Name": place.name(pool),
        "landfall:environment": place.environment,
        "landfall:pool": pool,
        "landfall:owner": place.tags.owner,
        "landfall:cost-centre": place.tags.cost_centre,
        "landfall:classification": place.tags.data_class.value,
    }


def _encoded(text: pulumi.Input[str] | None) -> pulumi.Output[str] | None:
    if text is None:
        return None
    return pulumi.Output.from_input(text).apply(
        lambda found: base64.b64encode(found.encode()).decode()
    )
