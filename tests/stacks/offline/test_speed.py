"""The provider's own work is small beside that of the engine and of the program."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from stacks.offline.provider import OfflineProvider
from stacks.offline.wire import encode

pytestmark = pytest.mark.slow

RESOURCES = 300

ALLOWED_S = 1.0
"""Processor time. Measured: 0.1 s, of about 4 s that such a preview takes on two cores."""

KINDS: dict[str, dict[str, Any]] = {
    "aws:ec2/subnet:Subnet": {"vpcId": "vpc-1", "cidrBlock": "10.0.{}.0/24"},
    "aws:s3/bucket:Bucket": {"bucket": "bucket-{}", "tags": {"a": "b"}},
    "aws:cloudwatch/logGroup:LogGroup": {"name": "/group/{}", "retentionInDays": 30},
    "aws:kms/key:Key": {"description": "{}", "deletionWindowInDays": 30},
}


def preview(provider: OfflineProvider) -> float:
    """The processor time of checking and planning all resources, in seconds."""
    context = SimpleNamespace(peer=lambda: "engine")
    started = time.thread_time()
    for number in range(RESOURCES):
        token, inputs = list(KINDS.items())[number % len(KINDS)]
        urn = f"urn:pulumi:dev::landfall::{token}::thing{number}"
        given = {
            name: value.format(number // len(KINDS)) if isinstance(value, str) else value
            for name, value in inputs.items()
        }
        request = SimpleNamespace(urn=urn, news=encode(given), olds=encode({}))
        answer = provider.Check(request, context)
        assert not answer.failures
        create = SimpleNamespace(urn=urn, properties=answer.inputs, preview=True)
        assert provider.Create(create, context).properties
    return time.thread_time() - started


def test_three_hundred_resources() -> None:
    provider = OfflineProvider()
    preview(provider)  # the classes of the SDK are loaded by the program in any case
    assert preview(OfflineProvider()) < ALLOWED_S
