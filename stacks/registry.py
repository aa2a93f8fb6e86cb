"""The model registry: MLflow behind an internal load balancer, in a network without a way out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from landfall.errors import Problem
from stacks import registry_database, registry_server
from stacks.firewall import HTTPS, https_from, let_through, out_to_aws
from stacks.network import Reachable
from stacks.place import Place
from stacks.registry_database import RegistryDatabase, RegistryDatabaseArgs
from stacks.registry_server import Server
from stacks.registry_service import RegistryService, RegistryServiceArgs
from stacks.secrets import Secrets, SecretsArgs
from stacks.settings import parts
from stacks.storage import BALANCER_LOGS, REGISTRY, Bucket

OUTPUT = "registry"
"""The stack output in which an environment tells others where its registry is."""

HOST = "registry"
"""Its name in its domain."""

PROJECT = "organization/landfall"
"""How stacks of this project are called from others; a backend of one's own has no other name for
the organization (Pulumi's documentation on state backends)."""

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
"""TLS 1.3, and 1.2 with ciphers of forward secrecy and authenticated encryption only."""

IDLE_SECONDS = 600
"""How long a connection may be silent: large files are sent in parts, each within minutes."""

SECRETS = {
    "Administrator": "Model registry: the password of its first user",
    "Session": "Model registry: what its forms are signed with",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAddress:
    """Where a registry is.

    Attributes:
        url: of its API, as a client's tracking URI.
        password_arn: the secret that holds the first user's password.
    """

    url: pulumi.Output[str]
    password_arn: pulumi.Output[str]

    def outputs(self) -> dict[str, pulumi.Output[str]]:
        """As the stack output `registry`."""
        return {"url": self.url, "password_arn": self.password_arn}


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    """What the registry needs to know.

    Attributes:
        registry: its settings; `environment` is None, since this one is its own.
        network: where it stands.
        endpoints: the security group of the interface endpoints.
        s3_prefix_list: the addresses of S3.
        site_networks: ranges of the site, from which it is reached as well.
        artifacts: the bucket that holds its files, below `registry/`.
        access: the bucket that its load balancer logs requests to.
        images: the registry of container images, `<account>.dkr.ecr.<region>.amazonaws.com`.
    """

    place: Place
    registry: parts.Registry
    network: Reachable
    endpoints: pulumi.Output[str]
    s3_prefix_list: pulumi.Output[str]
    site_networks: tuple[IPv4Network, ...]
    artifacts: Bucket
    access: Bucket
    images: pulumi.Output[str]


class Registry(pulumi.ComponentResource):
    """MLflow with PostgreSQL and S3, reached with TLS from the network and over the link.

    Nobody reads or writes without a user, and no user may do anything that was not granted:
    MLflow's authentication is on, its default permission is none. An alias is a name for a version;
    to set one takes the right to edit the model, and it gives nobody the right to read it. The
    first user's password is made in Secrets Manager (see `stacks.secrets`) and read by the task
    alone.
    """

    address: RegistryAddress

    def __init__(
        self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Registry", name, {}, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        place, registry = args.place, args.registry
        if registry.image is None or registry.domain is None or registry.certificate is None:
            raise ValueError("an own registry has an image, a domain and a certificate")
        called = f"{HOST}.{registry.domain}"
        balancers, tasks, tables = (self._group(each) for each in ("https", "tasks", "tables"))
        self._ways(balancers, tasks, tables)
        made = Secrets(
            name,
            SecretsArgs(place=place, parts=SECRETS, key=place.keys["registry"]),
            self._child,
        )
        database = RegistryDatabase(
            name,
            RegistryDatabaseArgs(
                place=place, registry=registry, subnets=args.network.isolated, group=tables
            ),
            self._child,
        )
        balancer, target, listener = self._balancer(balancers, registry.certificate)
        self._name_in_dns(registry.domain, called, balancer)
        RegistryService(
            name,
            RegistryServiceArgs(
                place=place,
                server=pulumi.Output.all(database.address, args.artifacts.id).apply(
                    lambda found: _server(called, *found)
                ),
                image=registry.image,
                images=args.images,
                copies=2 if registry.standby else 1,
                subnets=args.network.isolated,
                group=tasks,
                target=target.arn,
                administrator_arn=made.arns["Administrator"],
                session_arn=made.arns["Session"],
                database_arn=database.password_arn,
                artifacts=args.artifacts,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[listener]),
        )
        self.address = RegistryAddress(
            url=pulumi.Output.from_input(f"https://{called}"),
            password_arn=made.arns["Administrator"],
        )
        self.register_outputs(self.address.outputs())

    def _group(self, part: str) -> pulumi.Output[str]:
        called = f"{self._name}-{part}"
        return aws.ec2.SecurityGroup(
            called,
            vpc_id=self._args.network.vpc_id,
            description=f"Landfall: model registry, {part}",
            tags={"Name": self._args.place.name(called)},
            opts=self._child,
        ).id

    def _ways(
        self,
        balancers: pulumi.Output[str],
        tasks: pulumi.Output[str],
        tables: pulumi.Output[str],
    ) -> None:
        """Who talks to whom: callers to the balancer, it to tasks, these to tables and AWS."""
        args = self._args
        name, child = self._name, self._child
        https_from(name, balancers, args.site_networks, child, vpc=args.network.cidr)
        server, database = registry_server.PORT, registry_database.PORT
        let_through(f"{name}-balancer-tasks", balancers, tasks, (server, server), child)
        let_through(f"{name}-tasks-tables", tasks, tables, (database, database), child)
        out_to_aws(name, tasks, endpoints=args.endpoints, s3=args.s3_prefix_list, opts=child)

    def _balancer(
        self, group: pulumi.Output[str], certificate: str
    ) -> tuple[aws.lb.LoadBalancer, aws.lb.TargetGroup, aws.lb.Listener]:
        args = self._args
        balancer = aws.lb.LoadBalancer(
            self._name,
            name=args.place.name(self._name),
            load_balancer_type="application",
            internal=True,
            # Private subnets have the way back to the site; isolated ones need none.
            subnets=args.network.private,
            security_groups=[group],
            drop_invalid_header_fields=True,
            desync_mitigation_mode="strictest",
            enable_deletion_protection=args.place.protect,
            idle_timeout=IDLE_SECONDS,
            access_logs={
                "bucket": args.access.id,
                "prefix": f"{BALANCER_LOGS}/{self._name}",
                "enabled": True,
            },
            opts=self._child,
        )
        target = aws.lb.TargetGroup(
            self._name,
            vpc_id=args.network.vpc_id,
            target_type="ip",
            port=registry_server.PORT,
            protocol="HTTPS",
            deregistration_delay=60,
            health_check={
                "path": registry_server.HEALTH,
                "protocol": "HTTPS",
                "matcher": "200",
                "interval": 15,
                "healthy_threshold": 2,
                "unhealthy_threshold": 3,
            },
            opts=self._child,
        )
        listener = aws.lb.Listener(
            self._name,
            load_balancer_arn=balancer.arn,
            port=HTTPS,
            protocol="HTTPS",
            ssl_policy=TLS_POLICY,
            certificate_arn=certificate,
            default_actions=[{"type": "forward", "target_group_arn": target.arn}],
            opts=self._child,
        )
        return balancer, target, listener

    def _name_in_dns(self, domain: str, called: str, balancer: aws.lb.LoadBalancer) -> None:
        """A name in a zone of the network alone; the site asks the inbound resolver for it."""
        zone = aws.route53.Zone(
            self._name,
            name=domain,
            comment=f"Landfall {self._args.place.environment}: the model registry",
            vpcs=[{"vpc_id": self._args.network.vpc_id}],
            opts=self._child,
        )
        aws.route53.Record(
            self._name,
            zone_id=zone.zone_id,
            name=called,
            type="A",
            aliases=[
                {
                    "name": balancer.dns_name,
                    "zone_id": balancer.zone_id,
                    "evaluate_target_health": True,
                }
            ],
            opts=self._child,
        )


def other(environment: str) -> RegistryAddress:
    """The registry of another environment, from its stack's output.

    `missing` has told before whether that stack is there.
    """
    outputs = pulumi.StackReference(f"{PROJECT}/{environment}").require_output(OUTPUT)
    return RegistryAddress(
        url=outputs.apply(lambda found: str(found["url"])),
        password_arn=outputs.apply(lambda found: str(found["password_arn"])),
    )


def missing(registry: parts.Registry | None, stacks: Collection[str]) -> Iterator[Problem]:
    """What is wrong with a registry that is another environment's, before an engine starts.

    Args:
        registry: the settings, if there is a registry at all.
        stacks: the names of the stacks that the backend has.
    """
    wanted = registry.environment if registry else None
    if wanted is not None and wanted not in stacks:
        there = ", ".join(sorted(stacks)) or "none"
        message = f"there is no stack {wanted} to take the registry of; there are: {there}"
        yield Problem(path="landfall:registry.environment", message=message)


def _server(called: str, database: str, bucket: str) -> Server:
    return Server(
        name=called,
        database=registry_server.database_uri(database),
        artifacts=f"s3://{bucket}/{REGISTRY.rstrip('/')}",
    )
