"""Checkpoints in S3: the whole state after a step, from which the job goes on as if never stopped.

An object is written at once or not at all, and its name carries the SHA-256 of its bytes, so that
one that was torn all the same (cut off, changed, exchanged) is known and passed over.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from landfall import aws
from landfall.errors import IntegrityError, Refused

NAME = re.compile(r"step-(?P<step>\d{8})-(?P<digest>[0-9a-f]{64})\.safetensors")
JOB = "job"
"""Metadata of a checkpoint: the digest of the job that wrote it."""

Arrays = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """`arrays` after `step` steps."""

    step: int
    arrays: Arrays


def write(
    prefix: aws.Location, checkpoint: Checkpoint, *, job: str, via: aws.Access = aws.AS_CONFIGURED
) -> aws.Location:
    """Write a checkpoint of the job with digest `job`. Writing the same one again changes nothing.

    Raises:
        Missing: the bucket does not exist.
        Unreachable: S3 does not answer.
    """
    # One entry only: safetensors writes several in an order that changes from call to call.
    body = save(dict(checkpoint.arrays), metadata={JOB: job})
    digest = hashlib.sha256(body).hexdigest()
    place = prefix.below(f"step-{checkpoint.step:08d}-{digest}.safetensors")
    aws.create_object(place, body, via=via)
    return place


def latest(
    prefix: aws.Location,
    *,
    job: str,
    on_torn: Callable[[str], None],
    via: aws.Access = aws.AS_CONFIGURED,
) -> Checkpoint | None:
    """The last whole checkpoint under `prefix`, or None. `on_torn` hears of those passed over.

    Raises:
        Refused: it is of another job.
        Missing: the bucket does not exist.
        Unreachable: S3 does not answer.
    """
    # With a slash, so that the prefix `job` does not find the objects of `job2`.
    below = aws.Location(bucket=prefix.bucket, key=prefix.below("").key)
    named = [
        (int(match["step"]), match["digest"], stored.location)
        for stored in aws.list_objects(below, via=via)
        if (match := NAME.fullmatch(stored.location.key.removeprefix(below.key)))
    ]
    for step, digest, place in sorted(named, key=lambda each: each[:2], reverse=True):
        body = _whole(place, digest, via)
        if body is None:
            on_torn(str(place))
            continue
        if (found := _job_of(body)) != job:
            raise Refused(
                f"{place} belongs to another job: {found[:12]}, this one is {job[:12]}",
                hint="Use another prefix for a job that has changed.",
            )
        return Checkpoint(step=step, arrays=load(body))
    return None


def _whole(place: aws.Location, digest: str, via: aws.Access) -> bytes | None:
    try:
        body = aws.get_object(place, via=via)
    except IntegrityError:
        return None
    return body if hashlib.sha256(body).hexdigest() == digest else None


def _job_of(body: bytes) -> str:
    size = int.from_bytes(body[:8], "little")  # safetensors: length of the header, then JSON
    try:
        return str(json.loads(body[8 : 8 + size])["__metadata__"][JOB])
    except (ValueError, KeyError):
        return "unknown"
