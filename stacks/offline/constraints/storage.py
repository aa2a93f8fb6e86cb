"""Storage: FSx for Lustre, S3, RDS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from landfall.errors import Problem
from stacks.offline.constraints.view import View, at, words

LUSTRE = "aws:fsx/lustreFileSystem:LustreFileSystem"
BUCKET = "aws:s3/bucket:Bucket"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
STREAM = "aws:kinesis/stream:Stream"
DATABASE = "aws:rds/instance:Instance"

SCRATCH = ("SCRATCH_1", "SCRATCH_2")
PERSISTENT = ("PERSISTENT_1", "PERSISTENT_2")

THROUGHPUT: Mapping[tuple[str, str], tuple[int, ...]] = {
    ("PERSISTENT_1", "SSD"): (50, 100, 200),
    ("PERSISTENT_1", "HDD"): (12, 40),
    ("PERSISTENT_2", "SSD"): (125, 250, 500, 1000),
}
"""MB/s for each TiB (FSx API reference, CreateFileSystemLustreConfiguration)."""

SMALLEST_GIB = 1200
STEP_GIB: Mapping[tuple[str, int | None], int] = {
    ("SCRATCH_1", None): 3600,
    ("HDD", 12): 6000,
    ("HDD", 40): 1800,
}
"""Steps of the capacity (FSx API reference, CreateFileSystem); those of all others are below."""

OTHER_STEP_GIB = 2400

EFA_STEP_GIB: Mapping[int, int] = {125: 38400, 250: 19200, 500: 9600, 1000: 4800}
"""Steps with EFA, by throughput (FSx user guide, "Working with EFA-enabled file systems")."""

IA_AFTER_DAYS = 30
"""Before STANDARD_IA and ONEZONE_IA (S3 user guide, lifecycle transitions)."""

ARM_CLASS = re.compile(r"db\.[a-z]+\d+g")
NO_ARM = ("sqlserver", "oracle", "custom")
"""Engines that do not run on Graviton (RDS user guide, "DB instance class types")."""


def lustre_throughput(view: View) -> Iterator[Problem]:
    """The throughput is one that the file system's type has; scratch has none to choose."""
    path, kind = "perUnitStorageThroughput", view.get_or("deploymentType", SCRATCH[0])
    given, media = view.get(path), view.get_or("storageType", "SSD")
    if kind in SCRATCH and given:
        yield Problem(path=path, message=f"a file system of type {kind} takes none")
    if kind not in PERSISTENT or media in (None, "INTELLIGENT_TIERING"):
        return
    steps = THROUGHPUT.get((kind, media), ())
    if not steps:
        yield Problem(path="storageType", message=f"{kind} does not have {media}")
    elif not view.has(path):
        yield Problem(path=path, message=f"missing; {kind} has {words(steps)} MB/s for each TiB")
    elif given is not None and given not in steps:
        yield Problem(path=path, message=f"must be {words(steps)}, with {kind} on {media}")


def lustre_capacity(view: View) -> Iterator[Problem]:
    """The capacity is one of the steps in which file systems come."""
    given, media = view.get("storageCapacity"), view.get_or("storageType", "SSD")
    kind = view.get_or("deploymentType", SCRATCH[0])
    if None in (given, media, kind):
        return
    throughput, efa = view.get("perUnitStorageThroughput"), view.get("efaEnabled") is True
    key = ("HDD", throughput) if media == "HDD" else (kind, None)
    step = EFA_STEP_GIB.get(throughput) if efa else STEP_GIB.get(key, OTHER_STEP_GIB)
    small = () if media == "HDD" or efa else (SMALLEST_GIB, OTHER_STEP_GIB)
    if step and given not in small and (given <= 0 or given % step):
        first = f"{words(small)} or " if small else ""
        what = f"{throughput} MB/s for each TiB and EFA" if efa else f"{kind} on {media}"
        message = f"must be {first}a multiple of {step} GiB, with {what}"
        yield Problem(path="storageCapacity", message=message)


def lustre_features(view: View) -> Iterator[Problem]:
    """What only some types of file system have."""
    kind = view.get_or("deploymentType", SCRATCH[0])
    if kind in SCRATCH:
        for name in ("kmsKeyId", "automaticBackupRetentionDays"):
            if view.has(name) and view.inputs[name] != 0:
                yield Problem(path=name, message=f"{kind} has none; take a persistent type")
    if view.get("efaEnabled") and kind not in (None, PERSISTENT[1]):
        yield Problem(path="efaEnabled", message=f"needs {PERSISTENT[1]}")
    if view.get("efaEnabled") and not view.has("metadataConfiguration"):
        message = "missing; with EFA it says what the metadata servers can do"
        yield Problem(path="metadataConfiguration", message=message)
    for name in ("importPath", "exportPath"):
        if view.has(name) and kind == PERSISTENT[1]:
            message = f"{kind} has none; link the bucket with a data repository association"
            yield Problem(path=name, message=message)
    subnets = view.get("subnetIds")
    if isinstance(subnets, list) and len(subnets) != 1:
        yield Problem(path="subnetIds", message="must be one subnet")


def locked_is_versioned(view: View) -> Iterator[Problem]:
    """The versions of a bucket with object lock cannot be suspended."""
    buckets = view.found("bucket", BUCKET, by="bucket")
    locked = [at(each.inputs, "objectLockEnabled") is True for each in buckets]
    status = view.get("versioningConfiguration.status")
    if locked and all(locked) and status not in (None, "Enabled"):
        message = "must be Enabled: the bucket has object lock"
        yield Problem(path="versioningConfiguration.status", message=message)


def lock_needs_versions(view: View) -> Iterator[Problem]:
    """Object lock is for buckets that were made with it, or whose versions are kept."""
    buckets = view.found("bucket", BUCKET, by="bucket")
    without = [at(each.inputs, "objectLockEnabled") is not True for each in buckets]
    named = view.inputs.get("bucket")
    versioned = [
        each for each in view.others.values()
        if each.token == VERSIONING and each.inputs.get("bucket") in (named, None)
    ]  # fmt: skip
    if without and all(without) and not versioned:
        message = "make the bucket with objectLockEnabled, or version it first (dependsOn)"
        yield Problem(path="bucket", message=message)


def retention(view: View) -> Iterator[Problem]:
    """A default retention is in days or in years."""
    path = "rule.defaultRetention"
    given = view.get(path)
    if isinstance(given, dict) and ("days" in given) == ("years" in given):
        yield Problem(path=path, message="must have one of days or years")


def transitions(view: View) -> Iterator[Problem]:
    """Objects rest before they move, and move before they expire."""
    for path, rule in view.each("rules[]"):
        ends = at(rule, "expiration.days")
        for index, step in enumerate(at(rule, "transitions") or ()):
            days, where = at(step, "days"), f"{path}.transitions[{index}].days"
            cold = at(step, "storageClass") in ("STANDARD_IA", "ONEZONE_IA")
            if cold and days is not None and days < IA_AFTER_DAYS:
                message = f"must be at least {IA_AFTER_DAYS} for {step['storageClass']}"
                yield Problem(path=where, message=message)
            if None not in (ends, days) and days >= ends:
                message = f"must be below the expiration, {ends} days"
                yield Problem(path=where, message=message)


def database_class(view: View) -> Iterator[Problem]:
    """The engine is one of an instance, and runs on the processor of its class."""
    engine, kind = view.get("engine"), view.get("instanceClass")
    if isinstance(engine, str) and engine.startswith("aurora"):
        message = f"{engine} belongs to a cluster; take aws.rds.ClusterInstance"
        yield Problem(path="engine", message=message)
    if ARM_CLASS.match(str(kind)) and str(engine).startswith(NO_ARM):
        message = f"{kind} has an Arm processor, on which {engine} does not run"
        yield Problem(path="instanceClass", message=message)


def database_password(view: View) -> Iterator[Problem]:
    """AWS keeps the password, or somebody gives one."""
    given = [name for name in ("password", "passwordWo") if view.has(name)]
    if view.get("manageMasterUserPassword") and given:
        yield Problem(path=given[0], message="leave it out: manageMasterUserPassword is set")


def database_end(view: View) -> Iterator[Problem]:
    """A deletion needs a name for the last snapshot, and fails late without one."""
    last, skipped = "finalSnapshotIdentifier", view.inputs.get("skipFinalSnapshot")
    if skipped in (None, False) and not view.has(last):
        yield Problem(path=last, message="missing; a deletion fails without it")


def database_key(view: View) -> Iterator[Problem]:
    """A key is for storage that is encrypted."""
    if view.has("kmsKeyId") and view.inputs.get("storageEncrypted") in (None, False):
        yield Problem(path="storageEncrypted", message="must be true where kmsKeyId is set")


def shards(view: View) -> Iterator[Problem]:
    """A stream has shards or finds its own size."""
    mode = view.get_or("streamModeDetails.streamMode", "PROVISIONED")
    if mode == "ON_DEMAND" and view.has("shardCount"):
        message = "leave it out: a stream on demand finds its own size"
        yield Problem(path="shardCount", message=message)
    if mode == "PROVISIONED" and not view.has("shardCount"):
        yield Problem(path="shardCount", message="missing; or make the stream ON_DEMAND")


RULES = {
    STREAM: (shards,),
    LUSTRE: (lustre_throughput, lustre_capacity, lustre_features),
    VERSIONING: (locked_is_versioned,),
    LOCK: (lock_needs_versions, retention),
    LIFECYCLE: (transitions,),
    DATABASE: (database_class, database_password, database_end, database_key),
}
