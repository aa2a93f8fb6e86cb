"""The other groups of keys: network, storage, registry, identity, audit, money, streams."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from landfall.model.classification import Classification
from stacks.settings.fields import (
    Arn,
    Configured,
    ContainerImage,
    Email,
    Name,
    retention,
)

VPC_PREFIXES = range(16, 23)
"""A VPC is /16 to /28 (Amazon VPC guide); below /22 its subnets get too small for training."""

Retention = Annotated[int, AfterValidator(retention)]


class Tags(Configured):
    """What every resource carries, so that its cost and its owner can be found.

    Attributes:
        owner: the team that answers for it.
        cost_centre: who pays.
        data_class: the highest classification that it may hold: public, internal or confidential.
    """

    owner: Annotated[str, Field(min_length=2, max_length=64)]
    cost_centre: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{2,32}$")]
    data_class: Classification

    @field_validator("data_class")
    @classmethod
    def _goes_up(cls, value: Classification) -> Classification:
        if value is Classification.RESTRICTED:
            raise ValueError("restricted data has no way up; the cloud holds confidential at most")
        return value


class Network(Configured):
    """The VPC.

    Attributes:
        cidr: a private network, /16 to /22, that overlaps none of the site; stated for an adopted
            VPC, too: the site routes to it.
        flow_logs_days: how long its flow logs are kept.
    """

    cidr: IPv4Network
    flow_logs_days: Retention = 90

    @field_validator("cidr")
    @classmethod
    def _prefix(cls, cidr: IPv4Network) -> IPv4Network:
        if cidr.prefixlen not in VPC_PREFIXES or not cidr.is_private:
            raise ValueError(f"{cidr} must be a private network between /16 and /22")
        return cidr


class Lustre(Configured):
    """A file system for training, filled from the data sets' bucket.

    Attributes:
        capacity_gib: its size: 1200, or a multiple of 2400.
        throughput: MB/s for each TiB: 125, 250, 500 or 1000 (FSx, PERSISTENT_2).
        efa: whether its clients may use EFA; it is then larger, as FSx wants.
    """

    capacity_gib: Annotated[int, Field(ge=1200)] = 1200
    throughput: int = 250
    efa: bool = False

    @field_validator("throughput")
    @classmethod
    def _step(cls, value: int) -> int:
        steps = (125, 250, 500, 1000)
        if value not in steps:
            raise ValueError(f"{value} MB/s per TiB cannot be had; FSx offers {steps}")
        return value

    @model_validator(mode="after")
    def _size(self) -> Lustre:
        step = EFA_LUSTRE_STEPS[self.throughput] if self.efa else LUSTRE_STEP
        smallest = step if self.efa else SMALLEST_LUSTRE
        size = self.capacity_gib
        if size != smallest and size % step:
            lower, upper = max(smallest, size // step * step), (size // step + 1) * step
            with_efa = f" with EFA at {self.throughput} MB/s per TiB" if self.efa else ""
            raise ValueError(
                f"capacityGib: {size} GiB cannot be had{with_efa}; "
                + " and ".join(str(each) for each in sorted({lower, upper}))
                + " can"
            )
        return self


SMALLEST_LUSTRE, LUSTRE_STEP = 1200, 2400
"""GiB of a persistent SSD file system (FSx for Lustre user guide)."""

EFA_LUSTRE_STEPS = MappingProxyType({125: 38400, 250: 19200, 500: 9600, 1000: 4800})
"""GiB of one with EFA, by its throughput: whole multiples of these (FSx for Lustre user guide)."""


class Storage(Configured):
    """Buckets, images and the file system.

    Attributes:
        evidence_days: how long evidence (audit logs, manifests) is locked against deletion.
        expire_checkpoints_days: checkpoints are deleted after this many days.
        repositories: names of image repositories; images are pushed there by digest.
        build_account: the account that may push images; nobody else can.
        lustre: the file system, where there is one.
    """

    evidence_days: Annotated[int, Field(ge=1, le=3650)] = 30
    expire_checkpoints_days: Annotated[int, Field(ge=1, le=3650)] = 30
    repositories: tuple[Name, ...] = ("training",)
    build_account: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    lustre: Lustre | None = None


class Registry(Configured):
    """The model registry: its own, or (`environment`) that of another environment's stack.

    Attributes:
        image: the MLflow server, by digest.
        certificate: of the load balancer's name, in ACM; issued by the company's own CA.
        domain: the private zone in which the registry has the name `registry`.
        environment: whose registry is used instead of an own one.
        database_class: of the PostgreSQL instance.
        database_gib: its storage.
        standby: whether the database has a standby in another zone.
    """

    image: ContainerImage | None = None
    certificate: Arn | None = None
    domain: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")] | None = None
    environment: Name | None = None
    database_class: Annotated[str, Field(pattern=r"^db\.[a-z0-9]+\.[a-z0-9]+$")] = "db.t4g.medium"
    database_gib: Annotated[int, Field(ge=20, le=1024)] = 20
    standby: bool = False

    @model_validator(mode="after")
    def _own_or_other(self) -> Registry:
        own = {"image": self.image, "certificate": self.certificate, "domain": self.domain}
        missing = [name for name, value in own.items() if value is None]
        if self.environment is None and missing:
            raise ValueError(f"needs {', '.join(missing)}; or environment, to use another's")
        if self.environment is not None and len(missing) < len(own):
            raise ValueError("environment: another's registry is used, or an own one; not both")
        return self


class GitHub(Configured):
    """The repository whose workflows may preview and apply, from environments of its own.

    A subject is `repo:<owner>/<name>:environment:<environment>`: the subject `pull_request` would
    be shared by every workflow of the repository.

    Attributes:
        repository: `<owner>/<name>`.
        preview_environment: whose workflows may look.
        apply_environment: whose workflows may change; it asks for reviewers.
        state_bucket: the bucket of Pulumi's state, where that is in S3.
        state_key: the key that encrypts the state and its secrets.
    """

    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    preview_environment: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    apply_environment: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    state_bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] | None = None
    state_key: Arn | None = None

    @model_validator(mode="after")
    def _apart(self) -> GitHub:
        if self.preview_environment == self.apply_environment:
            raise ValueError("applyEnvironment: must not be the environment that previews")
        return self


CommonName = Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")]


class SiteHosts(Configured):
    """How hosts of the site get credentials: certificates of the customer's own CA.

    Attributes:
        certificate_authority: the CA's certificate, a PEM file below the checkout.
        authority_arn: or an AWS Private CA.
        hosts: common names of the certificates that are let in.
        revoked: those of them that are not any more; `landfall revoke` adds to it.
        revocation_list: what the CA itself has revoked, a PEM file below the checkout.
        session_minutes: how long credentials live.
    """

    certificate_authority: str | None = None
    authority_arn: Arn | None = None
    hosts: tuple[CommonName, ...] = ()
    revoked: tuple[CommonName, ...] = ()
    revocation_list: str | None = None
    session_minutes: Annotated[int, Field(ge=15, le=720)] = 60

    @model_validator(mode="after")
    def _one_authority(self) -> SiteHosts:
        if (self.certificate_authority is None) == (self.authority_arn is None):
            raise ValueError("needs certificateAuthority (a PEM file) or authorityArn")
        return self

    @model_validator(mode="after")
    def _known(self) -> SiteHosts:
        if unknown := sorted(set(self.revoked) - set(self.hosts)):
            raise ValueError(f"revoked: {', '.join(unknown)} not among hosts; a typing error?")
        return self


class Identity(Configured):
    """Who may do what. No user and no static key is ever made.

    Attributes:
        github: workflows of a repository.
        site_hosts: hosts of the site.
    """

    github: GitHub | None = None
    site_hosts: SiteHosts | None = None


Domain = Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]


class Resolver(Configured):
    """Names over the link.

    Attributes:
        forward: the site's domains, each with its name servers.
    """

    forward: Mapping[Domain, tuple[IPv4Address, ...]] = Field(default_factory=dict)


class Audit(Configured):
    """What is written down about the environment.

    Attributes:
        logs_days: how long logs are kept.
        trail: whether CloudTrail writes down every call, signed.
        detector: whether GuardDuty looks for misuse.
    """

    logs_days: Retention = 90
    trail: bool = True
    detector: bool = True


class Budget(Configured):
    """The month's money in US dollars. Whoever is in `notify` hears of it first.

    Attributes:
        monthly_usd: the limit; alarms come at 50, 80 and 100 percent, hours late.
        notify: addresses.
        stop_training: whether reaching the limit denies new training machines.
        quotas: whether the account's quotas of GPU vCPUs are raised to what the pools may use.
    """

    monthly_usd: Annotated[int, Field(ge=1)]
    notify: Annotated[tuple[Email, ...], Field(min_length=1)]
    stop_training: bool = True
    quotas: bool = True
