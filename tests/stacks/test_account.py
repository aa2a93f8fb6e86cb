"""What a rehearsal may do and a real account may not."""

from __future__ import annotations

from pathlib import Path

from landfall.model.environment import Environment, find
from stacks.account import Cloud
from stacks.settings import check_file

SHARED = {"PULUMI_BACKEND_URL": "s3://state"}


def told(environment: Environment, provider: str, environ: dict[str, str]) -> dict[str, str]:
    cloud = Cloud(provider=provider)  # type: ignore[arg-type]
    settings = check_file(environment).settings
    return {each.path: each.message for each in cloud.problems(environment, settings, environ)}


def test_a_rehearsal_may_have_local_state_a_passphrase_and_no_images() -> None:
    assert told(find("prod"), "offline", {}) == {}


def test_production_in_an_account_has_shared_state_and_a_key() -> None:
    found = told(find("prod"), "aws", {})
    assert found["backend"].startswith("file://")
    assert "change-secrets-provider" in found["secretsprovider"]
    assert "backend" not in told(find("prod"), "aws", SHARED)


def test_a_digest_of_zeros_is_no_image() -> None:
    found = told(find("prod"), "aws", SHARED)
    assert "digest of zeros" in found["landfall:registry.image"]
    assert "digest of zeros" in found["landfall:training.ec2.jobImage"]


def test_a_stack_with_a_key_is_let_through(checkout: Path) -> None:
    file = checkout / "Pulumi.prod.yaml"
    file.write_text("secretsprovider: awskms://alias/state\n" + file.read_text())
    assert "secretsprovider" not in told(find("prod", checkout), "aws", SHARED)
