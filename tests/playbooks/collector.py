"""A collector of logs: syslog in TLS (RFC 5425), as a SIEM has it, inside a rack's namespace."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from pathlib import Path

from landfall import process
from rehearsal import door

PORT = 6514


def certificate(folder: Path, name: str, *, file: str) -> Path:
    """A certificate for `name` that is its own authority; its key lies beside it."""
    path = folder / f"{file}.pem"
    process.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", path.with_suffix(".key"), "-out", path, "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName=DNS:{name}", "-addext", "extendedKeyUsage=serverAuth"),
        ]
    )
    return path


class Collector:
    """Listens until it is closed; `messages` are what arrived, `raw` what came before any TLS."""

    def __init__(self, namespace: str, address: str, cert: Path | None) -> None:
        self.messages: list[str] = []
        self.raw = b""
        self.context: ssl.SSLContext | None = None
        if cert is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(cert, cert.with_suffix(".key"))
        with door.inside(namespace):
            self.listener = socket.create_server((address, PORT), backlog=8)
        self.connections: list[socket.socket] = []
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening and end what is open, as a collector that is restarted does."""
        self.closed = True
        for each in [self.listener, *self.connections]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def has(self, text: str) -> bool:
        """Whether a message with this text has arrived."""
        return any(text in each for each in self.messages)

    def _accept(self) -> None:
        while not self.closed:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            if self.context is None:
                while data := connection.recv(65536):
                    self.raw += data
                return
            secure = self.context.wrap_socket(connection, server_side=True)
            self.connections.append(secure)
            while data := secure.recv(65536):
                buffer = self._take(buffer + data)

    def _take(self, buffer: bytes) -> bytes:
        """Messages are framed by their length: `LENGTH SP MESSAGE`."""
        while (found := re.match(rb"(\d+) ", buffer)) and len(buffer) >= (
            end := found.end() + int(found[1])
        ):
            self.messages.append(buffer[found.end() : end].decode(errors="replace"))
            buffer = buffer[end:]
        return buffer
