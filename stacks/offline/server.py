"""The offline provider on a port of this machine, for as long as a `with` block lasts."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Self

from landfall.errors import Busy

if TYPE_CHECKING:
    import grpc  # type: ignore[import-untyped]

    from stacks.offline.provider import OfflineProvider

HOST = "127.0.0.1"
WORKERS = 8
MESSAGE_LIMIT = 400 * 1024 * 1024
"""Bytes. The engine's own limit for one message (sdk/go/common/util/rpcutil)."""

STOP_GRACE_S = 1.0


class OfflineCloud:
    """Serves the offline `aws` provider on a free port of the loopback interface.

    ```
    with OfflineCloud() as cloud:
        run(["pulumi", "preview"], env=cloud.environment)
    ```
    """

    def __init__(self, *, port: int = 0) -> None:
        self._wanted = port
        self._port = 0
        self._server: grpc.Server | None = None
        self._provider: OfflineProvider | None = None

    @property
    def port(self) -> int:
        """The port that is served; 0 outside the `with` block."""
        return self._port

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that attach an engine to this provider and keep it from downloading."""
        return {
            "PULUMI_DEBUG_PROVIDERS": f"aws:{self._port}",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }

    def start(self) -> None:
        """Begin to serve.

        Raises:
            Busy: the port is taken.
        """
        import grpc
        from pulumi.runtime.proto import provider_pb2_grpc

        from stacks.offline.provider import OfflineProvider

        pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="offline-cloud")
        options = [
            ("grpc.max_receive_message_length", MESSAGE_LIMIT),
            ("grpc.max_send_message_length", MESSAGE_LIMIT),
            ("grpc.so_reuseport", 0),
        ]
        server = grpc.server(pool, options=options)
        self._provider = OfflineProvider()
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(self._provider, server)
        try:
            self._port = server.add_insecure_port(f"{HOST}:{self._wanted}")
        except RuntimeError as error:
            raise Busy(f"port {self._wanted} of {HOST} is taken") from error
        server.start()
        self._server = server

    def stop(self) -> None:
        """End serving. Safe to repeat."""
        if self._server is not None:
            self._server.stop(STOP_GRACE_S).wait()
            self._server = None
        if self._provider is not None:
            self._provider.close()
        self._port = 0

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
