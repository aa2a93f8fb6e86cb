"""Who hears that a machine is ill, is taken away, or that a job failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
import pulumi_aws as aws

from stacks.place import Place
from stacks.training.userdata import NAMESPACE

PERIOD_S = 300

JOBS = "failed-jobs"

ILL = "IllMachines"
"""What a machine reports before it powers itself off (templates/cloud-init/landfall-drain.sh)."""


@dataclass(frozen=True, kw_only=True)
class HealthArgs:
    """What to watch.

    Attributes:
        topic: where it is told.
        pools: names of the pools whose machines report.
        queues: the beginning of the ARNs of the queues whose failed jobs are told; None where
            there are no queues.
    """

    place: Place
    topic: pulumi.Output[str]
    pools: tuple[str, ...]
    queues: pulumi.Input[str] | None = None


class Health(pulumi.ComponentResource):
    """Alarms on what machines report of themselves, and rules for what AWS reports of them."""

    def __init__(
        self, name: str, args: HealthArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Health", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        place = args.place
        for pool in args.pools:
            aws.cloudwatch.MetricAlarm(
                f"{name}-{pool}",
                name=place.name(f"{pool}-gpus"),
                alarm_description=f"A machine of {pool} lost a GPU, or met a fatal Xid error.",
                namespace=NAMESPACE,
                metric_name=ILL,
                dimensions={"Environment": place.environment, "Pool": pool},
                statistic="Sum",
                period=PERIOD_S,
                comparison_operator="GreaterThanThreshold",
                threshold=0,
                evaluation_periods=1,
                treat_missing_data="notBreaching",
                alarm_actions=[args.topic],
                opts=self._child,
            )
        queues = pulumi.Output.from_input(args.queues or "")
        told = [what for what in TOLD if args.queues or what != JOBS]
        for what in told:
            rule = aws.cloudwatch.EventRule(
                f"{name}-{what}",
                name=place.name(f"{name}-{what}"),
                description=f"Landfall: {what.replace('-', ' ')}",
                event_pattern=queues.apply(partial(pattern, what)),
                opts=self._child,
            )
            aws.cloudwatch.EventTarget(
                f"{name}-{what}", rule=rule.name, arn=args.topic, opts=self._child
            )
        self.register_outputs({})


TOLD: Mapping[str, Mapping[str, Any]] = {
    "hardware": {
        "source": ["aws.health"],
        "detail-type": ["AWS Health Event"],
        "detail": {"service": ["EC2"], "eventTypeCategory": ["issue", "scheduledChange"]},
    },
    "capacity": {
        "source": ["aws.ec2"],
        "detail-type": [
            "EC2 Spot Instance Interruption Warning",
            "Capacity Block Reservation Expiration Warning",
        ],
    },
    # These machines are terminated and never stopped: one that stops has a fault.
    "stopped": {
        "source": ["aws.ec2"],
        "detail-type": ["EC2 Instance State-change Notification"],
        "detail": {"state": ["stopping", "stopped"]},
    },
    JOBS: {
        "source": ["aws.batch"],
        "detail-type": ["Batch Job State Change"],
        "detail": {"status": ["FAILED"]},
    },
}
"""What AWS tells: of hardware that is to be retired, of capacity that goes, of failed jobs."""


def pattern(what: str, queues: str) -> str:
    """The pattern of one of `TOLD`; of jobs, those alone whose queues begin with `queues`."""
    found = json.loads(json.dumps(TOLD[what]))
    if what == JOBS:
        found["detail"]["jobQueue"] = [{"prefix": queues}]
    return json.dumps(found)
