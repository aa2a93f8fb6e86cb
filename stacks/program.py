"""What an environment's cloud half is made of: a parts list."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from landfall.handoff import OUTPUT
from landfall.model.environment import Environment, find
from stacks.account import Cloud
from stacks.keys import EncryptionKey
from stacks.link import Link, LinkArgs
from stacks.network import Network, NetworkArgs, S3Endpoint
from stacks.settings import load
from stacks.storage import ArtifactBucket
from stacks.training import Training, TrainingArgs


def deploy(environment: Environment | None = None, cloud: Cloud | None = None) -> None:
    """Declare every resource of the current environment."""
    environment = environment or find(pulumi.get_stack())
    cloud = cloud or Cloud.detect()
    cloud.refuse_foreign_state()
    settings, site = load(environment)
    pulumi.log.info(cloud.sentence)

    provider = aws.Provider(
        "aws",
        region=settings.region,
        allowed_account_ids=[settings.account] if settings.account else None,
        default_tags={
            "tags": {"landfall:environment": environment.name, "landfall:site": site.name}
        },
    )
    inherit = pulumi.ResourceOptions(provider=provider)
    stateful = pulumi.ResourceOptions(provider=provider, protect=settings.protect)

    network = Network(
        "core",
        NetworkArgs(cidr=settings.vpc_cidr, zones=settings.zones, region=settings.region),
        inherit,
    )
    key = EncryptionKey("artifacts", purpose="models, engines, checkpoints", opts=stateful)
    artifacts = ArtifactBucket("artifacts", key, stateful)
    s3 = S3Endpoint("s3", network, [artifacts.bucket.arn], inherit)
    link = Link(
        "site",
        LinkArgs(network=network, link=site.link, edges=site.edges, site_networks=site.networks),
        inherit,
    )
    training = Training(
        "training",
        TrainingArgs(
            network=network,
            bucket=artifacts,
            key=key,
            instance_type=settings.training_instance_type,
            image=settings.training_image,
            volume_gib=settings.training_volume_gib,
            s3_prefix_list=s3.endpoint.prefix_list_id,
        ),
        inherit,
    )

    pulumi.export("vpc_id", network.vpc.id)
    pulumi.export("training_template_id", training.template.id)
    pulumi.export(
        OUTPUT,
        {
            "account": network.vpc.owner_id,
            "region": settings.region,
            "provider": cloud.provider,
            "vpc_cidr": str(settings.vpc_cidr),
            "bucket": artifacts.bucket.id,
            "artifacts_key_arn": key.key.arn,
            "tunnels": link.tunnels,
        },
    )
