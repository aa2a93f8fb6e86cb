"""Where data sets, artifacts and logs are kept: versioned, encrypted, private, over TLS alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_aws as aws

from stacks import bucket_policies as policies
from stacks.place import Place
from stacks.settings.parts import Storage
from stacks.statements import document

if TYPE_CHECKING:
    # A module of the SDK is loaded where a component needs it, not with the program.
    LifecycleRule = aws.s3.BucketLifecycleConfigurationRuleArgs

INCOMPLETE_DAYS = 7
"""Parts of an upload that was never finished are kept this long: a cut link may resume."""

NONCURRENT_DAYS = 30
"""How long a version that was overwritten or deleted can be taken back."""

CHECKPOINTS = "checkpoints/"
"""Below which jobs keep what they resume from, in the artifact bucket."""

RELEASED = "released/"
"""Below which stands what the site's hosts may read, in the artifact bucket."""

REGISTRY = "registry/"
"""Below which the model registry keeps its versions' files, in the artifact bucket."""

BALANCER_LOGS = "balancers"
"""The prefix of load balancers' logs in the bucket of access logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket. `id` is its name, once it stands; `arn` is known before."""

    id: pulumi.Output[str]
    arn: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class BucketsArgs:
    """What the buckets need to know.

    Attributes:
        storage: how long things are kept.
        trail: the name of the trail that writes to `logs`, in this account and region; None where
            the trail is another's.
    """

    place: Place
    storage: Storage
    trail: str | None = None


class Buckets(pulumi.ComponentResource):
    """Four buckets.

    Attributes:
        datasets: training data, as admitted.
        artifacts: checkpoints, models, engines, each below its prefix.
        logs: evidence. Nothing in it can be deleted before its time: in a protected environment
            by nobody (compliance mode, which is what an auditor may rely on), elsewhere by those
            who may bypass it (governance mode), so that a rehearsal can be taken down.
        access: requests to the other buckets and to load balancers. S3 delivers these to no bucket
            with object lock, and load balancers to none with a key of ours (their user guides), so
            they stand apart, encrypted with S3's keys.
    """

    datasets: Bucket
    artifacts: Bucket
    logs: Bucket
    access: Bucket

    def __init__(
        self, name: str, args: BucketsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Buckets", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args = args
        place, storage = args.place, args.storage
        logs_days = max(place.logs_days, storage.evidence_days)
        self.access = self._bucket("access", None, [_expiry("all", "", place.logs_days)])
        self.datasets = self._bucket("datasets", place.keys["datasets"], [])
        checkpoints = _expiry("checkpoints", CHECKPOINTS, storage.expire_checkpoints_days)
        self.artifacts = self._bucket("artifacts", place.keys["artifacts"], [checkpoints])
        self.logs = self._bucket(
            "logs", place.keys["logs"], [_expiry("all", "", logs_days)], evidence=True
        )
        for part in ("datasets", "artifacts", "logs"):
            self._log_requests(part)
        self._policies()
        self.register_outputs(
            {"datasets": self.datasets.id, "artifacts": self.artifacts.id, "logs": self.logs.id}
        )

    def _bucket(
        self,
        name: str,
        key: pulumi.Output[str] | None,
        rules: list[LifecycleRule],
        *,
        evidence: bool = False,
    ) -> Bucket:
        place = self._args.place
        # Bucket names are the world's; the account makes this one unique, and known when planning.
        called = place.account.apply(lambda account: f"{place.name(name)}-{account}")
        made = aws.s3.Bucket(
            name,
            bucket=called,
            force_destroy=not place.protect,
            object_lock_enabled=evidence,
            tags={"landfall:content": name, "landfall:evidence": str(evidence).lower()},
            opts=place.stateful(self),
        )
        aws.s3.BucketOwnershipControls(
            name,
            bucket=made.id,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=self._child,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            name, bucket=made.id, rules=[_encryption(key)], opts=self._child
        )
        versioning = aws.s3.BucketVersioning(
            name,
            bucket=made.id,
            versioning_configuration={"status": "Enabled"},
            opts=self._child,
        )
        # Rules about versions, and locks, are refused where versions are not kept yet.
        after = pulumi.ResourceOptions(parent=self, depends_on=[versioning])
        aws.s3.BucketLifecycleConfiguration(
            name, bucket=made.id, rules=[*rules, _housekeeping()], opts=after
        )
        if evidence:
            self._lock(name, made, after)
        return Bucket(id=made.id, arn=called.apply(lambda called: f"arn:aws:s3:::{called}"))

    def _lock(self, name: str, bucket: aws.s3.Bucket, opts: pulumi.ResourceOptions) -> None:
        aws.s3.BucketObjectLockConfiguration(
            name,
            bucket=bucket.id,
            rule={
                "default_retention": {
                    "mode": "COMPLIANCE" if self._args.place.protect else "GOVERNANCE",
                    "days": self._args.storage.evidence_days,
                }
            },
            opts=opts,
        )

    def _log_requests(self, name: str) -> None:
        bucket: Bucket = getattr(self, name)
        aws.s3.BucketLogging(
            name,
            bucket=bucket.id,
            target_bucket=self.access.id,
            target_prefix=f"s3/{name}/",
            opts=self._child,
        )

    def _policies(self) -> None:
        place = self._args.place
        keys = {"datasets": "datasets", "artifacts": "artifacts", "logs": "logs", "access": ""}
        arns = {part: getattr(self, part).arn for part in keys}
        known = pulumi.Output.all(
            account=place.account,
            arns=arns,
            keys={part: place.keys[purpose] for part, purpose in keys.items() if purpose},
        )
        for part in keys:
            bucket: Bucket = getattr(self, part)
            closed = aws.s3.BucketPublicAccessBlock(
                part,
                bucket=bucket.id,
                block_public_acls=True,
                block_public_policy=True,
                ignore_public_acls=True,
                restrict_public_buckets=True,
                opts=self._child,
            )
            aws.s3.BucketPolicy(
                part,
                bucket=bucket.id,
                policy=known.apply(partial(bucket_policy, part, self._args)),
                # AWS refuses two changes of a bucket's access at once.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[closed]),
            )


def bucket_policy(part: str, args: BucketsArgs, known: dict[str, Any]) -> str:
    """The policy of one bucket.

    Args:
        part: datasets, artifacts, logs or access.
        args: the environment and its settings.
        known: the `account`, the buckets' `arns` and their `keys`, by part.
    """
    arn, account, region = known["arns"][part], known["account"], args.place.region
    found = policies.closed(arn, account=account)
    if part != "access":
        found += policies.own_key_only(arn, key_arn=known["keys"][part])
    if part == "datasets":
        found.append(policies.classified(arn, highest=args.place.tags.data_class))
    if part == "logs" and args.trail:
        trail = f"arn:aws:cloudtrail:{region}:{account}:trail/{args.trail}"
        found += policies.trail_writes(arn, account=account, trail_arn=trail)
    if part == "access":
        sources = [value for name, value in known["arns"].items() if name != "access"]
        found += policies.access_log_writes(arn, account=account, region=region, sources=sources)
    return document(*found)


def _encryption(
    key: pulumi.Output[str] | None,
) -> aws.s3.BucketServerSideEncryptionConfigurationRuleArgs:
    by_default = (
        aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="aws:kms" if key else "AES256", kms_master_key_id=key
        )
    )
    return aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
        apply_server_side_encryption_by_default=by_default,
        bucket_key_enabled=True if key else None,
    )


def _expiry(name: str, prefix: str, days: int) -> LifecycleRule:
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id=f"expire-{name}",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=prefix),
        expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days),
    )


def _housekeeping() -> LifecycleRule:
    """What no bucket keeps for ever: old versions, and uploads that never ended."""
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id="housekeeping",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
        noncurrent_version_expiration=(
            aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                noncurrent_days=NONCURRENT_DAYS
            )
        ),
        abort_incomplete_multipart_upload=(
            aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=INCOMPLETE_DAYS
            )
        ),
    )
