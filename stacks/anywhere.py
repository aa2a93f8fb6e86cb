"""How hosts of the site get credentials: with certificates of the customer's own CA, no key.

Revoking a host works three ways, each sooner or more thoroughly than the one before:

- the trust policy denies its name, so it gets no new session;
- the role's own policy denies its name, so sessions that it still has are worth nothing;
- a revocation list of the customer's CA, where there is one, refuses the certificate itself.

The first two need nothing but this program, and are what `landfall revoke` writes down. The third
is the customer's to sign, as the CA's key is theirs; it is imported here. It alone tells an old
certificate from a new one of the same name: when a host comes back, its old certificate goes to
the list and its name leaves `revoked`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
import pulumi_aws as aws

from stacks.place import Place
from stacks.roles import role
from stacks.settings import parts
from stacks.statements import Statement, allow, deny, document
from stacks.storage import RELEASED, Bucket

NAME_KEY = "aws:PrincipalTag/x509Subject/CN"
"""Where a session carries its certificate's common name (Roles Anywhere user guide, trust model).
"""

MINUTES = 60
"""Of an hour."""

SESSION = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]


@dataclass(frozen=True, kw_only=True)
class SiteHostsArgs:
    """Who gets in.

    Attributes:
        hosts: names that are let in, names that are revoked, how long a session lasts.
        authority: the CA's certificates as PEM; None where it is an AWS Private CA.
        revocation_list: the CA's list as PEM, where there is one.
        artifacts: the bucket whose released part is read.
        streams: whether a role for streams is made too.
    """

    place: Place
    hosts: parts.SiteHosts
    authority: str | None
    revocation_list: str | None
    artifacts: Bucket
    streams: bool = False


class SiteHosts(pulumi.ComponentResource):
    """A trust anchor, a profile, and a role that reads released artifacts and nothing else.

    Attributes:
        anchor_arn: the trust anchor, for the hosts' credential helper.
        profile_arn: the profile, for the same.
        reader_arn: the role that reads releases.
        streams: the role for streams, which `stacks.streams` gives its rights; or None.
    """

    anchor_arn: pulumi.Output[str]
    profile_arn: pulumi.Output[str]
    reader_arn: pulumi.Output[str]
    streams: aws.iam.Role | None

    def __init__(
        self, name: str, args: SiteHostsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:SiteHosts", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._name, self._args = name, args
        self.anchor_arn = self._anchor()
        if args.revocation_list is not None:
            self._revocations(args.revocation_list)
        reader = self._role("reader", self._reading())
        self.reader_arn = reader.arn
        self.streams = self._role("streams", self._denied()) if args.streams else None
        roles = [reader.arn, *([self.streams.arn] if self.streams else [])]
        self.profile_arn = aws.rolesanywhere.Profile(
            name,
            name=args.place.name(name),
            enabled=True,
            role_arns=roles,
            duration_seconds=args.hosts.session_minutes * 60,
            opts=self._child,
        ).arn
        self.register_outputs({"anchor_arn": self.anchor_arn, "profile_arn": self.profile_arn})

    def _anchor(self) -> pulumi.Output[str]:
        args = self._args
        source: aws.rolesanywhere.TrustAnchorSourceArgs
        if args.authority is None:
            source = aws.rolesanywhere.TrustAnchorSourceArgs(
                source_type="AWS_ACM_PCA",
                source_data=aws.rolesanywhere.TrustAnchorSourceSourceDataArgs(
                    acm_pca_arn=args.hosts.authority_arn
                ),
            )
        else:
            source = aws.rolesanywhere.TrustAnchorSourceArgs(
                source_type="CERTIFICATE_BUNDLE",
                source_data=aws.rolesanywhere.TrustAnchorSourceSourceDataArgs(
                    x509_certificate_data=args.authority
                ),
            )
        return aws.rolesanywhere.TrustAnchor(
            self._name,
            name=args.place.name(self._name),
            enabled=True,
            source=source,
            opts=self._child,
        ).arn

    def _revocations(self, revocation_list: str) -> None:
        """The CA's list. The SDK has no resource for it; CloudFormation does."""
        called = self._args.place.name(f"{self._name}-revoked")
        aws.cloudformation.Stack(
            f"{self._name}-revoked",
            name=called,
            template_body=revocation_template(called, revocation_list),
            parameters={"Anchor": self.anchor_arn},
            opts=self._child,
        )

    def _role(self, part: str, policy: pulumi.Output[str]) -> aws.iam.Role:
        hosts = self._args.hosts
        return role(
            f"{self._name}-{part}",
            self._args.place,
            trust=self.anchor_arn.apply(partial(trust, hosts=hosts.hosts, revoked=hosts.revoked)),
            policy=policy,
            opts=self._child,
            # A role's sessions are as long as the profile's, or it refuses to make one.
            hours=-(-hosts.session_minutes // MINUTES),
        )

    def _reading(self) -> pulumi.Output[str]:
        args = self._args
        return pulumi.Output.all(bucket=args.artifacts.arn, key=args.place.keys["artifacts"]).apply(
            self._reader_policy
        )

    def _reader_policy(self, found: dict[str, Any]) -> str:
        return reader_policy(
            bucket_arn=found["bucket"],
            key_arn=found["key"],
            revoked=self._args.hosts.revoked,
        )

    def _denied(self) -> pulumi.Output[str]:
        """The streams' role: until a stream gives it more, it only asks who it is."""
        hosts = self._args.hosts
        who = allow("Who", ["sts:GetCallerIdentity"], ["*"])
        return pulumi.Output.from_input(document(who, *revocation(hosts.revoked)))


def trust(anchor_arn: str, *, hosts: Sequence[str], revoked: Sequence[str]) -> str:
    """Who may assume the role: certificates with one of these names, by this trust anchor.

    Args:
        anchor_arn: the trust anchor that must have checked the certificate.
        hosts: common names that are let in.
        revoked: common names that are not, whether or not they are among `hosts`.
    """
    let_in = [each for each in hosts if each not in revoked]
    service = {"Service": "rolesanywhere.amazonaws.com"}
    found: list[dict[str, Any]] = []
    if let_in:
        named: dict[str, dict[str, Any]] = {
            "ArnEquals": {"aws:SourceArn": anchor_arn},
            "StringEquals": {NAME_KEY: let_in},
        }
        found.append(dict(allow("Hosts", SESSION, [], principal=service, when=named)))
    # A policy must say something: where nobody is let in, everybody is denied by name of nobody.
    denied = {"StringEquals": {NAME_KEY: list(revoked)}} if revoked else None
    if denied or not let_in:
        found.append(dict(deny("Revoked", SESSION, [], principal=service, when=denied)))
    for statement in found:
        del statement["Resource"]
    return document(*found)


def reader_policy(*, bucket_arn: str, key_arn: str, revoked: Sequence[str]) -> str:
    """Reading what was released, and nothing else.

    Args:
        bucket_arn: the artifacts' bucket.
        key_arn: the key that encrypts it.
        revoked: names whose open sessions may do nothing any more.
    """
    below = {"StringLike": {"s3:prefix": [f"{RELEASED}*"]}}
    for_bucket = {"StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket_arn]}}
    return document(
        allow("Read", ["s3:GetObject"], [f"{bucket_arn}/{RELEASED}*"]),
        allow("List", ["s3:ListBucket"], [bucket_arn], when=below),
        allow("Decrypt", ["kms:Decrypt"], [key_arn], when=for_bucket),
        *revocation(revoked),
    )


def revocation(revoked: Sequence[str]) -> list[Statement]:
    """The denial of everything for sessions of revoked hosts that are still open."""
    if not revoked:
        return []
    return [deny("Revoked", ["*"], ["*"], when={"StringEquals": {NAME_KEY: list(revoked)}})]


def revocation_template(called: str, revocation_list: str) -> str:
    """A CloudFormation template of a revocation list, whose parameter is the trust anchor.

    A parameter holds 4 KiB, a template 50 (CloudFormation quotas): the list stands in the template.
    """
    made = {
        "Type": "AWS::RolesAnywhere::CRL",
        "Properties": {
            "Name": called,
            "Enabled": True,
            "CrlData": revocation_list,
            "TrustAnchorArn": {"Ref": "Anchor"},
        },
    }
    return json.dumps(
        {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Parameters": {"Anchor": {"Type": "String"}},
            "Resources": {"List": made},
        }
    )
