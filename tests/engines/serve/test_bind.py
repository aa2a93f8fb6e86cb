"""The socket that the server listens on."""

from __future__ import annotations

import socket

from engines.serve.__main__ import _bind


def test_connections_send_at_once() -> None:
    with _bind("127.0.0.1", 0) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
