"""The end of a capacity block: machines are told in time to write a last checkpoint.

The machines watch the clock themselves (`landfall-watch`); this is the second way, from outside,
should a machine's own have failed. Both end in the same script, which does its work once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pulumi
import pulumi_aws as aws

from stacks.place import Place
from stacks.roles import role
from stacks.statements import assumed_by
from stacks.training.identity import sending_policy
from stacks.training.userdata import BLOCK_LEAD_S


@dataclass(frozen=True, kw_only=True)
class BlockEndArgs:
    """What the end of a block needs to know. `pool` is the tag of its machines."""

    place: Place
    pool: str
    end: datetime


class BlockEnd(pulumi.ComponentResource):
    """A rule that fires once, before the end, and has every machine of the pool drained."""

    def __init__(
        self, name: str, args: BlockEndArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:BlockEnd", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        place = args.place
        run = aws.ssm.Document(
            name,
            name=place.name(f"{name}-drain"),
            document_type="Command",
            document_format="JSON",
            content=drain_document(),
            opts=self._child,
        )
        rule = aws.cloudwatch.EventRule(
            name,
            name=place.name(f"{name}-block-end"),
            description="The capacity block ends: jobs write their last checkpoint",
            schedule_expression=once(args.end - timedelta(seconds=BLOCK_LEAD_S)),
            opts=self._child,
        )
        sender = role(
            f"{name}-block-end",
            place,
            trust=place.account.apply(lambda own: assumed_by("events", account=own)),
            policy=pulumi.Output.all(run.name, place.account).apply(
                lambda found: sending_policy(
                    document_arn=f"arn:aws:ssm:{place.region}:{found[1]}:document/{found[0]}",
                    instances=f"arn:aws:ec2:{place.region}:{found[1]}:instance/*",
                    pool=args.pool,
                )
            ),
            opts=self._child,
        )
        aws.cloudwatch.EventTarget(
            name,
            rule=rule.name,
            arn=run.arn,
            role_arn=sender.arn,
            run_command_targets=[{"key": "tag:landfall:pool", "values": [args.pool]}],
            opts=self._child,
        )
        self.register_outputs({})


def once(when: datetime) -> str:
    """A schedule of EventBridge that is met in one minute of all years."""
    at = when.astimezone(UTC)
    return f"cron({at.minute} {at.hour} {at.day} {at.month} ? {at.year})"


def drain_document() -> str:
    """A document of Systems Manager that runs `landfall-drain`."""
    step = {
        "action": "aws:runShellScript",
        "name": "drain",
        "inputs": {"runCommand": ["/usr/local/sbin/landfall-drain block-end"]},
    }
    return json.dumps(
        {"schemaVersion": "2.2", "description": "Write the last checkpoint", "mainSteps": [step]}
    )
