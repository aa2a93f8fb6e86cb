"""Container images: repositories that only the build account fills, scanned and never changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
import pulumi_aws as aws

from stacks.place import Place
from stacks.settings.parts import Storage
from stacks.statements import Statement, allow, deny, document

UNTAGGED_DAYS = 14
"""Layers and manifests without a tag are what a broken push left; a release's image has a tag."""

PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]

PUSH = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
]
"""What pushing an image takes (ECR user guide, IAM permissions for pushing an image)."""

FILLING = ["ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage",
           "ecr:UploadLayerPart"]  # fmt: skip
"""The part of a push that no pull needs."""


@dataclass(frozen=True, kw_only=True)
class ImagesArgs:
    """Which repositories there are, and who may push to them."""

    place: Place
    storage: Storage


class Images(pulumi.ComponentResource):
    """Repositories of this environment, named `landfall-<environment>/<name>`.

    An image comes here by a push from a build account, never by a pull-through cache: over private
    endpoints the first pull through a cache needs a way to the internet (ECR user guide), which
    this network does not have. It is pushed with a tag that is never moved, and used by digest.

    Attributes:
        urls: `<account>.dkr.ecr.<region>.amazonaws.com/<repository>`, by name of the repository.
        arns: by name of the repository.
    """

    urls: dict[str, pulumi.Output[str]]
    arns: dict[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: ImagesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Images", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        # One for the account and region; every environment of an account asks for the same.
        aws.ecr.RegistryScanningConfiguration(
            name,
            scan_type="BASIC",
            rules=[
                {
                    "scan_frequency": "SCAN_ON_PUSH",
                    "repository_filters": [{"filter": "*", "filter_type": "WILDCARD"}],
                }
            ],
            opts=self._child,
        )
        made = {each: self._repository(each, args) for each in args.storage.repositories}
        self.urls = {each: repository.repository_url for each, repository in made.items()}
        self.arns = {each: repository.arn for each, repository in made.items()}
        self.register_outputs({"urls": self.urls})

    def _repository(self, name: str, args: ImagesArgs) -> aws.ecr.Repository:
        place = args.place
        repository = aws.ecr.Repository(
            name,
            name=repository_name(place.environment, name),
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[
                {"encryption_type": "KMS", "kms_key": place.keys["artifacts"]}
            ],
            force_delete=not place.protect,
            opts=place.stateful(self),
        )
        aws.ecr.RepositoryPolicy(
            name,
            repository=repository.name,
            policy=place.account.apply(
                partial(repository_policy, build_account=args.storage.build_account)
            ),
            opts=self._child,
        )
        aws.ecr.LifecyclePolicy(
            name,
            repository=repository.name,
            policy=json.dumps({"rules": [_untagged()]}),
            opts=self._child,
        )
        return repository


def repository_name(environment: str, name: str) -> str:
    """What the repository `name` of an environment is called in its account."""
    return f"landfall-{environment}/{name}"


def repository_policy(account: str, *, build_account: str | None) -> str:
    """Who may push and pull. ECR's policies are about their own repository and name none.

    Args:
        account: the environment's own; nobody else pulls.
        build_account: nobody else pushes, not even the own account; None leaves it to the own.
    """
    foreign_pull = {"StringNotEquals": {"aws:PrincipalAccount": account}}
    pushing = build_account or account
    foreign_push = {"StringNotEquals": {"aws:PrincipalAccount": pushing}}
    pulls = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    return document(
        _of_repository(allow("Push", PUSH, [], principal=_account(pushing))),
        _of_repository(allow("Pull", PULL, [], principal=_account(account))),
        _of_repository(deny("NoOtherPush", FILLING, [], principal="*", when=foreign_push)),
        _of_repository(deny("NoOtherPull", pulls, [], principal="*", when=foreign_pull)),
    )


def _of_repository(statement: Statement) -> dict[str, Any]:
    return {key: value for key, value in statement.items() if key != "Resource"}


def _account(account: str) -> dict[str, str]:
    return {"AWS": f"arn:aws:iam::{account}:root"}


def _untagged() -> dict[str, Any]:
    """Expiry of what has no tag. Whatever has one stays: it may be in use by its digest."""
    return {
        "rulePriority": 1,
        "description": "What a broken push left",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": UNTAGGED_DAYS,
        },
        "action": {"type": "expire"},
    }
