"""The services of the cloud half that a rehearsal runs on loopback: S3, secrets, model registry.

moto stands in for S3 and Secrets Manager, and a real MLflow server keeps the models, with its
database beside it and its artifacts in moto's bucket. moto keeps everything in memory, so both are
kept in step: an orderly stop saves the objects (never the secrets) and the next start brings them
back; after a crash the database is started afresh too, because the artifacts that it would point to
are gone. Whoever put a secret puts it again after a start; `Services.start` says if that is needed.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from filelock import FileLock, Timeout

from landfall import aws, process
from landfall.errors import Busy, LandfallError, MissingTool
from rehearsal import objects, ports
from rehearsal.door import LOOPBACK

REGION = "eu-central-1"
ACCOUNT_KEY = "rehearsal"
"""Both halves of the access key: moto asks for one and looks at neither."""

BUCKET = "landfall-rehearsal"
"""Holds checkpoints and the registry's artifacts."""
READY_TIMEOUT_S = 180.0
"""MLflow needs 5 to 14 s on two cores; 50 s were seen when others kept them busy."""
POLL_S = 0.1
PROBE_TIMEOUT_S = 2.0
STOP_GRACE_S = 5.0
PORT_GRACE_S = 2.0

Say = Callable[[str], None]
"""Is told what is being waited for, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the services listen on loopback."""

    aws: int = 15556
    registry: int = 15557


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """How one service is: `running` is the program, `ready` its answer. `log` is a file."""

    name: str
    url: str
    running: bool
    ready: bool
    log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services whose pid files, logs, database and saved objects are below `state`.

    They outlive the process that starts them; another with the same `state` finds them again.
    """

    state: Path
    ports: Ports = field(default_factory=Ports)

    @property
    def aws_url(self) -> str:
        """Endpoint of S3 and Secrets Manager."""
        return f"http://{LOOPBACK}:{self.ports.aws}"

    @property
    def tracking_uri(self) -> str:
        """Address of the model registry. Its clients need no access to S3."""
        return f"http://{LOOPBACK}:{self.ports.registry}"

    @property
    def access(self) -> aws.Access:
        """How this process reaches S3 and Secrets Manager."""
        return aws.Access(
            endpoint=self.aws_url, region=REGION, access_key=ACCOUNT_KEY, secret_key=ACCOUNT_KEY
        )

    @property
    def environment(self) -> dict[str, str]:
        """How a child process reaches them: for boto3, Ansible's lookups and MLflow.

        Every variable that could lead past loopback to a real account is set.
        """
        return {
            "AWS_ACCESS_KEY_ID": ACCOUNT_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCOUNT_KEY,
            "AWS_SESSION_TOKEN": ACCOUNT_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.aws_url,
            "AWS_ENDPOINT_URL_S3": self.aws_url,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.aws_url,
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            "AWS_EC2_METADATA_DISABLED": "true",
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        }

    def start(self) -> bool:
        """Start what does not run, without waiting for it; `wait` does.

        True if S3 and secrets start anew: objects of the last orderly stop come back, secrets
        must be put again.

        Raises:
            Busy: a port is taken (says by whom), or another process starts or stops these.
            MissingTool: moto or MLflow is not installed.
        """
        with self._locked():
            fresh = process.recorded(self._record("aws")) is None
            if fresh:
                # A registry without its artifacts would answer with versions that nobody can get.
                process.stop(self._record("registry"), grace_s=STOP_GRACE_S)
                _free(self.ports.aws)
                if not objects.saved(self._objects):
                    self._forget()
            if process.recorded(self._record("registry")) is None:
                _free(self.ports.registry)
                self._spawn("registry", self._registry_command(), self._registry_environment())
            if fresh:
                self._spawn("aws", self._aws_command(), {})
        return fresh

    def wait(self, say: Say = lambda _: None, *, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until both services answer, with objects back where they were.

        Raises:
            LandfallError: one ended (quotes its log) or does not answer within `timeout_s`.
        """
        self.wait_for_aws(say, timeout_s=timeout_s)
        say("waiting for the model registry (MLflow)")
        self._await("registry", timeout_s)

    def wait_for_aws(
        self, say: Say = lambda _: None, *, timeout_s: float = READY_TIMEOUT_S
    ) -> None:
        """Wait for S3 and Secrets Manager alone: a second or two, and all that training needs.

        Raises: as `wait`.
        """
        say("waiting for S3 and Secrets Manager (moto)")
        self._await("aws", timeout_s)
        with self._locked():
            aws.ensure_bucket(BUCKET, via=self.access)
            objects.restore(self._objects, via=self.access)

    def stop(self) -> bool:
        """Save the objects, then stop both services. True if one was running. Safe twice.

        Raises:
            Busy: another process starts or stops these.
        """
        with self._locked():
            registry = process.stop(self._record("registry"), grace_s=STOP_GRACE_S)
            if process.recorded(self._record("aws")) is not None and self._answers("aws"):
                # A moto that never got its objects back must not overwrite them with nothing.
                objects.restore(self._objects, via=self.access)
                objects.save(self._objects, via=self.access)
            return process.stop(self._record("aws"), grace_s=STOP_GRACE_S) or registry

    def status(self) -> tuple[ServiceStatus, ...]:
        """How the services are. Changes nothing."""
        urls = {"aws": self.aws_url, "registry": self.tracking_uri}
        return tuple(
            ServiceStatus(
                name=name,
                url=url,
                running=(running := process.recorded(self._record(name)) is not None),
                ready=running and self._answers(name),
                log=self._log(name),
            )
            for name, url in urls.items()
        )

    @property
    def _objects(self) -> Path:
        return self.state / "objects"

    @property
    def _database(self) -> Path:
        return self.state / "registry.db"

    def _record(self, name: str) -> Path:
        return self.state / f"{name}.pid"

    def _log(self, name: str) -> Path:
        return self.state / f"{name}.log"

    def _forget(self) -> None:
        for path in self.state.glob(f"{self._database.name}*"):
            path.unlink()
        shutil.rmtree(self._objects, ignore_errors=True)

    def _spawn(self, name: str, argv: list[str], env: Mapping[str, str]) -> None:
        process.spawn(
            argv,
            name=name,
            record=self._record(name),
            log=self._log(name),
            cwd=self.state,
            env=env,
        )

    def _aws_command(self) -> list[str]:
        return [*_module("moto.server"), "-H", LOOPBACK, "-p", str(self.ports.aws)]

    def _registry_command(self) -> list[str]:
        # The default root makes the server pass artifacts on, so that its clients need no S3.
        return [
            *_module("mlflow", package="mlflow.server"),
            "server",
            *("--host", LOOPBACK),
            *("--port", str(self.ports.registry)),
            *("--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{self._database.resolve()}"),
            *("--artifacts-destination", f"s3://{BUCKET}/registry"),
            *("--default-artifact-root", "mlflow-artifacts:/"),
        ]

    def _registry_environment(self) -> dict[str, str]:
        return self.environment | {
            "MLFLOW_S3_ENDPOINT_URL": self.aws_url,
            # A second process of 230 MB that runs scheduled jobs, of which there are none.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }

    def _await(self, name: str, timeout_s: float) -> None:
        def settled() -> bool:
            return self._answers(name) or process.recorded(self._record(name)) is None

        process.wait_until(settled, timeout_s=timeout_s, interval_s=POLL_S)
        daemon = process.recorded(self._record(name))
        if daemon is not None and self._answers(name):
            return
        state = "ended" if daemon is None else f"did not answer within {timeout_s:.0f} s"
        log = self._log(name)
        last = log.read_text(errors="replace").splitlines()[-process.TAIL_LINES :]
        quoted = "\n".join(f"  {line}" for line in last)
        raise LandfallError(f"the service {name} {state}\n{quoted}", hint=f"Its log: {log}")

    def _answers(self, name: str) -> bool:
        if name == "aws":
            return _get(self.ports.aws, "/moto-api/")
        return _get(self.ports.registry, "/health")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.state.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.state / "services.lock", timeout=READY_TIMEOUT_S):
                yield
        except Timeout:
            raise Busy(f"another process starts or stops the services in {self.state}") from None


def _module(name: str, *, package: str = "") -> list[str]:
    """How to run a module of this interpreter's, without AWS profiles of whoever runs us."""
    from importlib.util import find_spec

    if find_spec((package or name).partition(".")[0]) is None:
        raise MissingTool(
            f"{name.partition('.')[0]} is not installed", hint="pip install '.[rehearsal]'"
        )
    return ["/usr/bin/env", "-u", "AWS_PROFILE", sys.executable, "-m", name]


def _get(port: int, path: str) -> bool:
    connection = HTTPConnection(LOOPBACK, port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200  # noqa: PLR2004  OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _free(port: int) -> None:
    """Make sure that nobody listens on `port`.

    Raises:
        Busy: somebody does; says who, where that can be told.
    """
    # A server that was killed a moment ago may hold its port until its last thread is gone.
    if process.wait_until(lambda: ports.free(port), timeout_s=PORT_GRACE_S, interval_s=POLL_S):
        return
    holder = ports.named(ports.holder(port))
    by = f" by {holder}" if holder else ""
    raise Busy(
        f"port {port} on {LOOPBACK} is taken{by}",
        hint="Stop that program, or choose another port.",
    )
