"""What an environment's cloud half is made of: a parts list."""

from __future__ import annotations

from functools import partial

import pulumi

from landfall.handoff import OUTPUT
from landfall.model.environment import Environment, find
from stacks.account import Cloud
from stacks.anywhere import SiteHosts, SiteHostsArgs
from stacks.audit import Audit, AuditArgs
from stacks.eks import EksTraining, EksTrainingArgs
from stacks.features import Feature, chosen
from stacks.github import GitHubAccess, GitHubAccessArgs
from stacks.ground import About, Ground, provider, stand
from stacks.link import Link, LinkArgs
from stacks.lustre import Lustre, LustreArgs
from stacks.money import Money, MoneyArgs
from stacks.ranges import resolver_addresses
from stacks.registry import OUTPUT as REGISTRY_OUTPUT
from stacks.registry import Registry, RegistryAddress, RegistryArgs, other
from stacks.resolver import Resolver, ResolverArgs
from stacks.settings import authority, load
from stacks.streams import Streams, StreamsArgs
from stacks.training import Ec2Training, Ec2TrainingArgs, Shared


def deploy(environment: Environment | None = None, cloud: Cloud | None = None) -> None:
    """Declare every resource of the current environment."""
    environment = environment or find(pulumi.get_stack())
    cloud = cloud or Cloud.detect()
    cloud.refuse_foreign_state()
    settings, site = load(environment, None, partial(cloud.problems, environment))
    pulumi.log.info(cloud.sentence)
    options = pulumi.ResourceOptions(provider=provider("aws", environment, settings, site))
    about = About(settings, site, chosen(settings), options)

    ground = stand(environment, about)
    link = _way_to_the_site(environment, about, ground)
    resolver = Resolver(
        "names",
        ResolverArgs(
            place=ground.place,
            network=ground.network,
            site_networks=about.site_networks,
            forward=settings.resolver.forward,
            adopted_rules=settings.adopt.resolver_rules,
            addresses=() if settings.adopt.vpc else resolver_addresses(settings.network.cidr),
        ),
        about.options,
    )
    launchers = [*_training(about, ground), *_workflows(about, ground)]
    registry = _registry(about, ground)
    hosts, streams = _site_hosts(environment, about, ground)
    _watched(about, ground, launchers)
    pulumi.export("vpc_id", ground.network.vpc_id)
    if registry:
        pulumi.export(REGISTRY_OUTPUT, registry.outputs())
    pulumi.export(
        OUTPUT,
        {
            "account": ground.place.account,
            "region": settings.region,
            "provider": cloud.provider,
            "vpc_cidr": str(settings.network.cidr),
            "bucket": ground.buckets.artifacts.id,
            "artifacts_key_arn": ground.place.keys["artifacts"],
            "tunnels": link.tunnels,
            "resolver_addresses": resolver.addresses,
            "registry": registry.url if registry else None,
            "site_hosts": hosts,
            "streams": streams,
        },
    )


def _registry(about: About, ground: Ground) -> RegistryAddress | None:
    settings = about.settings.registry
    if settings is None:
        return None
    if settings.environment is not None:
        return other(settings.environment)
    made = Registry(
        "registry",
        RegistryArgs(
            place=ground.place,
            registry=settings,
            network=ground.network,
            endpoints=ground.endpoints.group,
            s3_prefix_list=ground.endpoints.s3_prefix_list,
            site_networks=tuple(about.site.ranges.values()),
            artifacts=ground.buckets.artifacts,
            access=ground.buckets.access,
            images=ground.image_registry,
        ),
        about.options,
    )
    return made.address


def _way_to_the_site(environment: Environment, about: About, ground: Ground) -> Link:
    settings, site = about.settings, about.site
    network_account = settings.accounts.get("network")
    owner = None
    if settings.adopt.transit_gateway and network_account:
        owner = provider("network", environment, settings, site, network_account.role)
    return Link(
        "site",
        LinkArgs(
            place=ground.place,
            network=ground.network,
            link=site.link,
            edges=site.edges,
            site_networks=site.ranges,
            alarms=ground.alarms,
            gateway=settings.adopt.transit_gateway,
            adopted=settings.adopt.link,
            owner=owner,
        ),
        about.options,
    )


def _training(about: About, ground: Ground) -> list[pulumi.Output[str]]:
    """Declare what training runs on; the names of the roles that start machines by themselves."""
    settings, shared = about.settings, None
    if settings.storage.lustre:
        lustre = Lustre(
            "scratch",
            LustreArgs(
                place=ground.place,
                lustre=settings.storage.lustre,
                network=ground.network,
                datasets=ground.buckets.datasets,
            ),
            about.options,
        )
        shared = Shared(group=lustre.group, dns_name=lustre.dns_name, mount_name=lustre.mount_name)
    if settings.training.ec2:
        Ec2Training(
            "training",
            Ec2TrainingArgs(
                place=ground.place,
                network=ground.network,
                endpoints=ground.endpoints.group,
                s3_prefix_list=ground.endpoints.s3_prefix_list,
                datasets=ground.buckets.datasets,
                artifacts=ground.buckets.artifacts,
                topic=ground.alarms.topic,
                settings=settings.training.ec2,
                shared=shared,
            ),
            about.options,
        )
    if settings.training.eks is None:
        return []
    cluster = EksTraining(
        "cluster",
        EksTrainingArgs(
            place=ground.place,
            network=ground.network,
            endpoints=ground.endpoints.group,
            s3_prefix_list=ground.endpoints.s3_prefix_list,
            datasets=ground.buckets.datasets,
            artifacts=ground.buckets.artifacts,
            site_networks=about.site_networks,
            settings=settings.training.eks,
            shared=shared,
            # Hardware that fails is told once: by training on EC2, where there is both.
            topic=None if settings.training.ec2 else ground.alarms.topic,
        ),
        about.options,
    )
    return [cluster.autoscaler_role]


def _site_hosts(
    environment: Environment, about: About, ground: Ground
) -> tuple[dict[str, pulumi.Output[str]] | None, dict[str, pulumi.Output[str]]]:
    """How the site's hosts get credentials, and the streams that they may use: for the handoff."""
    settings, wanted = about.settings, about.settings.identity.site_hosts
    if wanted is None:
        return None, {}
    files = authority.read(environment.root, wanted)
    made = SiteHosts(
        "hosts",
        SiteHostsArgs(
            place=ground.place,
            hosts=wanted,
            authority=files.certificates,
            revocation_list=files.revocation_list,
            artifacts=ground.buckets.artifacts,
            streams=bool(settings.streams),
        ),
        about.options,
    )
    names: dict[str, pulumi.Output[str]] = {}
    if made.streams:
        names = Streams(
            "streams",
            StreamsArgs(place=ground.place, streams=settings.streams, site=made.streams),
            about.options,
        ).names
    told = {
        "trust_anchor_arn": made.anchor_arn,
        "profile_arn": made.profile_arn,
        "role_arn": made.reader_arn,
    }
    return told, names


def _workflows(about: About, ground: Ground) -> list[pulumi.Output[str]]:
    """Let a repository's workflows in; the names of the roles that may start machines."""
    github = about.settings.identity.github
    if github is None:
        return []
    access = GitHubAccess(
        "github",
        GitHubAccessArgs(
            place=ground.place,
            github=github,
            residency=about.settings.residency,
            provider=about.settings.adopt.oidc_provider,
        ),
        about.options,
    )
    return [access.apply_arn.apply(lambda arn: arn.rpartition("/")[2])]


def _watched(about: About, ground: Ground, launchers: list[pulumi.Output[str]]) -> None:
    settings, buckets = about.settings, ground.buckets
    Audit(
        "audit",
        AuditArgs(
            place=ground.place,
            settings=settings.audit,
            evidence=buckets.logs.id,
            watched=[each.arn for each in (buckets.artifacts, buckets.datasets)],
            adopt=settings.adopt,
            kubernetes=Feature.EKS in about.features,
            after=[buckets],
        ),
        about.options,
    )
    if settings.budget:
        Money(
            "money",
            MoneyArgs(
                place=ground.place,
                budget=settings.budget,
                topic=ground.alarms.topic,
                pools=tuple(pool for _, pool in settings.training.pools()),
                launchers=launchers,
            ),
            about.options,
        )
