"""Log groups: each encrypted with the key of logs, and kept as long as the environment says."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from stacks.place import Place


def log_group(
    name: str,
    place: Place,
    *,
    parent: pulumi.Resource,
    called: str = "",
    days: int | None = None,
) -> aws.cloudwatch.LogGroup:
    """A log group of the environment.

    Args:
        name: the logical name.
        place: whose key, and whose time to keep it.
        parent: the component that it is a part of.
        called: the name in CloudWatch, where a service wants one of its own form;
            `/landfall/<environment>/<name>` if not given.
        days: how long it is kept, where that is another time.
    """
    return aws.cloudwatch.LogGroup(
        name,
        name=called or f"/landfall/{place.environment}/{name}",
        retention_in_days=days or place.logs_days,
        kms_key_id=place.keys["logs"],
        opts=place.stateful(parent),
    )
