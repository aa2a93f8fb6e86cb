"""The offline providers on ports of this machine, for as long as a `with` block lasts."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from landfall.errors import Busy

if TYPE_CHECKING:
    import grpc  # type: ignore[import-untyped]

    from stacks.offline.service import Attached

HOST = "127.0.0.1"
WORKERS = 8
MESSAGE_LIMIT = 400 * 1024 * 1024
"""Bytes. The engine's own limit for one message (sdk/go/common/util/rpcutil)."""

STOP_GRACE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One provider, the server that it answers through, and its port."""

    provider: Attached[Any]
    server: grpc.Server
    port: int


class OfflineCloud:
    """Serves the offline providers, `aws` and `kubernetes`, on free ports of the loopback.

    ```
    with OfflineCloud() as cloud:
        run(["pulumi", "preview"], env=cloud.environment)
    ```

    `port` is that of `aws`, if it must be a certain one. `root` is the project's folder, to which
    Kubernetes objects are rendered where the program names a relative one (default: the working
    directory); `kubernetes` is the release whose schemas they must fit ("1.35").
    """

    def __init__(self, *, port: int = 0, root: Path | None = None, kubernetes: str = "") -> None:
        self._wanted = port
        self._root = root or Path.cwd()
        self._release = kubernetes
        self._served: dict[str, Served] = {}

    @property
    def port(self) -> int:
        """The port of the provider `aws`; 0 outside the `with` block."""
        return self.ports.get("aws", 0)

    @property
    def ports(self) -> Mapping[str, int]:
        """The port of each provider, by its name."""
        return {name: each.port for name, each in self._served.items()}

    @property
    def attached(self) -> str:
        """The value of PULUMI_DEBUG_PROVIDERS: `aws:PORT,kubernetes:PORT`."""
        return ",".join(f"{name}:{port}" for name, port in self.ports.items())

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that attach an engine to the providers and keep it from downloading."""
        return {
            "PULUMI_DEBUG_PROVIDERS": self.attached,
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }

    def start(self) -> None:
        """Begin to serve.

        Raises:
            Busy: the port is taken.
        """
        from stacks.offline.kubernetes.provider import KubernetesProvider
        from stacks.offline.kubernetes.schemas import VERSION
        from stacks.offline.provider import OfflineProvider

        objects = KubernetesProvider(root=self._root, release=self._release or VERSION)
        try:
            self._served["aws"] = _serve(OfflineProvider(), self._wanted)
            self._served["kubernetes"] = _serve(objects, 0)
        except Busy:
            self.stop()
            raise

    def stop(self) -> None:
        """End serving. Safe to repeat."""
        ending = [each.server.stop(STOP_GRACE_S) for each in self._served.values()]
        for each in ending:
            each.wait()
        for served in self._served.values():
            served.provider.close()
        self._served.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _serve(provider: Attached[Any], wanted: int) -> Served:
    import grpc
    from pulumi.runtime.proto import provider_pb2_grpc

    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="offline-cloud")
    options = [
        ("grpc.max_receive_message_length", MESSAGE_LIMIT),
        ("grpc.max_send_message_length", MESSAGE_LIMIT),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(pool, options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    try:
        port = server.add_insecure_port(f"{HOST}:{wanted}")
    except RuntimeError as error:
        raise Busy(f"port {wanted} of {HOST} is taken") from error
    server.start()
    return Served(provider=provider, server=server, port=port)
