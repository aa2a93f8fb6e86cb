"""Objects and secrets, against moto's server on loopback."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError
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


MIB = 2**20
PART = 5 * MIB  # the least that S3 takes
BIG = Location(bucket="artifacts", key="uploads/big")


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def client_of(s3: Access) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
    )


def tags_of(s3: Access, place: Location) -> dict[str, str]:
    found = client_of(s3).get_object_tagging(Bucket=place.bucket, Key=place.key)["TagSet"]
    return {each["Key"]: each["Value"] for each in found}


@contextmanager
def parts_sent(s3: Access, *, cut_at: int = 0) -> Iterator[list[int]]:
    """The numbers of the parts that are sent; at part `cut_at` the network goes away."""
    sent: list[int] = []

    def note(params: dict[str, Any], **_: object) -> None:
        number = int(params["query_string"]["partNumber"])
        if number == cut_at:
            raise ConnectionClosedError(endpoint_url=str(s3.endpoint))
        sent.append(number)

    events = aws._client("s3", s3).meta.events
    events.register("before-call.s3.UploadPart", note)
    try:
        yield sent
    finally:
        events.unregister("before-call.s3.UploadPart", note)


@pytest.mark.services
def test_an_upload_is_sent_once_and_its_tags_are_kept_up(s3: Access, tmp_path: Path) -> None:
    place = Location(bucket="artifacts", key="uploads/small")
    file = tmp_path / "file"
    file.write_bytes(b"rows")
    digest = sha256(b"rows")
    old = {"landfall:classification": "internal"}
    assert aws.upload(file, place, sha256=digest, tags={**old, "a": "b c=d"}, via=s3)
    assert tags_of(s3, place) == {**old, "a": "b c=d"}
    new = {"landfall:classification": "confidential"}
    assert not aws.upload(file, place, sha256=digest, tags=new, via=s3)
    assert tags_of(s3, place) == new
    assert aws.get_object(place, via=s3) == b"rows"


@pytest.mark.services
def test_an_upload_that_was_cut_off_goes_on(s3: Access, tmp_path: Path) -> None:
    body = b"".join(bytes([n]) * PART for n in range(3)) + b"end"
    file = tmp_path / "file"
    file.write_bytes(body)

    def send() -> bool:
        found = sha256(body)
        return aws.upload(file, BIG, sha256=found, tags={"k": "v"}, part_bytes=PART, via=s3)

    with parts_sent(s3, cut_at=3) as sent, pytest.raises(Unreachable):
        send()
    assert sent == [1, 2]
    with pytest.raises(aws.Missing):
        aws.get_object(BIG, via=s3)
    with parts_sent(s3) as sent:
        assert send()
    assert sent == [3, 4]
    assert aws.get_object(BIG, via=s3) == body
    assert tags_of(s3, BIG) == {"k": "v"}
    with parts_sent(s3) as sent:
        assert not send()
    assert sent == []


@pytest.mark.services
def test_a_part_of_other_bytes_is_sent_again(s3: Access, tmp_path: Path) -> None:
    place = Location(bucket="artifacts", key="uploads/begun")
    client, where = client_of(s3), {"Bucket": place.bucket, "Key": place.key}
    begun = client.create_multipart_upload(**where)["UploadId"]
    client.upload_part(**where, UploadId=begun, PartNumber=1, Body=b"o" * PART)
    body = b"n" * PART + b"end"
    file = tmp_path / "file"
    file.write_bytes(body)
    with parts_sent(s3) as sent, pytest.raises(IntegrityError, match="does not hold the bytes"):
        # Whoever began it did not say of what; so nobody can know what the object is.
        aws.upload(file, place, sha256=sha256(body), tags={"k": "v"}, part_bytes=PART, via=s3)
    assert sent == [1, 2]
    assert aws.upload(file, place, sha256=sha256(body), tags={"k": "v"}, part_bytes=PART, via=s3)
    assert aws.get_object(place, via=s3) == body


@pytest.mark.services
@pytest.mark.parametrize("size", [10, PART + 1])
def test_a_file_that_is_another_is_not_uploaded(s3: Access, tmp_path: Path, size: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * size)
    place = Location(bucket="artifacts", key=f"uploads/other-{size}")
    with pytest.raises(IntegrityError, match="has changed"):
        aws.upload(file, place, sha256=sha256(b"y"), tags={"k": "v"}, part_bytes=PART, via=s3)
    with pytest.raises(aws.Missing):
        aws.get_object(place, via=s3)
    begun = client_of(s3).list_multipart_uploads(Bucket="artifacts", Prefix=place.key)
    assert begun.get("Uploads", []) == []
