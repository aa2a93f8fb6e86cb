"""What an environment's cloud half is made of: a parts list."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import pulumi
import pulumi_aws as aws

from landfall.handoff import OUTPUT
from landfall.model.environment import Environment, find
from landfall.model.site import Site
from stacks.account import Cloud
from stacks.alarms import Alarms, AlarmsArgs
from stacks.audit import Audit, AuditArgs
from stacks.boundary import PermissionsBoundary, PermissionsBoundaryArgs
from stacks.endpoints import Endpoints, EndpointsArgs
from stacks.features import Feature, chosen, purposes, services
from stacks.github import GitHubAccess, GitHubAccessArgs
from stacks.images import Images, ImagesArgs
from stacks.keys import Keys, KeysArgs
from stacks.link import Link, LinkArgs
from stacks.lustre import Lustre, LustreArgs
from stacks.money import Money, MoneyArgs
from stacks.network import AdoptedNetwork, Network, NetworkArgs, Reachable
from stacks.place import Place
from stacks.ranges import resolver_addresses
from stacks.registry import OUTPUT as REGISTRY_OUTPUT
from stacks.registry import Registry, RegistryAddress, RegistryArgs, other
from stacks.resolver import Resolver, ResolverArgs
from stacks.settings import Settings, load
from stacks.storage import Buckets, BucketsArgs


class Ground(NamedTuple):
    """What everything else stands on."""

    place: Place
    network: Reachable
    buckets: Buckets
    endpoints: Endpoints
    alarms: Alarms
    images: Images

    @property
    def image_registry(self) -> pulumi.Output[str]:
        """Where the environment's images are pulled from."""
        region = self.place.region
        return self.place.account.apply(lambda own: f"{own}.dkr.ecr.{region}.amazonaws.com")


class Declared(NamedTuple):
    """What the program is about."""

    settings: Settings
    site: Site
    features: frozenset[Feature]
    options: pulumi.ResourceOptions

    @property
    def site_networks(self) -> tuple[str, ...]:
        """The site's ranges, as text."""
        return tuple(str(each) for each in self.site.networks.values())


def deploy(environment: Environment | None = None, cloud: Cloud | None = None) -> None:
    """Declare every resource of the current environment."""
    environment = environment or find(pulumi.get_stack())
    cloud = cloud or Cloud.detect()
    cloud.refuse_foreign_state()
    settings, site = load(environment, None, partial(cloud.problems, environment))
    pulumi.log.info(cloud.sentence)
    provider = _provider("aws", environment, settings, site)
    about = Declared(settings, site, chosen(settings), pulumi.ResourceOptions(provider=provider))

    ground = _ground(environment, about)
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
    if settings.storage.lustre:
        Lustre(
            "scratch",
            LustreArgs(
                place=ground.place,
                lustre=settings.storage.lustre,
                network=ground.network,
                datasets=ground.buckets.datasets,
            ),
            about.options,
        )
    registry = _registry(about, ground)
    if settings.identity.github:
        GitHubAccess(
            "github",
            GitHubAccessArgs(
                place=ground.place,
                github=settings.identity.github,
                residency=settings.residency,
                provider=settings.adopt.oidc_provider,
            ),
            about.options,
        )
    _watched(about, ground)
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
        },
    )


def _provider(
    name: str, environment: Environment, settings: Settings, site: Site, role: str | None = None
) -> aws.Provider:
    """A provider for the environment's own account, or for another, as a role of it."""
    account = role.split(":")[4] if role else settings.account
    return aws.Provider(
        name,
        region=settings.region,
        allowed_account_ids=[account] if account else None,
        assume_roles=[{"role_arn": role}] if role else None,
        default_tags={
            "tags": {
                "landfall:environment": environment.name,
                "landfall:site": site.name,
                "landfall:owner": settings.tags.owner,
                "landfall:cost-centre": settings.tags.cost_centre,
                "landfall:classification": settings.tags.data_class.value,
            }
        },
    )


def _ground(environment: Environment, about: Declared) -> Ground:
    settings, options = about.settings, about.options
    place = _place(environment, about)
    network: Reachable
    if settings.adopt.vpc:
        network = AdoptedNetwork(settings.adopt.vpc, settings.network.cidr)
    else:
        network = Network(
            "core",
            NetworkArgs(
                place=place,
                cidr=settings.network.cidr,
                flow_logs_days=settings.network.flow_logs_days,
            ),
            options,
        )
    trail = place.name("trail") if settings.audit.trail and not settings.adopt.trail else None
    buckets = Buckets(
        "storage", BucketsArgs(place=place, storage=settings.storage, trail=trail), options
    )
    endpoints = Endpoints(
        "endpoints",
        EndpointsArgs(
            place=place,
            network=network,
            services=services(about.features),
            buckets=[each.arn for each in (buckets.artifacts, buckets.datasets)],
            site_networks=about.site_networks,
        ),
        options,
    )
    notify = settings.budget.notify if settings.budget else ()
    alarms = Alarms("alarms", AlarmsArgs(place=place, notify=notify), options)
    images = Images("images", ImagesArgs(place=place, storage=settings.storage), options)
    return Ground(place, network, buckets, endpoints, alarms, images)


def _registry(about: Declared, ground: Ground) -> RegistryAddress | None:
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
            site_networks=tuple(about.site.networks.values()),
            artifacts=ground.buckets.artifacts,
            access=ground.buckets.access,
            images=ground.image_registry,
        ),
        about.options,
    )
    return made.address


def _place(environment: Environment, about: Declared) -> Place:
    settings = about.settings
    account = (
        pulumi.Output.from_input(settings.account)
        if settings.account
        else aws.get_caller_identity_output(
            opts=pulumi.InvokeOutputOptions(provider=about.options.provider)
        ).account_id
    )
    keys = Keys(
        "keys",
        KeysArgs(
            environment=environment.name,
            account=account,
            region=settings.region,
            purposes=purposes(about.features),
            adopted=settings.adopt.keys,
            protect=settings.protect,
        ),
        about.options,
    )
    return Place(
        environment=environment.name,
        account=account,
        region=settings.region,
        zones=settings.zones,
        tags=settings.tags,
        keys=keys.arns,
        logs_days=settings.audit.logs_days,
        protect=settings.protect,
        permissions_boundary=_boundary(environment, about, account),
        role_path=settings.adopt.role_path,
    )


def _boundary(
    environment: Environment, about: Declared, account: pulumi.Output[str]
) -> pulumi.Output[str]:
    adopted = about.settings.adopt.permissions_boundary
    if adopted:
        return pulumi.Output.from_input(adopted)
    args = PermissionsBoundaryArgs(
        environment=environment.name, account=account, residency=about.settings.residency
    )
    return PermissionsBoundary("boundary", args, about.options).arn


def _way_to_the_site(environment: Environment, about: Declared, ground: Ground) -> Link:
    settings, site = about.settings, about.site
    network_account = settings.accounts.get("network")
    owner = None
    if settings.adopt.transit_gateway and network_account:
        owner = _provider("network", environment, settings, site, network_account.role)
    return Link(
        "site",
        LinkArgs(
            place=ground.place,
            network=ground.network,
            link=site.link,
            edges=site.edges,
            site_networks=site.networks,
            alarms=ground.alarms,
            gateway=settings.adopt.transit_gateway,
            adopted=settings.adopt.link,
            owner=owner,
        ),
        about.options,
    )


def _watched(about: Declared, ground: Ground) -> None:
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
                launchers=[],
            ),
            about.options,
        )
