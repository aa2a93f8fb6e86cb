"""Streams between site and cloud: each flows one way, and carries classes that may flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from landfall.model.stream import Direction, Stream
from stacks.place import Place
from stacks.roles import role
from stacks.statements import allow, deny, document

PUT = ["kinesis:PutRecord", "kinesis:PutRecords"]

GET = ["kinesis:GetRecords", "kinesis:GetShardIterator"]
"""Reading in turns: a stream's own policy cannot speak of consumers with a way of their own
(Kinesis developer guide, resource-based policies), so there are none."""

LOOK = ["kinesis:DescribeStreamSummary", "kinesis:ListShards"]

READERS = ("pods.eks", "ecs-tasks")
"""Services whose pods and tasks may take the cloud's side."""

RETENTION_HOURS = 168
"""How long a record can be read: a link that is cut over a long weekend loses none."""


@dataclass(frozen=True, kw_only=True)
class StreamsArgs:
    """Which streams there are.

    Attributes:
        streams: as configured; `landfall.model.stream` has refused what may not flow.
        site: the role of the site's hosts for streams (`stacks.anywhere.SiteHosts.streams`).
    """

    place: Place
    streams: tuple[Stream, ...]
    site: aws.iam.Role


class Streams(pulumi.ComponentResource):
    """Kinesis streams, encrypted with the streams' key.

    Direction is a rule, not a habit: the stream's own policy denies putting to everyone but the
    side that records come from, and getting to everyone but the side that they go to, whatever
    other policies allow.

    Attributes:
        names: of the streams, by configured name.
        cloud_role_arn: the role of the cloud's side.
    """

    names: dict[str, pulumi.Output[str]]
    cloud_role_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: StreamsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Streams", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args = args
        made = {each.name: self._stream(each) for each in args.streams}
        # As Kinesis will name them, so that a plan shows what each side may do.
        arns = {each: self._arn(each) for each in made}
        cloud = role(
            f"{name}-cloud",
            args.place,
            trust=args.place.account.apply(cloud_trust),
            policy=self._side(arns, putting=Direction.TO_SITE),
            opts=self._child,
        )
        aws.iam.RolePolicy(
            f"{name}-site",
            role=args.site.id,
            policy=self._side(arns, putting=Direction.TO_CLOUD),
            opts=self._child,
        )
        for each in args.streams:
            self._one_way(each, made[each.name].arn, cloud=cloud.arn)
        self.names = {each: stream.name for each, stream in made.items()}
        self.cloud_role_arn = cloud.arn
        self.register_outputs({"names": self.names})

    def _arn(self, name: str) -> pulumi.Output[str]:
        place = self._args.place
        called = place.name(name)
        return place.account.apply(
            lambda own: f"arn:aws:kinesis:{place.region}:{own}:stream/{called}"
        )

    def _stream(self, stream: Stream) -> aws.kinesis.Stream:
        place = self._args.place
        return aws.kinesis.Stream(
            stream.name,
            name=place.name(stream.name),
            stream_mode_details={"stream_mode": "ON_DEMAND"},
            retention_period=RETENTION_HOURS,
            encryption_type="KMS",
            kms_key_id=place.keys["stream"],
            enforce_consumer_deletion=not place.protect,
            tags={
                "landfall:direction": stream.direction.value,
                # A tag's value knows no comma (Kinesis API, Tag).
                "landfall:classes": "+".join(sorted(each.value for each in stream.classes)),
            },
            opts=place.stateful(self),
        )

    def _side(
        self, arns: dict[str, pulumi.Output[str]], *, putting: Direction
    ) -> pulumi.Output[str]:
        """What one side may do: put into streams of direction `putting`, get from the others."""
        streams = self._args.streams
        known = pulumi.Output.all(
            put=[arns[each.name] for each in streams if each.direction is putting],
            get=[arns[each.name] for each in streams if each.direction is not putting],
            key=self._args.place.keys["stream"],
        )
        return known.apply(_side_policy)

    def _one_way(
        self, stream: Stream, arn: pulumi.Output[str], *, cloud: pulumi.Output[str]
    ) -> None:
        site = self._args.site.arn
        up = stream.direction is Direction.TO_CLOUD
        aws.kinesis.ResourcePolicy(
            stream.name,
            resource_arn=arn,
            policy=pulumi.Output.all(
                stream=arn,
                source=site if up else cloud,
                target=cloud if up else site,
                account=self._args.place.account,
            ).apply(_resource_policy),
            opts=self._child,
        )


def cloud_trust(account: str) -> str:
    """Who may take the cloud's side: pods and tasks of this account."""
    return document(
        {
            "Sid": "Services",
            "Effect": "Allow",
            "Principal": {"Service": [f"{each}.amazonaws.com" for each in READERS]},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    )


def side_policy(*, put: Sequence[str], get: Sequence[str], key_arn: str) -> str:
    """What one side's role may do with the streams whose ARNs these are."""
    found = []
    if put:
        found += [
            allow("Put", PUT, put),
            allow("Encrypt", ["kms:GenerateDataKey"], [key_arn]),
        ]
    if get:
        found += [
            allow("Get", GET, get),
            allow("Decrypt", ["kms:Decrypt"], [key_arn]),
        ]
    return document(*found, allow("Look", LOOK, [*put, *get]))


def one_way(stream_arn: str, *, source: str, target: str, account: str) -> str:
    """A stream's own policy: nobody but `source` puts, nobody but `target` gets."""
    stream = [stream_arn]
    own = {"AWS": f"arn:aws:iam::{account}:root"}
    return document(
        allow("Look", LOOK, stream, principal=own),
        deny("OnlySourcePuts", PUT, stream, principal="*", when=_not(source)),
        deny("OnlyTargetGets", GET, stream, principal="*", when=_not(target)),
    )


def _not(role_arn: str) -> dict[str, dict[str, str]]:
    return {"ArnNotEquals": {"aws:PrincipalArn": role_arn}}


def _side_policy(known: dict[str, Any]) -> str:
    return side_policy(put=known["put"], get=known["get"], key_arn=known["key"])


def _resource_policy(known: dict[str, Any]) -> str:
    return one_way(
        known["stream"], source=known["source"], target=known["target"], account=known["account"]
    )
