"""What is written down about an environment, so that it can be proven later."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.logs import log_group
from stacks.place import Place
from stacks.roles import role
from stacks.settings.adoption import Adoption
from stacks.settings.parts import Audit as AuditSettings
from stacks.statements import allow, assumed_by, document


@dataclass(frozen=True, kw_only=True)
class AuditArgs:
    """What the audit needs to know.

    Attributes:
        evidence: the name of the bucket for evidence, which CloudTrail may write.
        watched: ARNs of buckets whose every read and write is recorded.
        adopt: a trail or a detector that is there already.
        kubernetes: whether there is a cluster whose audit log is looked at.
        after: what must be there first: the bucket's policy.
    """

    place: Place
    settings: AuditSettings
    evidence: pulumi.Output[str]
    watched: list[pulumi.Output[str]]
    adopt: Adoption
    kubernetes: bool
    after: list[pulumi.Resource]


class Audit(pulumi.ComponentResource):
    """A trail whose files are signed and chained, and a detector that looks for misuse."""

    def __init__(
        self, name: str, args: AuditArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Audit", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args = args
        if args.settings.trail and args.adopt.trail is None:
            self._trail(name)
        if args.settings.detector and args.adopt.detector is None:
            self._detector(name)
        self.register_outputs({})

    def _trail(self, name: str) -> None:
        args, place = self._args, self._args.place
        group = log_group(
            f"{name}-trail", place, parent=self, called=f"/landfall/{place.environment}/trail"
        )
        writer = role(
            f"{name}-trail",
            place,
            trust=place.account.apply(lambda own: assumed_by("cloudtrail", account=own)),
            policy=group.arn.apply(trail_policy),
            opts=self._child,
        )
        aws.cloudtrail.Trail(
            name,
            name=place.name("trail"),
            s3_bucket_name=args.evidence,
            kms_key_id=place.keys["logs"],
            enable_log_file_validation=True,
            # Whoever uses another region of the account is seen here.
            is_multi_region_trail=True,
            include_global_service_events=True,
            cloud_watch_logs_group_arn=group.arn.apply(lambda arn: f"{arn}:*"),
            cloud_watch_logs_role_arn=writer.arn,
            advanced_event_selectors=[
                {
                    "name": "Management",
                    "field_selectors": [{"field": "eventCategory", "equals": ["Management"]}],
                },
                {
                    "name": "Objects",
                    "field_selectors": [
                        {"field": "eventCategory", "equals": ["Data"]},
                        {"field": "resources.type", "equals": ["AWS::S3::Object"]},
                        {
                            "field": "resources.ARN",
                            "starts_withs": [arn.apply(_objects) for arn in args.watched],
                        },
                    ],
                },
            ],
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=place.protect,
                retain_on_delete=place.protect,
                depends_on=args.after,
            ),
        )

    def _detector(self, name: str) -> None:
        detector = aws.guardduty.Detector(
            name,
            enable=True,
            finding_publishing_frequency="FIFTEEN_MINUTES",
            opts=self._child,
        )
        # Runtime monitoring is not among them: it makes endpoints of its own, outside the state,
        # which then keep the VPC from being destroyed.
        features = ["S3_DATA_EVENTS", "EBS_MALWARE_PROTECTION"]
        if self._args.kubernetes:
            features.append("EKS_AUDIT_LOGS")
        for feature in features:
            aws.guardduty.DetectorFeature(
                f"{name}-{feature.lower().replace('_', '-')}",
                detector_id=detector.id,
                name=feature,
                status="ENABLED",
                opts=self._child,
            )


def trail_policy(group_arn: str) -> str:
    """Writing to one log group."""
    return document(
        allow("Write", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{group_arn}:*"])
    )


def _objects(bucket_arn: str) -> str:
    return f"{bucket_arn}/"
