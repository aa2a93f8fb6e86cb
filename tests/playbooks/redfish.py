"""A machine's own controller, as far as preflight asks it: Redfish over TLS with Basic auth.

Laid out after DMTF's Redfish Specification (DSP0266): collections, a computer system with its
BIOS, and the inventory of firmware. GET alone: preflight changes nothing.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from landfall import process

ROOT = "/redfish/v1"
SYSTEM = f"{ROOT}/Systems/System.Embedded.1"
UPDATE = f"{ROOT}/UpdateService"
USER, PASSWORD = "landfall", "redfish-canary-0123456789"
"""A canary: neither may be in what a run prints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """A controller that listens on loopback, and the certificate that it shows."""

    address: str
    certificate: Path
    refused: list[str]


def members(path: str, names: list[str]) -> dict[str, Any]:
    """A collection."""
    return {
        "@odata.id": path,
        "Members": [{"@odata.id": name} for name in names],
        "Members@odata.count": len(names),
    }


def resources(versions: dict[str, str], attributes: dict[str, str]) -> dict[str, Any]:
    """Every resource by its path."""
    inventory = f"{UPDATE}/FirmwareInventory"
    found: dict[str, Any] = {
        ROOT: {
            "@odata.id": ROOT,
            "Vendor": "Dell",
            "Systems": {"@odata.id": f"{ROOT}/Systems"},
            "UpdateService": {"@odata.id": UPDATE},
            "Links": {"Sessions": {"@odata.id": f"{ROOT}/SessionService/Sessions"}},
        },
        f"{ROOT}/Systems": members(f"{ROOT}/Systems", [SYSTEM]),
        SYSTEM: {
            "@odata.id": SYSTEM,
            "Id": "System.Embedded.1",
            "Bios": {"@odata.id": f"{SYSTEM}/Bios"},
        },
        f"{SYSTEM}/Bios": {"@odata.id": f"{SYSTEM}/Bios", "Attributes": attributes},
        UPDATE: {"@odata.id": UPDATE, "FirmwareInventory": {"@odata.id": inventory}},
        inventory: members(inventory, [f"{inventory}/{n}" for n in range(len(versions))]),
    }
    for index, (name, version) in enumerate(versions.items()):
        path = f"{inventory}/{index}"
        found[path] = {"@odata.id": path, "Id": str(index), "Name": name, "Version": version}
    return found


def _handler(tree: dict[str, Any], refused: list[str]) -> type[BaseHTTPRequestHandler]:
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.rstrip("/")
            if path != ROOT and self.headers.get("Authorization") != expected:
                refused.append(path)
                self.answer(401, {})
                return
            body = tree.get(path)
            self.answer(404 if body is None else 200, body or {})

        def answer(self, code: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    return Answer


@contextmanager
def controller(
    folder: Path, *, versions: dict[str, str], attributes: dict[str, str]
) -> Iterator[Controller]:
    """A controller with these versions and BIOS attributes."""
    key, certificate = folder / "redfish.key", folder / "redfish.pem"
    subject = ["-subj", "/CN=controller", "-addext", "subjectAltName=IP:127.0.0.1"]
    process.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject),
            *("-keyout", str(key), "-out", str(certificate)),
        ]
    )
    refused: list[str] = []
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), _handler(resources(versions, attributes), refused)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = f"127.0.0.1:{server.server_address[1]}"
        yield Controller(address=address, certificate=certificate, refused=refused)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
