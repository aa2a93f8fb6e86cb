"""All of a stack's configuration, and what one key means for another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from landfall.errors import Problem
from landfall.model.stream import Stream
from stacks.settings.adoption import Adoption, OtherAccount
from stacks.settings.fields import Account, Configured, Region, Zone
from stacks.settings.parts import (
    Audit,
    Budget,
    Identity,
    Network,
    Registry,
    Resolver,
    Storage,
    Tags,
)
from stacks.settings.training import Training

PRODUCTION = "prod"
"""The environment that must be protected."""

LEAST_PRODUCTION_LOGS_DAYS = 365
"""A year of logs: what PCI DSS 4.0 10.5.1 asks, and a bank's auditor expects."""


class Settings(Configured):
    """What the configuration of a stack says.

    Attributes:
        region: where the environment stands.
        account: the only AWS account that may be touched; None means any, in a rehearsal.
        residency: the regions in which its data may be.
        zones: two or three availability zones.
        tags: what every resource carries.
        network: the VPC.
        storage: buckets, image repositories and the file system.
        training: pools of GPUs.
        registry: the model registry, its own or another environment's.
        identity: who may do what.
        resolver: names over the link.
        streams: records between site and cloud; they need `identity.siteHosts`.
        audit: what is written down.
        budget: the month's money.
        adopt: what a landing zone owns and is taken by id.
        accounts: other accounts in which Landfall does its part; `network` is known.
        protect: whether stateful resources are protected and retained.
    """

    region: Region
    account: Account | None = None
    residency: Annotated[tuple[Region, ...], Field(min_length=1)]
    zones: Annotated[tuple[Zone, ...], Field(min_length=2, max_length=3)]
    tags: Tags
    network: Network
    storage: Storage = Storage()
    training: Training = Training()
    registry: Registry | None = None
    identity: Identity = Identity()
    resolver: Resolver = Resolver()
    streams: tuple[Stream, ...] = ()
    audit: Audit = Audit()
    budget: Budget | None = None
    adopt: Adoption = Adoption()
    accounts: Mapping[str, OtherAccount] = Field(default_factory=dict)
    protect: bool = False

    def images(self) -> Iterator[tuple[str, str]]:
        """Every container image, with its path."""
        ec2, eks, registry = self.training.ec2, self.training.eks, self.registry
        if ec2:
            yield "training.ec2.jobImage", ec2.job_image
        if eks:
            yield "training.eks.jobImage", eks.job_image
            for name, image in eks.images.items():
                yield f"training.eks.images.{name}", image
        if registry and registry.image:
            yield "registry.image", registry.image


def problems(settings: Settings, environment: str) -> Iterator[Problem]:
    """What is wrong between one key and another; each by itself is right."""
    yield from _places(settings)
    yield from settings.training.problems(settings.zones)
    yield from _names(settings, environment)
    if environment == PRODUCTION:
        yield from _production(settings)


def _places(settings: Settings) -> Iterator[Problem]:
    if settings.region not in settings.residency:
        allowed = ", ".join(settings.residency)
        message = f"{settings.region} is outside residency; allowed are {allowed}"
        yield Problem(path="region", message=message)
    for index, zone in enumerate(settings.zones):
        if zone[:-1] != settings.region:
            message = f"{zone} is not in region {settings.region}"
            yield Problem(path=f"zones.{index}", message=message)
    if len(set(settings.zones)) < len(settings.zones):
        yield Problem(path="zones", message="one appears twice")
    vpc = settings.adopt.vpc
    if vpc and len(vpc.private) != len(settings.zones):
        message = f"{len(vpc.private)} private subnets for {len(settings.zones)} zones"
        yield Problem(path="adopt.vpc.private", message=message)


def _names(settings: Settings, environment: str) -> Iterator[Problem]:
    registry = settings.registry
    if registry and registry.environment == environment:
        message = f"{environment} cannot use its own registry through a stack reference"
        yield Problem(path="registry.environment", message=message)
    if settings.streams and settings.identity.site_hosts is None:
        message = "the site's end of a stream needs identity.siteHosts, whose role it takes"
        yield Problem(path="streams", message=message)
    for name in settings.accounts:
        if name != "network":
            yield Problem(path=f"accounts.{name}", message="unknown; `network` is known")


def _production(settings: Settings) -> Iterator[Problem]:
    if not settings.protect:
        message = "prod must be protected: its keys, data and registry could be lost"
        yield Problem(path="protect", message=message)
    if settings.account is None:
        message = "prod must name its account, so that no other is touched"
        yield Problem(path="account", message=message)
    if settings.budget is None:
        yield Problem(path="budget", message="prod must have a budget")
    if settings.audit.logs_days < LEAST_PRODUCTION_LOGS_DAYS:
        message = f"prod keeps logs {LEAST_PRODUCTION_LOGS_DAYS} days at least"
        yield Problem(path="audit.logsDays", message=message)
    for name, on in (("trail", settings.audit.trail), ("detector", settings.audit.detector)):
        if not on:
            message = "prod must have it, or adopt one"
            yield Problem(path=f"audit.{name}", message=message)
