"""Rented GPUs: pools of them, how their capacity is got, and what runs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from landfall.errors import Problem
from landfall.model.catalog import InstanceType, instance_types
from landfall.model.efa import layout
from stacks.settings.fields import (
    Configured,
    ContainerImage,
    MachineImage,
    Name,
    Zone,
    resource_id,
)

LONGEST_BLOCK_DAYS = 182
"""Capacity Blocks are 1 to 182 days long (EC2 user guide, Capacity Blocks for ML)."""


class OnDemand(Configured):
    """Whatever is free now, at the list price.

    Attributes:
        zone: the one in which machines stand; any, if not given.
    """

    kind: Literal["onDemand"] = "onDemand"
    zone: Zone | None = None


class Spot(Configured):
    """What nobody else wants, until somebody does. Several types in a pool are its fallback.

    Attributes:
        zone: the one in which machines stand; any, if not given.
    """

    kind: Literal["spot"]
    zone: Zone | None = None


class Reservation(Configured):
    """A targeted on-demand capacity reservation: made here, or adopted by `id`.

    Attributes:
        zone: where the reserved machines are.
        id: of a reservation that is there already.
    """

    kind: Literal["reservation"]
    zone: Zone
    id: Annotated[str, Field(pattern=resource_id("cr"))] | None = None


class Block(Configured):
    """A Capacity Block: machines for a fixed time, paid in advance, that cannot be given back.

    Nothing is bought until `purchase` repeats the offering's id; then destroying the stack does
    not give the money back. A block that was bought elsewhere is named by `id`.

    Attributes:
        zone: where the block is; its machines stand in this zone's subnet.
        start: when it begins, with a time zone.
        end: when it ends; EC2 takes the machines back from 30 minutes before.
        offering: what was offered (`aws ec2 describe-capacity-block-offerings`).
        purchase: the offering's id once more: "yes, buy it".
        id: a block that is already bought.
    """

    kind: Literal["block"]
    zone: Zone
    start: datetime
    end: datetime
    offering: Annotated[str, Field(pattern=r"^cb-[0-9a-f]{8,17}$")] | None = None
    purchase: str = ""
    id: Annotated[str, Field(pattern=resource_id("cr"))] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Block:
        if (self.offering is None) == (self.id is None):
            raise ValueError("needs offering (to buy one) or id (of one that is bought)")
        if self.purchase and self.purchase != self.offering:
            raise ValueError(
                f"purchase: {self.purchase!r} is not the offering; repeat {self.offering} to buy it"
            )
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("start and end need a time zone, e.g. 2027-01-11T11:30:00Z")
        if not 1 <= (self.end - self.start).days <= LONGEST_BLOCK_DAYS:
            raise ValueError(f"end: a block is 1 to {LONGEST_BLOCK_DAYS} days long")
        return self

    @property
    def bought(self) -> bool:
        """Whether there is, or is to be, capacity to use."""
        return self.id is not None or bool(self.purchase)


Capacity = Annotated[OnDemand | Spot | Reservation | Block, Field(discriminator="kind")]


class Pool(Configured):
    """GPUs of one kind that jobs share.

    Attributes:
        instance_types: types of the GPU catalog; more than one only for spot, as fallback.
        capacity: how they are got.
        max_instances: never more than this many at once: the edge of spending.
        max_hours: a job is ended after this many hours.
        efa: whether machines get their EFA interfaces, for jobs over several machines.
        placement_group: whether machines stand close together; costs chances of capacity.
        volume_gib: the root volume.
    """

    instance_types: Annotated[tuple[str, ...], Field(min_length=1)]
    capacity: Capacity = OnDemand()
    max_instances: Annotated[int, Field(ge=1, le=1000)] = 1
    max_hours: Annotated[int, Field(ge=1, le=24 * 28)] = 24
    efa: bool = False
    placement_group: bool = False
    volume_gib: Annotated[int, Field(ge=50, le=16384)] = 200

    @field_validator("instance_types")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in instance_types():
                raise ValueError(unknown_type(name))
        return names

    @model_validator(mode="after")
    def _fits(self) -> Pool:
        found = [*self._types(), *self._fabric(), *self._group()]
        if found:
            raise ValueError("; ".join(found))
        return self

    def _types(self) -> Iterator[str]:
        if len(self.types) > 1 and not isinstance(self.capacity, Spot):
            yield "instanceTypes: several are the fallback of spot; name one"
        if len({(each.gpu, each.gpus) for each in self.types}) > 1:
            yield "instanceTypes: a fallback needs as many GPUs of the same model"
        if len({each.arch for each in self.types}) > 1:
            yield "instanceTypes: a fallback needs processors of the same architecture"

    def _fabric(self) -> Iterator[str]:
        if not self.efa:
            return
        none = [each.type for each in self.types if not each.efa]
        if none:
            yield f"efa: {', '.join(none)} has none; {_with_efa(self.types[0].type)}"
        elif len({layout(each) for each in self.types}) > 1:
            yield "efa: the types of a fallback need the same interfaces"

    def _group(self) -> Iterator[str]:
        if not self.placement_group:
            return
        if isinstance(self.capacity, Block):
            yield "placementGroup: a block's machines stand close together already; leave it out"
        elif isinstance(self.capacity, Reservation) and self.capacity.id:
            yield "placementGroup: a reservation made elsewhere has its own; leave it out"
        elif self.zone is None:
            yield "placementGroup: machines stand together in one zone; name it in capacity.zone"

    @property
    def types(self) -> tuple[InstanceType, ...]:
        """Its instance types, as the catalog has them."""
        return tuple(instance_types()[name] for name in self.instance_types)

    @property
    def gpus(self) -> int:
        """How many GPUs it has at most."""
        return self.max_instances * self.types[0].gpus

    @property
    def vcpus(self) -> int:
        """Its edge in virtual processors: as many as the smallest type has, for each machine."""
        return self.max_instances * min(each.vcpu for each in self.types)

    @property
    def zone(self) -> str | None:
        """The zone that its capacity is bound to, if it is."""
        return getattr(self.capacity, "zone", None)


def unknown_type(name: str) -> str:
    """That an instance type is not in the catalog, and which are near."""
    family = name.partition(".")[0]
    near = [each for each in instance_types() if each.startswith(f"{family}.")]
    known = near or sorted({each.partition(".")[0] + ".*" for each in instance_types()})
    return f"{name} is not in the GPU catalog; it has {', '.join(known)}"


def _with_efa(name: str) -> str:
    family = name.partition(".")[0]
    near = [
        each.type
        for each in instance_types().values()
        if each.efa and each.type.startswith(f"{family}.")
    ]
    return f"{', '.join(near)} have" if near else "g6e.8xlarge and larger types have"


class Ec2(Configured):
    """Training on single machines, or few, by AWS Batch.

    Attributes:
        image: the machine image; there is no default, an image is yours to choose.
        root_device: what the image calls its root volume; under another name it would stay
            without the environment's key.
        job_image: the container that a job runs, by digest.
        command: what the job runs in it.
        pools: by name; each gets a queue and a job definition of that name.
    """

    image: MachineImage
    root_device: Annotated[str, Field(pattern=r"^/dev/(xvda|sda1)$")] = "/dev/xvda"
    job_image: ContainerImage
    command: tuple[str, ...] = ()
    pools: Annotated[Mapping[Name, Pool], Field(min_length=1)]

    @model_validator(mode="after")
    def _by_batch(self) -> Ec2:
        found = [text for name, pool in self.pools.items() for text in _not_by_batch(name, pool)]
        if found:
            raise ValueError("; ".join(found))
        return self


def _not_by_batch(name: str, pool: Pool) -> Iterator[str]:
    if pool.efa and isinstance(pool.capacity, Spot):
        yield f"pools.{name}.efa: AWS Batch runs no job over several spot machines; use eks"
    largest = max(each.vcpu for each in pool.types)
    if pool.vcpus < largest:
        least = -(-largest // min(each.vcpu for each in pool.types))
        yield (
            f"pools.{name}.maxInstances: the largest fallback has {largest} vCPUs, more than "
            f"{pool.vcpus}, the edge; {least} or more machines, or smaller types"
        )


class Chart(Configured):
    """A Helm chart, mirrored into the environment's own registry.

    Attributes:
        repository: where, without `oci://`, as Argo CD reaches it.
        version: of the chart.
    """

    repository: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9./_-]+$")]
    version: Annotated[str, Field(pattern=r"^v?\d+\.\d+\.\d+[\w.+-]*$")]


class Argo(Configured):
    """What Argo CD, which runs inside the network, applies.

    Attributes:
        repository: the URL of a Git repository that it reaches, with the rendered objects.
        revision: a branch, tag or commit of it.
        path: the folder there; the folder that `manifests` names, if not given.
        charts: controllers, by name: `autoscaler`, `kueue`, `trainer`, and drivers of devices.
    """

    repository: Annotated[str, Field(pattern=r"^(https://|ssh://|git@)\S+$")]
    revision: Annotated[str, Field(pattern=r"^[\w./-]+$")] = "main"
    path: str | None = None
    charts: Mapping[str, Chart] = Field(default_factory=dict)


DRIVERS_SINCE = (1, 34)
"""From here on EKS advises drivers of dynamic resource allocation (EKS user guide, "Manage
hardware devices"); older releases have device plugins."""


class Eks(Configured):
    """Training over several machines, on Kubernetes.

    Attributes:
        version: of Kubernetes, e.g. "1.34".
        pools: by name; each is a node group and a Kueue flavour.
        job_image: the container that a training job runs, by digest.
        command: what the example job runs in it.
        system_instance_type: of the nodes that run what is not training.
        administrators: role ARNs that may administer the cluster.
        manifests: the folder into which Kubernetes objects are rendered, below the checkout.
        addon_versions: of AWS's own add-ons, by name; the default of the version, if not given.
        devices: how pods get GPUs and EFAs, by `driver` (dynamic resource allocation) or `plugin`;
            what EKS advises for the version, if not given.
        images: the images of add-ons that are not AWS's own, by digest, by name.
        argo: what Argo CD applies; None where something else applies the rendered objects.
    """

    version: Annotated[str, Field(pattern=r"^1\.(3[1-9]|4\d)$")]
    pools: Annotated[Mapping[Name, Pool], Field(min_length=1)]
    job_image: ContainerImage
    command: Annotated[tuple[str, ...], Field(min_length=1)] = ("torchrun", "-m", "train")
    system_instance_type: Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9]+$")] = "m7i.large"
    administrators: tuple[str, ...] = ()
    manifests: str = ""
    addon_versions: Mapping[str, str] = Field(default_factory=dict)
    devices: Literal["driver", "plugin"] | None = None
    images: Mapping[str, ContainerImage] = Field(default_factory=dict)
    argo: Argo | None = None

    @model_validator(mode="after")
    def _complete(self) -> Eks:
        found = [*self._missing(), *self._spread()]
        if self.devices == "driver" and self._number < DRIVERS_SINCE:
            found.append("devices: drivers need Kubernetes 1.34; use plugin")
        if found:
            raise ValueError("; ".join(found))
        return self

    @property
    def _number(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))

    @property
    def drivers(self) -> bool:
        """Whether pods claim devices from drivers, and do not count them with plugins."""
        if self.devices is None:
            return self._number >= DRIVERS_SINCE
        return self.devices == "driver"

    @property
    def efa(self) -> bool:
        """Whether any pool has EFAs."""
        return any(pool.efa for pool in self.pools.values())

    def _spread(self) -> Iterator[str]:
        for name, pool in self.pools.items():
            if pool.efa and pool.max_instances > 1 and pool.zone is None:
                yield (
                    f"pools.{name}.capacity.zone: machines with EFA talk to each other in one zone "
                    "only; name it"
                )

    def _missing(self) -> Iterator[str]:
        images = ["dcgm-exporter"]
        charts = ["autoscaler", "kueue", "trainer"]
        if self.drivers:
            charts += ["gpu-driver", *(["efa-driver"] if self.efa else [])]
        else:
            images += ["gpu-plugin", *(["efa-plugin"] if self.efa else [])]
        yield from _names("images", images, self.images)
        if self.argo:
            yield from _names("argo.charts", charts, self.argo.charts)


def _names(path: str, wanted: list[str], given: Mapping[str, object]) -> Iterator[str]:
    missing = [name for name in wanted if name not in given]
    unknown = [name for name in given if name not in wanted]
    if missing:
        yield f"{path}: {', '.join(missing)} missing; mirror it and name it here"
    if unknown:
        yield f"{path}: {', '.join(unknown)} not used here; wanted are {', '.join(wanted)}"


class Training(Configured):
    """Where models are trained.

    Attributes:
        ec2: on single machines, or few, by AWS Batch.
        eks: over several machines, on Kubernetes.
        hours_per_month: what the costs of a month are told for.
    """

    ec2: Ec2 | None = None
    eks: Eks | None = None
    hours_per_month: Annotated[int, Field(ge=0, le=730)] = 40

    def pools(self) -> Iterator[tuple[str, Pool]]:
        """Every pool, with its path below `training`."""
        for name, part in (("ec2", self.ec2), ("eks", self.eks)):
            for pool, found in (part.pools if part else {}).items():
                yield f"{name}.pools.{pool}", found

    def problems(self, zones: tuple[str, ...]) -> Iterator[Problem]:
        """What does not go with the environment's zones."""
        for path, pool in self.pools():
            if pool.zone and pool.zone not in zones:
                message = f"the capacity is in {pool.zone}; the network is in {', '.join(zones)}"
                yield Problem(path=f"training.{path}.capacity.zone", message=message)
