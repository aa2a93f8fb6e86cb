"""What an environment costs at least, from its configuration alone, before an engine starts.

The dearest parts are counted: machines, the file system, endpoints, the link, the database. The
whole stack is priced by the policy pack and by `landfall cost`; it can only cost more.
"""

from __future__ import annotations

from collections.abc import Iterator

from landfall import cost
from landfall.cost import Assumptions, Resource
from landfall.errors import Problem
from landfall.model.site import Site
from stacks.features import chosen, services
from stacks.settings.training import Block, Pool, Reservation, Spot
from stacks.settings.whole import Settings


def below(settings: Settings, site: Site) -> Iterator[Problem]:
    """The problem of a budget that is lower than the list price of what is configured."""
    if settings.budget is None:
        return
    assumed = Assumptions(training_hours=settings.training.hours_per_month)
    found = cost.monthly(rows(settings, site), assumed)
    problem = cost.over_budget(found, settings.budget.monthly_usd, path="budget.monthlyUsd")
    if problem:
        yield problem


def rows(settings: Settings, site: Site) -> Iterator[Resource]:
    """The dearest resources that the configuration leads to, as the cost model reads them."""
    region, zones = settings.region, list(settings.zones)

    def row(token: str, name: str, props: dict[str, object]) -> Resource:
        return Resource(type=token, name=name, props=props, region=region)

    for service in ("s3", *services(chosen(settings))):
        props: dict[str, object] = {"vpcEndpointType": "Interface", "subnetIds": zones}
        yield row("aws:ec2/vpcEndpoint:VpcEndpoint", service, props)
    yield row("aws:ec2transitgateway/vpcAttachment:VpcAttachment", "site", {})
    if not settings.adopt.link and site.link.tunnelled:
        for edge in site.edges:
            yield row(
                "aws:ec2/vpnConnection:VpnConnection", edge.name, {"transitGatewayId": "site"}
            )
    if lustre := settings.storage.lustre:
        yield row(
            "aws:fsx/lustreFileSystem:LustreFileSystem",
            "scratch",
            {
                "storageCapacity": lustre.capacity_gib,
                "perUnitStorageThroughput": lustre.throughput,
                "deploymentType": "PERSISTENT_2",
                "storageType": "SSD",
            },
        )
    for path, pool in settings.training.pools():
        yield from _machines(path, pool, region)


def _machines(path: str, pool: Pool, region: str) -> Iterator[Resource]:
    match pool.capacity:
        case Reservation(id=None):
            yield Resource(
                type="aws:ec2/capacityReservation:CapacityReservation",
                name=path,
                props={
                    "instanceType": pool.instance_types[0],
                    "instanceCount": pool.max_instances,
                },
                region=region,
            )
        case Block():
            # Paid in advance, at a price that only the offering says.
            return
        case _:
            purchase = "spot" if isinstance(pool.capacity, Spot) else "on_demand"
            yield cost.launched(
                path,
                pool.instance_types[0],
                region=region,
                instances=pool.max_instances,
                purchase=purchase,
                disk_gb=pool.volume_gib,
            )
