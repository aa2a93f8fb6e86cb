"""What everything else in an environment stands on: keys, network, buckets, endpoints, alarms."""

from __future__ import annotations

from typing import NamedTuple

import pulumi
import pulumi_aws as aws

from landfall.model.environment import Environment
from landfall.model.site import Site
from stacks.alarms import Alarms, AlarmsArgs
from stacks.boundary import PermissionsBoundary, PermissionsBoundaryArgs
from stacks.endpoints import Endpoints, EndpointsArgs
from stacks.features import Feature, purposes, services
from stacks.images import Images, ImagesArgs
from stacks.keys import Keys, KeysArgs
from stacks.network import AdoptedNetwork, Network, NetworkArgs, Reachable
from stacks.place import Place
from stacks.settings import Settings
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


class About(NamedTuple):
    """What the program is about."""

    settings: Settings
    site: Site
    features: frozenset[Feature]
    options: pulumi.ResourceOptions

    @property
    def site_networks(self) -> tuple[str, ...]:
        """The site's ranges, as text."""
        return tuple(str(each) for each in self.site.ranges.values())


def provider(
    name: str, environment: Environment, settings: Settings, site: Site, role: str | None = None
) -> aws.Provider:
    """A provider for the environment's own account, or for another, as a role of it."""
    account = role.split(":")[4] if role else settings.account
    return aws.Provider(
        name,
        region=settings.region,
        allowed_account_ids=[account] if account else None,
        assume_roles=[aws.ProviderAssumeRoleArgs(role_arn=role)] if role else None,
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


def stand(environment: Environment, about: About) -> Ground:
    """Declare what everything else stands on."""
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


def _place(environment: Environment, about: About) -> Place:
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
    environment: Environment, about: About, account: pulumi.Output[str]
) -> pulumi.Output[str]:
    adopted = about.settings.adopt.permissions_boundary
    if adopted:
        return pulumi.Output.from_input(adopted)
    args = PermissionsBoundaryArgs(
        environment=environment.name, account=account, residency=about.settings.residency
    )
    return PermissionsBoundary("boundary", args, about.options).arn
