"""Endpoints follow from features, and let through what machines do and no more."""

from __future__ import annotations

import json

import pytest

from landfall.model.environment import find
from stacks.endpoints import ACTIONS, WITHOUT_PRINCIPAL, bucket_policy, service_policy
from stacks.features import SERVICES, Feature, chosen, purposes, services
from stacks.keys import USES, key_policy
from stacks.settings import check_file

ALL = sorted({each for found in SERVICES.values() for each in found})
LONGEST_POLICY = 20480  # bytes, PrivateLink quotas


def test_what_is_not_chosen_has_no_endpoint() -> None:
    alone = services(frozenset({Feature.ALWAYS}))
    assert "eks" not in alone
    assert "kinesis-streams" not in alone
    assert {"eks", "eks-auth"} <= set(services(frozenset({Feature.ALWAYS, Feature.EKS})))


def test_features_follow_from_settings() -> None:
    dev = chosen(check_file(find("dev")).settings)
    prod = chosen(check_file(find("prod")).settings)
    staging = chosen(check_file(find("staging")).settings)
    assert dev == {Feature.ALWAYS, Feature.EC2}
    assert prod == frozenset(Feature)
    assert Feature.REGISTRY not in staging, "it uses another's registry"
    assert "registry" not in purposes(staging)
    assert set(purposes(prod)) == set(USES)


@pytest.mark.parametrize("service", ALL)
def test_a_policy_names_its_actions_and_whose_callers(service: str) -> None:
    text = service_policy(service, "111122223333")
    (statement,) = json.loads(text)["Statement"]
    assert "*" not in statement["Action"]
    assert len(text) < LONGEST_POLICY
    if service not in WITHOUT_PRINCIPAL:
        allowed = statement["Condition"]["StringEquals"]["aws:PrincipalAccount"]
        assert allowed == "111122223333"


def test_there_is_a_policy_for_each_endpoint_and_no_other() -> None:
    assert sorted(ACTIONS) == ALL


def test_the_way_to_s3_is_to_our_buckets_and_to_images() -> None:
    text = bucket_policy(["arn:aws:s3:::a", "arn:aws:s3:::b"], region="eu-central-1")
    ours, images = json.loads(text)["Statement"]
    assert ours["Resource"] == [
        "arn:aws:s3:::a", "arn:aws:s3:::b", "arn:aws:s3:::a/*", "arn:aws:s3:::b/*"
    ]  # fmt: skip
    assert images["Action"] == ["s3:GetObject"]
    assert images["Resource"] == ["arn:aws:s3:::prod-eu-central-1-starport-layer-bucket/*"]


@pytest.mark.parametrize("purpose", list(USES))
def test_a_key_is_used_by_the_account_and_by_services_for_it(purpose: str) -> None:
    document = json.loads(
        key_policy(
            purpose,  # type: ignore[arg-type]
            account="111122223333",
            region="eu-central-1",
            environment="prod",
        )
    )
    for statement in document["Statement"]:
        principal = statement["Principal"]
        if "Service" in principal:
            assert statement["Condition"], statement["Sid"]
        elif principal["AWS"] == "*":
            assert statement["Condition"]["StringEquals"]["kms:CallerAccount"] == "111122223333"
        else:
            assert all(":111122223333:" in each for each in principal["AWS"])
