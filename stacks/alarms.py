"""Who is told that something of the cloud half is down, and of what."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.place import Place
from stacks.statements import allow, document

PERIOD_S = 60
"""CloudWatch gets a tunnel's state about once a minute."""

PERIODS = 3
"""So many in a row, so that a rekey does not wake anybody."""

UP = 1.0


@dataclass(frozen=True, kw_only=True)
class AlarmsArgs:
    """What alarms need to know. `notify`: addresses that are told."""

    place: Place
    notify: tuple[str, ...]


class Alarms(pulumi.ComponentResource):
    """A topic, encrypted with the key of logs, and the alarms that are sent to it."""

    topic: pulumi.Output[str]

    def __init__(
        self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Alarms", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._place = args.place
        topic = aws.sns.Topic(
            name,
            name=args.place.name(name),
            kms_master_key_id=args.place.keys["logs"],
            opts=self._child,
        )
        self.topic = topic.arn
        aws.sns.TopicPolicy(
            name,
            arn=topic.arn,
            policy=pulumi.Output.all(topic.arn, args.place.account).apply(
                lambda found: topic_policy(found[0], account=found[1])
            ),
            opts=self._child,
        )
        for index, address in enumerate(args.notify):
            aws.sns.TopicSubscription(
                f"{name}-{index}",
                topic=topic.arn,
                protocol="email",
                endpoint=address,
                opts=self._child,
            )
        self.register_outputs({"topic": self.topic})

    def tunnel(
        self, name: str, *, connection: pulumi.Output[str], address: pulumi.Output[str], bgp: bool
    ) -> None:
        """Tell that one tunnel is down.

        With BGP the state is 1 while the session is established, and the mean of a minute falls
        below 1 as soon as it was lost for a moment, so the mean is what to watch. With static
        routes the state is 0 or 1 and an idle tunnel goes down and comes back with traffic, so
        only one that was never up in the whole period counts (Site-to-Site VPN guide, metrics).
        """
        aws.cloudwatch.MetricAlarm(
            f"tunnel-{name}",
            name=self._place.name(f"tunnel-{name}"),
            alarm_description=f"Tunnel {name} of the link is down; the other one carries the site.",
            namespace="AWS/VPN",
            metric_name="TunnelState",
            dimensions={"VpnId": connection, "TunnelIpAddress": address},
            statistic="Average" if bgp else "Maximum",
            comparison_operator="LessThanThreshold",
            threshold=UP,
            period=PERIOD_S,
            evaluation_periods=PERIODS if bgp else 2 * PERIODS,
            treat_missing_data="breaching",
            alarm_actions=[self.topic],
            ok_actions=[self.topic],
            opts=self._child,
        )

    def line(self, name: str, *, connection: pulumi.Output[str]) -> None:
        """Tell that a Direct Connect line is down."""
        aws.cloudwatch.MetricAlarm(
            f"line-{name}",
            name=self._place.name(f"line-{name}"),
            alarm_description=f"The Direct Connect line to {name} is down.",
            namespace="AWS/DX",
            metric_name="ConnectionState",
            dimensions={"ConnectionId": connection},
            statistic="Minimum",
            comparison_operator="LessThanThreshold",
            threshold=UP,
            period=PERIOD_S,
            evaluation_periods=PERIODS,
            treat_missing_data="breaching",
            alarm_actions=[self.topic],
            ok_actions=[self.topic],
            opts=self._child,
        )


SENDERS = ("cloudwatch", "budgets", "events")
"""AWS's services that publish to the topic."""


def topic_policy(topic_arn: str, *, account: str) -> str:
    """AWS's own services may publish for this account; the rest is up to its policies."""
    senders = {"Service": [f"{each}.amazonaws.com" for each in SENDERS]}
    own = {"StringEquals": {"aws:SourceAccount": account}}
    return document(allow("Publish", ["sns:Publish"], [topic_arn], principal=senders, when=own))
