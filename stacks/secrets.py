"""Secrets that are made where they are kept: no program, no state and no log ever sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from stacks.place import Place

LENGTH = 40
"""Characters of letters and digits: 238 bits, and nothing that a URL or a shell would change."""


@dataclass(frozen=True, kw_only=True)
class SecretsArgs:
    """Which secrets are made.

    Attributes:
        parts: what each is for, by a name of letters and digits.
        key: the key that encrypts them.
    """

    place: Place
    parts: dict[str, str]
    key: pulumi.Output[str]


class Secrets(pulumi.ComponentResource):
    """Random secrets in Secrets Manager. `arns` has the ARN of each, by part.

    CloudFormation has Secrets Manager draw them. Every other way would pass the value through this
    program: a random provider keeps it in state, a secret version takes it as an input, the
    function for random passwords returns it. What is left here is a template and ARNs.
    """

    arns: dict[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Secrets", name, {}, opts)
        place = args.place
        made = aws.cloudformation.Stack(
            name,
            name=place.name(f"{name}-secrets"),
            template_body=template(args.parts, prefix=place.name(name), kept=place.protect),
            parameters={"Key": args.key},
            opts=place.stateful(self),
        )
        self.arns = {part: made.outputs[part] for part in args.parts}
        self.register_outputs({"arns": self.arns})


def template(parts: dict[str, str], *, prefix: str, kept: bool) -> str:
    """A CloudFormation template of secrets.

    Args:
        parts: what each secret is for, by part.
        prefix: of the secrets' names.
        kept: whether a secret stays when it leaves the template.
    """
    policy = "Retain" if kept else "Delete"
    made = {
        part: {
            "Type": "AWS::SecretsManager::Secret",
            "DeletionPolicy": policy,
            "UpdateReplacePolicy": policy,
            "Properties": {
                "Name": f"{prefix}-{part.lower()}",
                "Description": purpose,
                "KmsKeyId": {"Ref": "Key"},
                "GenerateSecretString": {"PasswordLength": LENGTH, "ExcludePunctuation": True},
            },
        }
        for part, purpose in parts.items()
    }
    whole: dict[str, Any] = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {"Key": {"Type": "String"}},
        "Resources": made,
        "Outputs": {part: {"Value": {"Ref": part}} for part in parts},
    }
    return json.dumps(whole)
