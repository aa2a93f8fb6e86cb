#!/usr/bin/python
"""Measure the way from a host to the cloud, and change nothing."""

from __future__ import annotations

import secrets
import socket
import struct
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: landfall_link_probe
short_description: Measure the way from a host to the cloud
description:
  - Connects to the cloud's name servers, notes the segment size that is agreed, asks them for
    names, and finds the largest packet that passes without being split.
options:
  resolvers:
    description: Addresses of the cloud's name servers.
    type: list
    elements: str
    required: true
  names:
    description: Names that private endpoints answer for.
    type: list
    elements: str
    default: []
  target:
    description: An address that answers pings; where it answers none, no packet size is told.
    type: str
    default: ""
  mtu:
    description: The packet size that should pass, in bytes.
    type: int
    default: 1446
author:
  - Landfall
"""

EXAMPLES = r"""
- name: Reach the cloud from here
  landfall_link_probe:
    resolvers: [10.100.0.10]
    names: [s3.eu-central-1.amazonaws.com]
"""

RETURN = r"""
unreachable:
  description: Name servers that did not answer, with the reason.
  returned: always
  type: dict
mss:
  description: The segment size agreed with each name server, in bytes.
  returned: always
  type: dict
mtu:
  description: The largest packet that passed; null where the target answers no pings.
  returned: always
  type: int
names:
  description: The addresses that each name has.
  returned: always
  type: dict
report:
  description: All of it in one line.
  returned: always
  type: str
"""

DNS, TIMEOUT_S = 53, 3.0
ICMP_IP_HEADERS = 28
SMALLEST = 576
"""Every host must take packets of this size (RFC 791)."""


def connect(address: str) -> tuple[int, str]:
    """The segment size agreed with a name server, and why there is none."""
    try:
        with socket.create_connection((address, DNS), TIMEOUT_S) as found:
            return found.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), ""
    except OSError as error:
        return 0, error.strerror or str(error)


def question(name: str, number: int) -> bytes:
    """A DNS message that asks for the IPv4 addresses of `name`."""
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.rstrip(".").split("."))
    header = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0)
    return header + labels + b"\0" + struct.pack(">HH", 1, 1)


def skip_name(message: bytes, at: int) -> int:
    """Where what follows a name begins."""
    while message[at]:
        if message[at] & 0xC0:
            return at + 2
        at += message[at] + 1
    return at + 1


def addresses(message: bytes) -> list[str]:
    """The IPv4 addresses in a DNS answer; raises IndexError or struct.error for what is none."""
    questions, answers = struct.unpack(">HH", message[4:8])
    at = 12
    for _ in range(questions):
        at = skip_name(message, at) + 4
    found = []
    for _ in range(answers):
        at = skip_name(message, at)
        kind, _, _, length = struct.unpack(">HHIH", message[at : at + 10])
        at += 10
        if kind == 1:
            found.append(socket.inet_ntoa(message[at : at + length]))
        at += length
    return sorted(found)


def resolve(name: str, servers: list[str]) -> list[str]:
    """The addresses that the first name server which answers gives."""
    for server in servers:
        number = secrets.randbelow(65536)
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.settimeout(TIMEOUT_S)
                asking.connect((server, DNS))
                asking.send(question(name, number))
                answer = asking.recv(4096)
            if struct.unpack(">H", answer[:2]) == (number,):
                return addresses(answer)
        except (OSError, IndexError, struct.error):
            continue
    return []


def largest(module: AnsibleModule, target: str, wanted: int) -> int | None:
    """The largest packet up to `wanted` that passes whole; None where nothing answers at all."""

    def passes(size: int) -> bool:
        load = str(size - ICMP_IP_HEADERS)
        ping = ["ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s", load, target]
        return bool(module.run_command(ping)[0] == 0)

    if not target or not passes(SMALLEST):
        return None
    low, high = SMALLEST, wanted + 1
    if passes(wanted):
        return wanted
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


def main() -> None:
    """Measure, and tell."""
    module = AnsibleModule(
        argument_spec={
            "resolvers": {"type": "list", "elements": "str", "required": True},
            "names": {"type": "list", "elements": "str", "default": []},
            "target": {"type": "str", "default": ""},
            "mtu": {"type": "int", "default": 1446},
        },
        supports_check_mode=True,
    )
    given = module.params
    connected = {each: connect(each) for each in given["resolvers"]}
    result: dict[str, Any] = {
        "unreachable": {each: why for each, (_, why) in connected.items() if why},
        "mss": {each: mss for each, (mss, why) in connected.items() if not why},
        "mtu": largest(module, given["target"], given["mtu"]),
    }
    answering = list(result["mss"])
    result["names"] = {each: resolve(each, answering) for each in given["names"] if answering}
    size = "no pings answered" if result["mtu"] is None else f"{result['mtu']} bytes pass whole"
    names = ", ".join(f"{name} is {' '.join(found)}" for name, found in result["names"].items())
    result["report"] = f"{', '.join(answering) or 'nothing'} answers; {size}; {names}"
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
