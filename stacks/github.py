"""How workflows of the repository get into the account: two roles, no key."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

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
        provider = self._issuer(name)
        self.preview_arn = self._role("preview", provider, github.preview_environment, hours=1)
        self.apply_arn = self._role("apply", provider, github.apply_environment, hours=APPLY_HOURS)
        self.register_outputs({"preview_arn": self.preview_arn, "apply_arn": self.apply_arn})

    def _issuer(self, name: str) -> pulumi.Output[str]:
        if self._args.provider is not None:
            return pulumi.Output.from_input(self._args.provider)
        return aws.iam.OpenIdConnectProvider(
            name, url=ISSUER, client_id_lists=["sts.amazonaws.com"], opts=self._child
        ).arn

    def _role(
        self, part: str, provider: pulumi.Output[str], environment: str, *, hours: int
    ) -> pulumi.Output[str]:
        place, github = self._args.place, self._args.github
        known = pulumi.Output.all(account=place.account, boundary=place.permissions_boundary)
        return role(
            f"github-{part}",
            place,
            trust=provider.apply(
                partial(policies.trust, repository=github.repository, environment=environment)
            ),
            policy=known.apply(partial(self._policy, part)),
            opts=self._child,
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
