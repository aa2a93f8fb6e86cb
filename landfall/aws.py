"""The only module that imports boto3: objects in S3 and secrets in Secrets Manager.

Where nothing else is said, endpoint, region and credentials come from where boto3 itself looks for
them (`AWS_ENDPOINT_URL`, `AWS_REGION`, profiles, roles), so the same code speaks to AWS and to the
rehearsal's stand-in.
Every object is written with a SHA-256 that the service checks, and read with one that we check.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3
from botocore import exceptions
from botocore.config import Config

from landfall.errors import (
    IntegrityError,
    InvalidInput,
    LandfallError,
    Problem,
    Refused,
    Unreachable,
)

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
ATTEMPTS = 3
"""How often a request is tried in all, with boto3's own pauses between."""

ABSENT = {"404", "NoSuchKey", "NoSuchBucket", "ResourceNotFoundException", "NotFound"}
FORBIDDEN = {"403", "AccessDenied", "AccessDeniedException", "InvalidAccessKeyId"}
TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
"""S3's answers to a conditional write where the key exists or is being written."""

PART_BYTES = 64 * 2**20
"""A larger file is sent in parts of this size, so that an upload that was cut off can go on."""
MOST_PARTS = 10_000
"""Of one object (S3 User Guide, multipart upload limits)."""
DIGEST = "landfall-sha256"
"""User metadata of an object that `upload` put: the SHA-256 of the whole, in hexadecimal."""

CREDENTIALS_HINT = "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION."


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach an account. What is None, boto3 finds by itself: environment, profile, role."""

    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)


AS_CONFIGURED = Access()


class Missing(LandfallError):
    """A bucket, an object or a secret does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place in S3: an object, or a prefix of objects."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> Location:
        """Read `s3://bucket/key`; a slash at the end does not count.

        Raises:
            InvalidInput: it is something else.
        """
        parts = urlsplit(uri)
        if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
            raise InvalidInput(uri, [Problem(path="", message="must be s3://bucket/prefix")])
        return cls(bucket=parts.netloc, key=parts.path.strip("/"))

    def below(self, name: str) -> Location:
        """The object `name` under this prefix."""
        return Location(bucket=self.bucket, key=f"{self.key}/{name}" if self.key else name)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object as a listing shows it. `size` is in bytes."""

    location: Location
    size: int


def ensure_bucket(bucket: str, *, via: Access = AS_CONFIGURED) -> bool:
    """Create `bucket` in the client's region unless it exists. True if it was created.

    Raises:
        Refused: somebody else owns that name, or this identity may not create it.
        Unreachable: the endpoint does not answer.
    """
    client = _client("s3", via)
    with _named(f"bucket {bucket}", client):
        try:
            client.head_bucket(Bucket=bucket)
        except exceptions.ClientError as error:
            if _code(error) not in ABSENT:
                raise
        else:
            return False
        region = client.meta.region_name
        place = {} if region == "us-east-1" else {"LocationConstraint": region}
        options = {"CreateBucketConfiguration": place} if place else {}
        try:
            client.create_bucket(Bucket=bucket, **options)
        except exceptions.ClientError as error:
            if _code(error) != "BucketAlreadyOwnedByYou":  # created beside us: as good
                raise
            return False
        return True


def put_object(
    location: Location,
    body: bytes,
    *,
    tags: Mapping[str, str] | None = None,
    via: Access = AS_CONFIGURED,
) -> None:
    """Write an object, over an older one if there is one.

    Raises:
        Missing: the bucket does not exist.
        Refused: not allowed.
        Unreachable: the endpoint does not answer.
    """
    client = _client("s3", via)
    with _named(str(location), client):
        client.put_object(**_whole(location, body), Tagging=urlencode(tags or {}))


def create_object(location: Location, body: bytes, *, via: Access = AS_CONFIGURED) -> bool:
    """Write an object unless its key exists; False (and nothing written) if it does.

    Raises: as `put_object`.
    """
    client = _client("s3", via)
    with _named(str(location), client):
        try:
            client.put_object(**_whole(location, body), IfNoneMatch="*")
        except exceptions.ClientError as error:
            if _code(error) in TAKEN:
                return False
            raise
        return True


def upload(
    path: Path,
    location: Location,
    *,
    sha256: str,
    tags: Mapping[str, str],
    part_bytes: int = PART_BYTES,
    via: Access = AS_CONFIGURED,
) -> bool:
    """Put the file `path` at `location`, and go on where an earlier upload was cut off.

    False where these bytes are there already: then only its tags are brought up to date.

    Raises:
        IntegrityError: the file is not what `sha256` (in hexadecimal) says, and nothing was put;
            or the service kept something else.
        Missing, Refused, Unreachable: as `put_object`.
    """
    client = _client("s3", via)
    with _named(str(location), client):
        sent = _kept(client, location) != sha256
        if sent and path.stat().st_size <= part_bytes:
            body = path.read_bytes()
            if hashlib.sha256(body).hexdigest() != sha256:
                raise IntegrityError(f"{path} has changed: its SHA-256 is not {sha256}")
            client.put_object(**_whole(location, body), **_marked(sha256, tags))
        elif sent:
            _in_parts(client, path, location, sha256, tags, part_bytes)
        if sent and _kept(client, location) != sha256:
            raise IntegrityError(f"{location} does not hold the bytes of {path}: upload it again")
        wanted = {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
        client.put_object_tagging(Bucket=location.bucket, Key=location.key, Tagging=wanted)
        return sent


def get_object(location: Location, *, via: Access = AS_CONFIGURED) -> bytes:
    """Read an object and compare it with the SHA-256 that it was written with, where it has one.

    Raises:
        IntegrityError: the bytes are not those that were written.
        Missing: there is no such object or bucket.
        Refused: not allowed.
        Unreachable: the endpoint does not answer.
    """
    client = _client("s3", via)
    with _named(str(location), client):
        answer = client.get_object(Bucket=location.bucket, Key=location.key, ChecksumMode="ENABLED")
        body: bytes = answer["Body"].read()
    # Of what came in parts the service has no checksum of the whole; `upload` leaves one.
    wanted = answer["Metadata"].get(DIGEST) or answer.get("ChecksumSHA256")
    if wanted not in {None, _checksum(body), hashlib.sha256(body).hexdigest()}:
        raise IntegrityError(f"{location} is damaged: its bytes do not have its SHA-256 checksum")
    return body


def list_objects(prefix: Location, *, via: Access = AS_CONFIGURED) -> tuple[Stored, ...]:
    """Every object whose key begins with that of `prefix`, in the order of the keys.

    Raises: as `get_object`, but for IntegrityError.
    """
    client = _client("s3", via)
    with _named(str(prefix), client):
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=prefix.bucket, Prefix=prefix.key
        )
        return tuple(
            Stored(location=Location(bucket=prefix.bucket, key=each["Key"]), size=each["Size"])
            for page in pages
            for each in page.get("Contents", [])
        )


def list_buckets(*, via: Access = AS_CONFIGURED) -> tuple[str, ...]:
    """The names of the buckets of this account.

    Raises: as `get_object`, but for IntegrityError and Missing.
    """
    client = _client("s3", via)
    with _named("the list of buckets", client):
        return tuple(each["Name"] for each in client.list_buckets()["Buckets"])


def put_secret(name: str, value: str, *, description: str = "", via: Access = AS_CONFIGURED) -> str:
    """Keep `value` under `name` and return the secret's ARN. The same value again changes nothing.

    The value appears in no error, log or argument list.

    Raises:
        Refused: not allowed.
        Unreachable: the endpoint does not answer.
    """
    client = _client("secretsmanager", via)
    with _named(f"secret {name}", client, secret=True):
        try:
            made = client.create_secret(Name=name, SecretString=value, Description=description)
        except exceptions.ClientError as error:
            if _code(error) != "ResourceExistsException":
                raise
        else:
            return str(made["ARN"])
        found = client.get_secret_value(SecretId=name)
        if found.get("SecretString") != value:
            client.put_secret_value(SecretId=name, SecretString=value)
        return str(found["ARN"])


def get_secret(arn: str, *, via: Access = AS_CONFIGURED) -> str:
    """The current value of the secret that `arn` (or a name) refers to.

    Raises:
        Missing: there is no such secret, or it is being deleted.
        Refused: not allowed.
        Unreachable: the endpoint does not answer.
    """
    client = _client("secretsmanager", via)
    with _named(f"secret {arn}", client, secret=True):
        return str(client.get_secret_value(SecretId=arn)["SecretString"])


@cache
def _client(service: str, via: Access) -> Any:
    """A client per service and access, kept: making one takes a tenth of a second."""
    options = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        request_checksum_calculation="when_required",  # we name SHA-256 ourselves
    )
    try:
        return boto3.session.Session().client(
            service,
            endpoint_url=via.endpoint,
            region_name=via.region,
            aws_access_key_id=via.access_key,
            aws_secret_access_key=via.secret_key,
            config=options,
        )
    except (exceptions.BotoCoreError, ValueError) as error:  # no region, no such profile, bad URL
        raise Refused(f"no client for {service}: {error}", hint=CREDENTIALS_HINT) from None


def _whole(location: Location, body: bytes) -> dict[str, Any]:
    return {
        "Bucket": location.bucket,
        "Key": location.key,
        "Body": body,
        "ChecksumAlgorithm": "SHA256",
        "ChecksumSHA256": _checksum(body),
    }


def _marked(sha256: str, tags: Mapping[str, str]) -> dict[str, Any]:
    return {"Metadata": {DIGEST: sha256}, "Tagging": urlencode(tags)}


def _kept(client: Any, location: Location) -> str | None:
    """What the object at `location` says that it is; None where there is none."""
    try:
        found = client.head_object(Bucket=location.bucket, Key=location.key)
    except exceptions.ClientError as error:
        if _code(error) not in ABSENT:
            raise
        return None
    return str(found["Metadata"].get(DIGEST, ""))


def _in_parts(
    client: Any, path: Path, location: Location, sha256: str, tags: Mapping[str, str], size: int
) -> None:
    """Send the parts that an open upload lacks, and close it if they are what they should be."""
    place = {"Bucket": location.bucket, "Key": location.key}
    size = max(size, -(-path.stat().st_size // MOST_PARTS))
    begun = client.list_multipart_uploads(Bucket=location.bucket, Prefix=location.key)
    same = [each for each in begun.get("Uploads", []) if each["Key"] == location.key]
    marks = _marked(sha256, tags)
    upload = same or [client.create_multipart_upload(**place, ChecksumAlgorithm="SHA256", **marks)]
    place["UploadId"] = upload[0]["UploadId"]
    pages = client.get_paginator("list_parts").paginate(**place)
    known = {each["PartNumber"]: each for page in pages for each in page.get("Parts", [])}
    whole, parts = hashlib.sha256(), []
    with path.open("rb") as stream:
        for number, body in enumerate(iter(lambda: stream.read(size), b""), start=1):
            whole.update(body)
            part = known.get(number)
            if part is None or not _same(part, body):
                wanted = {"Body": body, "ChecksumSHA256": _checksum(body)}
                part = client.upload_part(**place, PartNumber=number, **wanted)
            sent = {"PartNumber": number, "ETag": part["ETag"]}
            parts.append({**sent, "ChecksumSHA256": _checksum(body)})
    if whole.hexdigest() != sha256:
        client.abort_multipart_upload(**place)
        raise IntegrityError(f"{path} has changed: its SHA-256 is not {sha256}")
    client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})


def _same(part: Mapping[str, Any], body: bytes) -> bool:
    """Whether a part that is there has these bytes: by SHA-256, or MD5 where that is all we get."""
    if "ChecksumSHA256" in part:
        return bool(part["ChecksumSHA256"] == _checksum(body))
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return bool(part["Size"] == len(body) and part["ETag"].strip('"') == md5)


def _checksum(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _code(error: exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _named(what: str, client: Any, *, secret: bool = False) -> Iterator[None]:
    """Turn botocore's errors into ours. `secret`: quote nothing that they say."""
    where = f"{what} (at {client.meta.endpoint_url})"
    try:
        yield
    except exceptions.ClientError as error:
        code = _code(error)
        said = code if secret else f"{code}: {error.response['Error'].get('Message', '')}"
        kind = Missing if code in ABSENT else Refused if code in FORBIDDEN else LandfallError
        text = "does not exist" if kind is Missing else f"was refused: {said}"
        raise kind(f"{where} {text}") from None
    except (exceptions.NoCredentialsError, exceptions.NoRegionError) as error:
        raise Refused(f"{where}: {error}", hint=CREDENTIALS_HINT) from None
    except (exceptions.FlexibleChecksumError, exceptions.IncompleteReadError):
        raise IntegrityError(f"{where} is damaged: its bytes do not match its checksum") from None
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        raise Unreachable(f"{where} does not answer: {type(error).__name__}") from None
    except exceptions.BotoCoreError as error:
        said = type(error).__name__ if secret else str(error)
        raise LandfallError(f"{where} failed: {said}") from None
