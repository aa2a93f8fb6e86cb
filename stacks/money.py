"""The edge of spending: quotas that stop a start, and a budget that tells and stops late.

What ends spending at once is elsewhere: the most machines of a pool, the longest run of a job,
the quota of a queue. A budget sees a day's costs hours after they are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from landfall.model.catalog import instance_types
from stacks.place import Place
from stacks.roles import role
from stacks.settings.parts import Budget
from stacks.settings.training import Pool, Spot
from stacks.statements import allow, assumed_by, deny, document

QUOTAS: Mapping[tuple[str, bool], tuple[str, str]] = {
    ("g", False): ("L-DB2E81BA", "Running On-Demand G and VT instances"),
    ("p", False): ("L-417A185B", "Running On-Demand P instances"),
    ("g", True): ("L-3819A6DF", "All G and VT Spot Instance Requests"),
    ("p4", True): ("L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests"),
    ("p5", True): ("L-C4BD4855", "All P5 Spot Instance Requests"),
}
"""Codes and names of EC2's quotas of vCPUs (Service Quotas), by family and whether spot."""

ALARMS_PERCENT = (50, 80, 100)

STARTS = ["ec2:RunInstances", "ec2:CreateFleet", "ec2:RequestSpotInstances", "batch:SubmitJob",
          "eks:UpdateNodegroupConfig", "autoscaling:SetDesiredCapacity"]  # fmt: skip
"""What starts machines, or work that does."""


@dataclass(frozen=True, kw_only=True)
class MoneyArgs:
    """What the edge needs to know.

    Attributes:
        topic: where alarms go besides the addresses.
        pools: which may use quotas.
        launchers: names of roles that start machines; at the limit they may not any more.
    """

    place: Place
    budget: Budget
    topic: pulumi.Output[str]
    pools: tuple[Pool, ...]
    launchers: list[pulumi.Output[str]]


class Money(pulumi.ComponentResource):
    """A monthly budget with its action, the tags by which costs are found, and quotas."""

    def __init__(
        self, name: str, args: MoneyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Money", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args = args
        for tag in ("landfall:environment", "landfall:cost-centre"):
            aws.costexplorer.CostAllocationTag(
                f"{name}-{tag.rpartition(':')[2]}", tag_key=tag, status="Active", opts=self._child
            )
        budget = self._budget(name)
        if args.budget.stop_training and args.launchers:
            self._stop(name, budget)
        if args.budget.quotas:
            for (code, title), vcpus in sorted(needed(args.pools).items()):
                aws.servicequotas.ServiceQuota(
                    f"{name}-{title.lower().replace(' ', '-').replace(',', '')}",
                    service_code="ec2",
                    quota_code=code,
                    value=vcpus,
                    opts=self._child,
                )
        self.register_outputs({})

    def _budget(self, name: str) -> aws.budgets.Budget:
        args = self._args
        tag = f"user:landfall:environment${args.place.environment}"
        return aws.budgets.Budget(
            name,
            name=args.place.name("month"),
            budget_type="COST",
            limit_amount=str(args.budget.monthly_usd),
            limit_unit="USD",
            time_unit="MONTHLY",
            cost_filters=[{"name": "TagKeyValue", "values": [tag]}],
            notifications=[
                self._notification(percent, kind)
                for percent, kind in [*((each, "ACTUAL") for each in ALARMS_PERCENT),
                                      (ALARMS_PERCENT[-1], "FORECASTED")]
            ],
            opts=self._child,
        )  # fmt: skip

    def _notification(self, percent: int, kind: str) -> aws.budgets.BudgetNotificationArgs:
        return aws.budgets.BudgetNotificationArgs(
            comparison_operator="GREATER_THAN",
            threshold=percent,
            threshold_type="PERCENTAGE",
            notification_type=kind,
            subscriber_email_addresses=list(self._args.budget.notify),
            subscriber_sns_topic_arns=[self._args.topic],
        )

    def _stop(self, name: str, budget: aws.budgets.Budget) -> None:
        """At the limit, deny what starts machines; what runs goes on to its end."""
        place = self._args.place
        stop = aws.iam.Policy(
            f"{name}-stop",
            name=place.name("stop-training"),
            path=place.role_path,
            policy=document(deny("Stop", STARTS, ["*"])),
            opts=self._child,
        )
        actor = role(
            f"{name}-stop",
            place,
            trust=place.account.apply(lambda own: assumed_by("budgets", account=own)),
            policy=pulumi.Output.all(stop.arn, place.account).apply(
                lambda found: stopping_policy(found[0], account=found[1], path=place.role_path)
            ),
            opts=self._child,
        )
        aws.budgets.BudgetAction(
            f"{name}-stop",
            budget_name=budget.name,
            action_type="APPLY_IAM_POLICY",
            approval_model="AUTOMATIC",
            notification_type="ACTUAL",
            execution_role_arn=actor.arn,
            action_threshold={
                "action_threshold_type": "PERCENTAGE",
                "action_threshold_value": ALARMS_PERCENT[-1],
            },
            definition={
                "iam_action_definition": {
                    "policy_arn": stop.arn,
                    "roles": self._args.launchers,
                }
            },
            subscribers=[
                {"address": each, "subscription_type": "EMAIL"} for each in self._args.budget.notify
            ],
            opts=self._child,
        )


def needed(pools: Iterable[Pool]) -> dict[tuple[str, str], int]:
    """The vCPUs that the pools may use at once, for each quota, at its largest type."""
    found: dict[tuple[str, str], int] = {}
    for pool in pools:
        spot = isinstance(pool.capacity, Spot)
        quota = _quota(pool.instance_types[0], spot=spot)
        if quota is not None:
            largest = max(instance_types()[each].vcpu for each in pool.instance_types)
            found[quota] = found.get(quota, 0) + largest * pool.max_instances
    return found


def _quota(instance_type: str, *, spot: bool) -> tuple[str, str] | None:
    """The quota that an instance type counts against; None where it is not established."""
    family = instance_type.partition(".")[0]
    key = (family[:2], True) if spot and family[0] == "p" else (family[0], spot)
    return QUOTAS.get(key)


def stopping_policy(policy_arn: str, *, account: str, path: str) -> str:
    """Attaching one policy to the environment's roles, and nothing else."""
    actions = ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
    roles = [f"arn:aws:iam::{account}:role{path}*"]
    return document(
        allow("Stop", actions, roles, when={"ArnEquals": {"iam:PolicyARN": policy_arn}})
    )
