"""Starts a program with virtual network cables in its hands.

Opens tap devices inside a network namespace and then becomes the program, which inherits them:
`{tap0}`, `{tap1}` in its words are their numbers. So QEMU's management port is on this machine's
loopback while its data cards are on the rack's switch. It uses the standard library alone, because
it is started by path.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import struct
from pathlib import Path

CLONE_NEWNET = 0x40000000  # linux/sched.h
TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


def enter(namespace: Path) -> None:
    """Move this process into a network namespace.

    Raises:
        OSError: there is no such namespace, or this process may not enter it.
    """
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns is newer than Python 3.11
    with namespace.open("rb") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(namespace))


def open_tap(name: str) -> int:
    """The number of an open tap device, to be inherited.

    Raises:
        OSError: another program holds it.
    """
    number = os.open("/dev/net/tun", os.O_RDWR)
    request = struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI)
    fcntl.ioctl(number, TUNSETIFF, request)
    os.set_inheritable(number, True)
    return number


def main() -> None:
    """Open every tap in its namespace, come back, and become the program."""
    parser = argparse.ArgumentParser(description="Run a program that inherits tap devices.")
    parser.add_argument("--namespace", type=Path)
    parser.add_argument("--tap", action="append", default=[])
    parser.add_argument("program", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    numbers: list[int] = []
    if arguments.tap:
        home = Path("/proc/self/ns/net")
        with home.open("rb") as back:
            enter(arguments.namespace)
            numbers = [open_tap(name) for name in arguments.tap]
            enter(Path(f"/proc/self/fd/{back.fileno()}"))
    words = arguments.program[1:] if arguments.program[:1] == ["--"] else arguments.program
    for index, number in enumerate(numbers):
        words = [word.replace(f"{{tap{index}}}", str(number)) for word in words]
    os.execvp(words[0], words)  # noqa: S606 - this process becomes the program


if __name__ == "__main__":
    main()
