"""The configuration of a stack, checked as a whole before any resource is declared.

Pulumi.yaml has the schema that the engine checks; here is what needs more than a type: ranges,
the instance catalog, and that the VPC does not overlap the site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from typing import Annotated, NamedTuple

import pulumi
from pydantic import Field, ValidationError, field_validator, model_validator

from landfall.errors import InvalidInput, Problem
from landfall.model import site as sites
from landfall.model.catalog import instance_types
from landfall.model.environment import Environment
from landfall.model.parsing import Written, problems_of
from landfall.model.site import Site

NAMESPACE = "landfall"

VPC_PREFIXES = range(16, 23)
"""A VPC is /16 to /28 (Amazon VPC guide); below /22 its subnets get too small for training."""


class Settings(Written):
    """What the configuration of a stack says. Sizes in GiB."""

    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    account: Annotated[str, Field(pattern=r"^(\d{12})?$")] = ""
    vpc_cidr: IPv4Network = Field(alias="vpcCidr")
    zones: Annotated[tuple[str, ...], Field(min_length=2, max_length=3)]
    training_instance_type: str = Field(alias="trainingInstanceType")
    training_image: str = Field(
        alias="trainingImage", pattern=r"^(ami-[0-9a-f]{8,17}|resolve:ssm:/[\w./-]+)$"
    )
    training_volume_gib: Annotated[int, Field(ge=50, le=16384)] = Field(
        alias="trainingVolumeGib", default=200
    )
    protect: bool = False

    @field_validator("vpc_cidr")
    @classmethod
    def _prefix(cls, cidr: IPv4Network) -> IPv4Network:
        if cidr.prefixlen not in VPC_PREFIXES or not cidr.is_private:
            raise ValueError(f"{cidr} must be a private network between /16 and /22")
        return cidr

    @field_validator("training_instance_type")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in instance_types():
            family = name.partition(".")[0]
            near = [each for each in instance_types() if each.startswith(f"{family}.")]
            known = near or sorted({each.partition(".")[0] + ".*" for each in instance_types()})
            raise ValueError(f"{name} is not in the GPU catalog; it has {', '.join(known)}")
        return name

    @model_validator(mode="after")
    def _zones(self) -> Settings:
        wrong = [zone for zone in self.zones if zone[:-1] != self.region]
        if wrong:
            raise ValueError(f"zones: {', '.join(wrong)} not in region {self.region}")
        if len(set(self.zones)) < len(self.zones):
            raise ValueError("zones: one appears twice")
        return self


class Inputs(NamedTuple):
    """All that the program reads: its own configuration and the site's description."""

    settings: Settings
    site: Site


def load(environment: Environment, read: Callable[[str], object] | None = None) -> Inputs:
    """Read and check everything before a resource is declared.

    Args:
        environment: whose site is read.
        read: the value of a configuration key; the engine's configuration where not given.

    Raises:
        InvalidInput: with every problem of configuration and site together.
    """
    read = read or _config
    problems: list[Problem] = []
    site = _site(environment, problems)
    settings = _settings(read, problems)
    vpc = settings.vpc_cidr if settings else _network(read("vpcCidr"))
    if site and vpc:
        problems += _overlaps(vpc, site)
    if problems or not site or not settings:
        raise InvalidInput(f"Pulumi.{environment.name}.yaml and its site", problems)
    return Inputs(settings=settings, site=site)


def _site(environment: Environment, problems: list[Problem]) -> Site | None:
    try:
        return sites.load(environment)
    except InvalidInput as error:
        problems += [
            Problem(path=f"{error.source} {p.path}", message=p.message) for p in error.problems
        ]
        return None


def _settings(read: Callable[[str], object], problems: list[Problem]) -> Settings | None:
    keys = [info.alias or name for name, info in Settings.model_fields.items()]
    values = {key: value for key in keys if (value := read(key)) is not None}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems += [
            Problem(path=f"{NAMESPACE}:{each.path}", message=each.message)
            for each in problems_of(error, Settings)
        ]
        return None


def _config(key: str) -> object:
    config = pulumi.Config(NAMESPACE)
    if key == "zones":
        return config.get_object(key)
    return config.get(key)


def _network(text: object) -> IPv4Network | None:
    """A network where `text` is one: its overlap is told even where other settings are wrong."""
    try:
        return IPv4Network(str(text))
    except ValueError:
        return None


def _overlaps(vpc: IPv4Network, site: Site) -> Iterator[Problem]:
    for path, network in site.address_ranges():
        if vpc.overlaps(network):
            message = f"{vpc} overlaps {network} of {path}; the link could not route"
            yield Problem(path=f"{NAMESPACE}:vpcCidr", message=message)
