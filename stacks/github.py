"""How workflows of the repository get into the account: two roles, no key."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pulumi_aws as aws

from stacks import github_policies as policies
from stacks.place import Place
from stacks.roles import role
from stacks.settings import parts

ISSUER = "https://token.actions.githubusercontent.com"

APPLY_HOURS = 2
"""A database with a standby and a file system take half an hour each to stand."""


@dataclass(frozen=True, kw_only=True)
class GitHubAccessArgs:
    """Which workflows get in.

    Attributes:
        github: the repository and its two environments.
        residency: the regions in which anything may be changed.
        provider: the account's provider of GitHub's tokens, where there is one already: an account
            has one for each issuer.
    """

    place: Place
    github: parts.GitHub
    residency: tuple[str, ...]
    provider: str | None = None


class GitHubAccess(pulumi.ComponentResource):
    """A role that looks and a role that changes, each for one environment of the repository.

    Attributes:
        preview_arn: the role of pull requests' previews.
        apply_arn: the role of what was approved.
    """

    preview_arn: pulumi.Output[str]
    apply_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: GitHubAccessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:GitHubAccess", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args = args
        github = args.github
        self._made = self._issuer(name)
        self.preview_arn = self._role("preview", github.preview_environment, hours=1)
        self.apply_arn = self._role("apply", github.apply_environment, hours=APPLY_HOURS)
        self.register_outputs({"preview_arn": self.preview_arn, "apply_arn": self.apply_arn})

    def _issuer(self, name: str) -> list[pulumi.Resource]:
        """The provider of GitHub's tokens, unless the account has it."""
        if self._args.provider is not None:
            return []
        return [
            aws.iam.OpenIdConnectProvider(
                name, url=ISSUER, client_id_lists=["sts.amazonaws.com"], opts=self._child
            )
        ]

    def _role(self, part: str, environment: str, *, hours: int) -> pulumi.Output[str]:
        place, given = self._args.place, self._args.provider
        known = pulumi.Output.all(account=place.account, boundary=place.permissions_boundary)
        # The provider's ARN follows from its address, so that a plan shows whom the role trusts.
        provider = place.account.apply(
            lambda own: given or f"arn:aws:iam::{own}:oidc-provider/{urlsplit(ISSUER).netloc}"
        )
        repository = self._args.github.repository
        return role(
            f"github-{part}",
            place,
            trust=provider.apply(
                partial(policies.trust, repository=repository, environment=environment)
            ),
            policy=known.apply(partial(self._policy, part)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._made),
            hours=hours,
        ).arn

    def _policy(self, part: str, known: dict[str, Any]) -> str:
        github = self._args.github
        state = github.state_bucket
        scope = policies.Scope(
            account=known["account"],
            residency=self._args.residency,
            role_path=self._args.place.role_path,
            boundary_arn=known["boundary"],
            state_bucket=f"arn:aws:s3:::{state}" if state else None,
            state_key=github.state_key,
        )
        write = policies.preview_policy if part == "preview" else policies.apply_policy
        return write(scope)
