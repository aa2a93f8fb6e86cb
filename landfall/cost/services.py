"""What keys, secrets, logs, audit, streams and their like are billed for."""

from __future__ import annotations

import json
from collections.abc import Iterator

from landfall.cost.network import LOG_INGESTION
from landfall.cost.rate import (
    HOURS,
    Around,
    Gap,
    Metered,
    Rate,
    Resource,
    Term,
    Use,
    at,
    items,
    metered,
    number,
    per_month,
    text,
    together,
    unpriced,
)

KEY = "KMS customer managed key"
SECRET = "Secrets Manager secret"  # noqa: S105  what it is called in the price list
SECRET_REQUESTS = "Secrets Manager API requests"  # noqa: S105  likewise
SECRET_IN_TEMPLATE = "AWS::SecretsManager::Secret"  # noqa: S105  a type of CloudFormation
FREE_IN_TEMPLATE = frozenset({"AWS::RolesAnywhere::CRL", "AWS::SecretsManager::ResourcePolicy"})
"""Types in a CloudFormation template that cost nothing by themselves."""

HIGH_RESOLUTION_BELOW_S = 60
"""An alarm with a shorter period is billed as of high resolution (CloudWatch pricing)."""

STREAM_RETENTION_H = 24
"""How long a stream keeps its records without charge, in hours."""

DETECTOR_FEATURES = {
    "S3_DATA_EVENTS": "GuardDuty S3 data events, first tier",
    "EKS_AUDIT_LOGS": "GuardDuty EKS audit log events, first tier",
}


def _alarm(resource: Resource, _around: Around) -> Iterator[Term]:
    queries = items(resource.props.get("metricQueries")) or []
    metrics = max(1, sum(bool(at(each, "metric", "metricName")) for each in queries))
    period = number(resource.props.get("period"))
    high = period is not None and period < HIGH_RESOLUTION_BELOW_S
    resolution = "high" if high else "standard"
    yield Use(item=f"CloudWatch alarm, {resolution} resolution", quantity=metrics)


def _trail(resource: Resource, _around: Around) -> Iterator[Term]:
    props = resource.props
    note = "the first copy of management events in a region is free"
    yield Metered(item="CloudTrail management events, additional copies", note=note)
    if props.get("eventSelectors") or props.get("advancedEventSelectors"):
        yield Metered(item="CloudTrail data events")
    if props.get("insightSelectors"):
        yield Metered(item="CloudTrail Insights events")


def _feature(resource: Resource, _around: Around) -> Iterator[Term]:
    name = text(resource.props.get("name"))
    item = DETECTOR_FEATURES.get(name)
    if resource.props.get("status") == "DISABLED":
        return
    if item is None:
        yield Gap(reason=f"GuardDuty {name or 'feature'}: its price is not established")
    else:
        yield Metered(item=item)


def _stream(resource: Resource, _around: Around) -> Iterator[Term]:
    props = resource.props
    if at(props, "streamModeDetails", "streamMode") == "ON_DEMAND":
        yield Use(item="Kinesis on-demand stream", quantity=HOURS)
        yield Metered(item="Kinesis on-demand ingest")
        yield Metered(item="Kinesis on-demand retrieval")
    else:
        shards = number(props.get("shardCount"))
        if shards is None:
            yield Gap(reason="how many shards it has is not known here")
        else:
            note = f"{shards:g} shards"
            yield Use(item="Kinesis provisioned shard", quantity=shards * HOURS, note=note)
        yield Metered(item="Kinesis PUT payload units")
    if (number(props.get("retentionPeriod")) or 0) > STREAM_RETENTION_H:
        yield Metered(item="Kinesis extended retention 24 h to 7 d")


def _authority(resource: Resource, _around: Around) -> Iterator[Term]:
    if resource.props.get("usageMode") == "SHORT_LIVED_CERTIFICATE":
        yield Use(item="ACM Private CA, short-lived certificates", quantity=1)
        yield Metered(item="ACM Private CA short-lived certificate")
    else:
        yield Use(item="ACM Private CA, general purpose", quantity=1)
        yield Metered(item="ACM Private CA certificate, first 1000")


def _parameter(resource: Resource, _around: Around) -> Iterator[Term]:
    if resource.props.get("tier", "Standard") != "Standard":
        yield Gap(reason="advanced parameter: its price is not established")


def _brokers(resource: Resource, _around: Around) -> Iterator[Term]:
    props = resource.props
    count = number(props.get("numberOfBrokerNodes"))
    kind = text(at(props, "brokerNodeGroupInfo", "instanceType"))
    if count is None or not kind:
        yield Gap(reason="number or type of its brokers is not known here")
        return
    yield Use(item=f"MSK broker {kind}", quantity=count * HOURS, note=f"{count:g} brokers")
    gb = number(at(props, "brokerNodeGroupInfo", "storageInfo", "ebsStorageInfo", "volumeSize"))
    if gb:
        yield Use(item="MSK broker storage", quantity=count * gb)


def _template(resource: Resource, _around: Around) -> Iterator[Term]:
    """What a CloudFormation template makes; the stack itself costs nothing."""
    try:
        made = json.loads(text(resource.props.get("templateBody")))["Resources"].values()
        kinds = [str(each["Type"]) for each in made]
    except (ValueError, KeyError, TypeError, AttributeError):
        yield Gap(reason="what its template makes is not known here")
        return
    secrets = kinds.count(SECRET_IN_TEMPLATE)
    if secrets:
        yield Use(item=SECRET, quantity=secrets, note=f"{secrets} secrets in its template")
        yield Metered(item=SECRET_REQUESTS)
    for kind in sorted({*kinds} - {SECRET_IN_TEMPLATE} - FREE_IN_TEMPLATE):
        yield Gap(reason=f"{kind} in its template is in no price table")


RATES: dict[str, Rate] = {
    "aws:cloudformation/stack:Stack": _template,
    "aws:kms/key:Key": together(per_month(KEY), metered("KMS requests, symmetric / RSA 2048")),
    "aws:kms/replicaKey:ReplicaKey": per_month(KEY),
    "aws:secretsmanager/secret:Secret": together(per_month(SECRET), metered(SECRET_REQUESTS)),
    "aws:cloudwatch/logGroup:LogGroup": metered(LOG_INGESTION, "CloudWatch Logs storage"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": _alarm,
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": unpriced(
        "composite alarm: its price is not established"
    ),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": per_month(
        "CloudWatch custom metric, first 10k"
    ),
    "aws:cloudwatch/dashboard:Dashboard": per_month("CloudWatch dashboard"),
    "aws:cloudtrail/trail:Trail": _trail,
    "aws:guardduty/detector:Detector": metered(
        "GuardDuty CloudTrail management events, first tier",
        "GuardDuty VPC flow and DNS logs, first tier",
    ),
    "aws:guardduty/detectorFeature:DetectorFeature": _feature,
    "aws:cfg/recorder:Recorder": metered("Config item recorded"),
    "aws:cfg/rule:Rule": unpriced("billed by evaluation: its price is not established"),
    "aws:securityhub/account:Account": unpriced("billed by check: its price is not established"),
    "aws:budgets/budgetAction:BudgetAction": unpriced(
        "the price of a budget with actions is not established"
    ),
    "aws:kinesis/stream:Stream": _stream,
    "aws:msk/cluster:Cluster": _brokers,
    "aws:acmpca/certificateAuthority:CertificateAuthority": _authority,
    "aws:sns/topic:Topic": metered("SNS API requests over 1M"),
    "aws:sqs/queue:Queue": unpriced("billed by request: its price is not established"),
    "aws:lambda/function:Function": unpriced("billed by use: its price is not established"),
    "aws:sagemaker/domain:Domain": unpriced("billed by what runs in it"),
    "aws:ssm/parameter:Parameter": _parameter,
}
"""By type, what is billed."""
