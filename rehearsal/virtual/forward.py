"""Carries one connection of an emulated server to a service: QEMU starts one of these for each.

What comes on standard input goes to ADDRESS:PORT, what comes back goes to standard output. It uses
the standard library alone, because it is started by path.
"""

from __future__ import annotations

import argparse
import os
import socket
import threading

CHUNK = 64 * 1024


def _copy_out(connection: socket.socket) -> None:
    while data := os.read(0, CHUNK):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def _copy_in(connection: socket.socket) -> None:
    while data := connection.recv(CHUNK):
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]


def main() -> None:
    """Connect, and copy both ways until the service has nothing more to say."""
    parser = argparse.ArgumentParser(description="Join standard input and output with a service.")
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    with socket.create_connection((arguments.address, arguments.port)) as connection:
        threading.Thread(target=_copy_out, args=(connection,), daemon=True).start()
        _copy_in(connection)


if __name__ == "__main__":
    main()
