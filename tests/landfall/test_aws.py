"""Objects and secrets, against moto's server on loopback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall import aws
from landfall.aws import Access, Location
from landfall.errors import IntegrityError, InvalidInput, LandfallError, Refused, Unreachable

PLACE = Location(bucket="artifacts", key="some/object")
NOBODY = Access(endpoint="http://127.0.0.1:9", region="x", access_key="a", secret_key="b")


@pytest.fixture(scope="module")
def s3() -> Iterator[Access]:
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    access = Access(
        endpoint=f"http://{host}:{port}", region="eu-central-1", access_key="a", secret_key="b"
    )
    aws.ensure_bucket("artifacts", via=access)
    yield access
    server.stop()


NAMES = st.text("abcdefghij0123456789-", min_size=3, max_size=20).filter(
    lambda name: name.strip("-") == name
)


@given(bucket=NAMES, key=st.lists(NAMES, max_size=4).map("/".join))
def test_a_location_reads_what_it_writes(bucket: str, key: str) -> None:
    place = Location(bucket=bucket, key=key)
    assert Location.parse(str(place)) == place
    assert Location.parse(f"{place}/") == place


@pytest.mark.parametrize("uri", ["", "bucket/key", "http://bucket/key", "s3:///key", "s3://b/k?v"])
def test_what_is_no_location_is_refused(uri: str) -> None:
    with pytest.raises(InvalidInput, match="must be s3://bucket/prefix"):
        Location.parse(uri)


def test_below() -> None:
    assert str(Location.parse("s3://b/p").below("x")) == "s3://b/p/x"
    assert str(Location.parse("s3://b").below("x")) == "s3://b/x"


def test_the_secret_key_is_not_shown() -> None:
    assert "hidden" not in repr(Access(secret_key="hidden"))


@pytest.mark.services
def test_a_bucket_is_made_once(s3: Access) -> None:
    assert aws.ensure_bucket("made-once", via=s3)
    assert not aws.ensure_bucket("made-once", via=s3)
    assert "made-once" in aws.list_buckets(via=s3)


@pytest.mark.services
def test_an_object_comes_back(s3: Access) -> None:
    aws.put_object(PLACE, b"one", via=s3)
    aws.put_object(PLACE, b"two", via=s3)
    assert aws.get_object(PLACE, via=s3) == b"two"


@pytest.mark.services
def test_create_does_not_overwrite(s3: Access) -> None:
    place = Location(bucket="artifacts", key="created")
    assert aws.create_object(place, b"one", via=s3)
    assert not aws.create_object(place, b"two", via=s3)
    assert aws.get_object(place, via=s3) == b"one"


@pytest.mark.services
def test_a_listing_is_whole_and_in_order(s3: Access) -> None:
    wanted = [Location(bucket="artifacts", key=f"listed/{number:04}") for number in range(12)]
    for place in reversed(wanted):
        aws.put_object(place, b"12345", via=s3)
    found = aws.list_objects(Location(bucket="artifacts", key="listed/"), via=s3)
    assert [each.location for each in found] == wanted
    assert {each.size for each in found} == {5}


@pytest.mark.services
def test_changed_bytes_are_noticed(s3: Access) -> None:
    place = Location(bucket="artifacts", key="changed")
    aws.put_object(place, b"what was written", via=s3)
    from moto.s3.models import s3_backends

    key = s3_backends["123456789012"]["aws"].buckets["artifacts"].keys["changed"]
    key.value = b"what was changed"
    with pytest.raises(IntegrityError, match="s3://artifacts/changed"):
        aws.get_object(place, via=s3)


@pytest.mark.services
@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        (
            lambda s3: aws.get_object(PLACE.below("no"), via=s3),
            aws.Missing,
            "s3://artifacts/some/object/no (at http://127.0.0.1:",
        ),
        (
            lambda s3: aws.put_object(Location(bucket="absent", key="k"), b"", via=s3),
            aws.Missing,
            "s3://absent/k",
        ),
        (lambda s3: aws.get_secret("absent", via=s3), aws.Missing, "secret absent"),
        (lambda s3: aws.ensure_bucket("x", via=s3), LandfallError, "bucket x"),
    ],
)
def test_errors_name_what_and_where(
    s3: Access, what: Callable[[Access], object], error: type[LandfallError], message: str
) -> None:
    with pytest.raises(error) as caught:
        what(s3)
    assert message in str(caught.value)


def test_nobody_there() -> None:
    with pytest.raises(Unreachable, match=r"artifacts/some/object .*127\.0\.0\.1:9.* not answer"):
        aws.get_object(PLACE, via=NOBODY)


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Refused, match="Set AWS_PROFILE"):
        aws.get_object(PLACE, via=Access(endpoint="http://127.0.0.1:9", region="nowhere-1"))


@pytest.mark.services
def test_a_secret_keeps_its_arn_and_changes_only_when_it_must(s3: Access) -> None:
    arn = aws.put_secret("link/psk", "first", via=s3)
    assert aws.put_secret("link/psk", "first", via=s3) == arn
    assert _versions(s3) == 1
    assert aws.put_secret("link/psk", "second", via=s3) == arn
    assert _versions(s3) == 2
    assert aws.get_secret(arn, via=s3) == aws.get_secret("link/psk", via=s3) == "second"


@pytest.mark.services
def test_a_secret_appears_in_no_error_and_no_log(
    s3: Access, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.INFO),
        pytest.raises(LandfallError) as caught,
    ):
        aws.put_secret("", "canary-secret", via=s3)
    assert "canary-secret" not in f"{caught.value!r} {caught.value} {caplog.text}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def _versions(s3: Access) -> int:
    client = boto3.client(
        "secretsmanager",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
    )
    return len(client.list_secret_version_ids(SecretId="link/psk")["Versions"])
