"""What a landing zone already owns, and Landfall then takes by its id instead of making it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from stacks.settings.fields import Account, Arn, Configured, resource_id

Purpose = Literal["artifacts", "datasets", "logs", "compute", "registry", "secrets", "stream"]
"""What a key encrypts; each purpose has its own."""


class AdoptedVpc(Configured):
    """A VPC with subnets, each list in the order of `zones`.

    Attributes:
        id: the VPC.
        private: where machines, endpoints and load balancers stand; the site reaches them.
        isolated: where databases and file systems stand; the site does not reach them.
        route_tables: those of the private subnets, which get the routes to the site.
        isolated_route_tables: those of the isolated subnets, which get the way to S3.
    """

    id: Annotated[str, Field(pattern=resource_id("vpc"))]
    private: tuple[Annotated[str, Field(pattern=resource_id("subnet"))], ...]
    isolated: tuple[Annotated[str, Field(pattern=resource_id("subnet"))], ...]
    route_tables: Annotated[
        tuple[Annotated[str, Field(pattern=resource_id("rtb"))], ...], Field(min_length=1)
    ]
    isolated_route_tables: tuple[Annotated[str, Field(pattern=resource_id("rtb"))], ...] = ()

    @model_validator(mode="after")
    def _alike(self) -> AdoptedVpc:
        if len(self.private) != len(self.isolated):
            raise ValueError("private and isolated must have one subnet for each zone")
        return self


class AdoptedTransitGateway(Configured):
    """A transit gateway of this or another account, shared with this one.

    Attributes:
        id: the gateway.
        route_table: where the attachment is associated and propagated; without it, its owner's
            defaults hold.
    """

    id: Annotated[str, Field(pattern=resource_id("tgw"))]
    route_table: Annotated[str, Field(pattern=resource_id("tgw-rtb"))] | None = None


class Adoption(Configured):
    """Everything that is adopted. What is not named is made.

    Attributes:
        vpc: the network.
        transit_gateway: where the network and the site meet.
        link: the VPN or Direct Connect that leads from the transit gateway to the site is there
            already; its owner keeps both ends, and the handoff names no tunnels.
        resolver_rules: forwarding rules for the site's domains, shared with this account.
        trail: a CloudTrail trail, of the organisation for example.
        detector: a GuardDuty detector.
        keys: KMS keys by purpose, of this or another account.
        permissions_boundary: the policy that every role gets as its boundary.
        role_path: the path of every role.
        oidc_provider: the provider of GitHub's tokens.
    """

    vpc: AdoptedVpc | None = None
    transit_gateway: AdoptedTransitGateway | None = None
    link: bool = False
    resolver_rules: tuple[Annotated[str, Field(pattern=r"^rslvr-rr-[0-9a-f]{8,17}$")], ...] = ()
    trail: Arn | None = None
    detector: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    keys: Mapping[Purpose, Arn] = Field(default_factory=dict)
    permissions_boundary: Arn | None = None
    role_path: Annotated[str, Field(pattern=r"^/([\w+=,.@-]+/)*$")] = "/"
    oidc_provider: Arn | None = None

    @model_validator(mode="after")
    def _link_needs_gateway(self) -> Adoption:
        if self.link and self.transit_gateway is None:
            raise ValueError("link: an adopted link needs transitGateway, at which it ends")
        return self


class OtherAccount(Configured):
    """Another account in which Landfall does its part.

    Attributes:
        id: the account.
        role: a role of it that this account may assume.
    """

    id: Account
    role: Arn

    @model_validator(mode="after")
    def _same_account(self) -> OtherAccount:
        if f":{self.id}:" not in self.role:
            raise ValueError(f"role: {self.role} is not a role of account {self.id}")
        return self
