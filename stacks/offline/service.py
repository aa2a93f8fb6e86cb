"""What the offline providers share: engines that attach to them, and the forms of answers.

One engine opens one connection for each provider resource of a program (two regions, two
connections), so what is configured and seen is kept per connection.
"""

# ruff: noqa: N802, ARG002  the service's methods have the names and arguments of its protocol

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
)

from landfall.errors import Problem
from stacks.offline.wire import Properties, encode


@dataclass(slots=True, kw_only=True)
class Session:
    """One connection of an engine, and the way back to its log."""

    engine: engine_pb2_grpc.EngineStub | None = None
    channel: grpc.Channel | None = None


S = TypeVar("S", bound=Session)


class Attached(provider_pb2_grpc.ResourceProviderServicer, Generic[S]):
    """A provider to which engines attach. Threads may share it."""

    def __init__(self, version: str, session: Callable[[], S]) -> None:
        self._version = version
        self._new_session = session
        self._lock = threading.Lock()
        self._sessions: dict[str, S] = {}
        self._latest = session()

    def Handshake(self, request: Any, context: Any) -> Any:
        """A connection begins: note where this engine's log is."""
        with self._lock:
            self._end(self._sessions.pop(context.peer(), None))  # an address that is used again
        self._open(context.peer(), request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(self, request: Any, context: Any) -> Any:
        """The engine has found us by our port."""
        self._open(context.peer(), request.address)
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """The version of the provider that we stand for."""
        return plugin_pb2.PluginInfo(version=self._version)

    def Cancel(self, request: Any, context: Any) -> Any:
        """Nothing here takes long enough to be cancelled."""
        return empty_pb2.Empty()

    def close(self) -> None:
        """Close the connections to all engines."""
        with self._lock:
            for session in self._sessions.values():
                self._end(session)
            self._sessions.clear()

    def _end(self, session: S | None) -> None:
        if session is not None and session.channel is not None:
            session.channel.close()

    def _open(self, peer: str, address: str) -> None:
        with self._lock:
            session = self._sessions.get(peer)
            if session is None:
                session = self._sessions[peer] = self._new_session()
            if address and session.channel is None:
                session.channel = grpc.insecure_channel(address)
                session.engine = engine_pb2_grpc.EngineStub(session.channel)
            self._latest = session

    def _session(self, context: Any) -> S:
        with self._lock:
            return self._sessions.get(context.peer(), self._latest)

    def _warn(self, context: Any, urn: str, message: str) -> None:
        engine = self._session(context).engine
        if engine is not None:
            engine.Log(engine_pb2.LogRequest(severity=engine_pb2.WARNING, message=message, urn=urn))


def token_of(urn: str) -> str:
    """The resource type of a URN, without those of its parents."""
    return urn.split("::")[2].rpartition("$")[2]


def checked(inputs: Properties, problems: list[Problem]) -> Any:
    """The answer to a check."""
    return provider_pb2.CheckResponse(inputs=encode(inputs), failures=failures(problems))


def failures(problems: list[Problem]) -> list[Any]:
    """One failure per problem, with its path in the text.

    The field for the property stays empty: an engine that is given one prints its value, in the
    clear even where it is a secret.
    """
    return [provider_pb2.CheckFailure(reason=str(problem)) for problem in problems]


def refuse(context: Any, message: str) -> NoReturn:
    """End a call with an error for the person who runs the engine."""
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, message)
    raise AssertionError("abort has raised")
