"""Where a component stands: what every component of an environment shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from stacks.settings.parts import Tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One environment in one account and region.

    Attributes:
        environment: dev, staging or prod.
        account: 12 digits, as far as it is known when planning.
        region: where everything stands.
        zones: its availability zones, in order.
        tags: owner, cost centre and classification; every resource carries them.
        keys: ARNs of the encryption keys by purpose (`stacks.settings.adoption.Purpose`).
        logs_days: how long logs are kept.
        protect: whether stateful resources are protected and kept when they leave the program.
        permissions_boundary: the boundary of every role, or None.
        role_path: the path of every role.
    """

    environment: str
    account: pulumi.Output[str]
    region: str
    zones: tuple[str, ...]
    tags: Tags
    keys: Mapping[str, pulumi.Output[str]]
    logs_days: int
    protect: bool
    permissions_boundary: pulumi.Output[str] | None
    role_path: str

    def name(self, part: str) -> str:
        """A name that is unique in the account: `landfall-prod-logs`."""
        return f"landfall-{self.environment}-{part}"

    def stateful(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options of a child whose loss is a loss of data."""
        return pulumi.ResourceOptions(
            parent=parent, protect=self.protect, retain_on_delete=self.protect
        )
