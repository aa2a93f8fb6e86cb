"""A wheelhouse and engines small enough for a test: the same command lines, no tensors."""

from __future__ import annotations

import base64
import json
import zipfile
from hashlib import sha256
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from landfall.model.environment import ROOT
from landfall.model.host import Host
from landfall.model.site import Site

VERIFY = """
import argparse, hashlib, json, pathlib, sys
parser = argparse.ArgumentParser()
commands = parser.add_subparsers(required=True)
verify = commands.add_parser("verify")
verify.add_argument("folder", type=pathlib.Path)
verify.add_argument("--signature", type=pathlib.Path, required=True)
verify.add_argument("--key", type=pathlib.Path, required=True)
build = commands.add_parser("build")
for name in ("plan", "source", "out"):
    build.add_argument(f"--{name}", type=pathlib.Path, required=True)
build.add_argument("--registry")
build.add_argument("--timings", type=pathlib.Path)
build.add_argument("--beside", type=pathlib.Path)
commands.add_parser("facts")
asked = parser.parse_args()
if len(vars(asked)) == 0:
    packages = {"stand-in": "BACKEND"}
    print(json.dumps({"machine": "x86_64", "isa": [], "gpus": [], "packages": packages}))
    sys.exit()
if hasattr(asked, "out"):
    asked.out.mkdir()
    text = asked.plan.read_text() + (asked.source / "weights").read_text()
    if asked.beside:
        text += (asked.beside / "adapters/law/rank").read_text()
    (asked.out / "model").write_text(text)
    if asked.registry:  # in a container: there is a log
        asked.out.with_name("engine.log").write_text(f"built from {asked.registry}")
        (asked.out / "timing.cache").write_bytes(asked.timings.read_bytes())
    sys.exit()
digest = hashlib.sha256((asked.folder / "model").read_bytes() + asked.key.read_bytes())
if digest.hexdigest() != asked.signature.read_text():
    sys.exit("the engine is not what was signed")
"""

SERVE = """
import argparse, http.server, json, os, pathlib, re, socket, time
parser = argparse.ArgumentParser()
for name in "engine signature public-key host port name slots max-queue drain-s".split():
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--max-new-tokens")
asked = parser.parse_args()
model = (pathlib.Path(asked.engine) / "model").read_text()

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        wait = re.search("wait ([0-9.]+)", body)
        time.sleep(float(wait[1]) if wait else 0)
        broken = body and model.startswith("bad")
        choices = [{"message": {"role": "assistant", "content": f"I am {model}."}}]
        said = {"model": model, "choices": [] if broken else choices}
        asked_by = self.headers.get("X-Landfall-Classification")
        text = json.dumps({**said, "classification": asked_by}).encode()
        self.send_response(500 if broken else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET

server = http.server.ThreadingHTTPServer((asked.host, int(asked.port)), Answer)

def tell(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1))
        channel.send(text)

tell(b"READY=1")
server.service_actions = lambda: tell(b"WATCHDOG=1")
server.serve_forever()
"""
"""Answers as an engine does, after SECONDS where the prompt says "wait SECONDS"; one whose model
begins with "bad" is ready and answers nothing."""


def wheelhouse(folder: Path, backend: str = "1") -> str:
    """A wheelhouse with one wheel, as rehearsal.packages lays it out; its digest.

    `backend` is the version of what runs engines, as the host's facts tell it.
    """
    files = {
        "engines/__init__.py": "",
        "engines/__main__.py": VERIFY.replace("BACKEND", backend),
        "engines/serve/__init__.py": "",
        "engines/serve/__main__.py": SERVE,
        "landfall-0.1.0.dist-info/METADATA": (
            "Metadata-Version: 2.1\nName: landfall\nVersion: 0.1.0\n"
        ),
        "landfall-0.1.0.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = "landfall-0.1.0.dist-info/RECORD"
    lines = [f"{name},sha256={_encoded(text)},{len(text)}" for name, text in files.items()]
    folder.mkdir()
    wheel = folder / "landfall-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, record: "\n".join([*lines, f"{record},,"])}.items():
            archive.writestr(name, text)
    digest = sha256(wheel.read_bytes()).hexdigest()
    (folder / "requirements.txt").write_text(f"landfall==0.1.0 --hash=sha256:{digest}\n")
    return digest[:16]


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(sha256(text.encode()).digest()).decode().rstrip("=")


def engine(folder: Path, content: str, *, port: int, share: int) -> dict[str, Any]:
    """An engine with its signature, as the role takes it."""
    key = sha256(content.encode()).hexdigest()
    source = folder / key
    source.mkdir(parents=True)
    (source / "model").write_text(content)
    public = folder / "signing.pub"
    public.write_text("public key")
    signature = folder / f"{key}.sig"
    signature.write_text(sha256(content.encode() + public.read_bytes()).hexdigest())
    return {
        "key": key,
        "name": "tiny-lm",
        "source": str(source),
        "signature": str(signature),
        "port": port,
        "share": share,
        "slots": 2,
        "max_queue": 8,
        "max_new_tokens": None,
    }


def host(promised: dict[str, Any]) -> dict[str, Any]:
    """What the inventory says of a host, with what it leaves out filled in."""
    return Host.model_validate(promised).model_dump(mode="json", by_alias=True)


def site(subnet: IPv4Network) -> dict[str, Any]:
    """A site of one network, in which Ansible, requests and packages go."""
    gateway = str(subnet.network_address + 1)
    ways = [
        {"from": "management", "to": "hosts", "tcp": [22, 8080, 9100], "why": "tests ask"},
        {"from": "hosts", "to": "management", "tcp": [8000], "why": "packages and wheels"},
        {"from": "hosts", "to": "hosts", "tcp": [8080], "why": "a drained host hands on"},
    ]
    edge = {
        "name": "edge-a",
        "address": "198.51.100.10",
        "asn": 65010,
        "inside": ["169.254.10.0/30", "169.254.11.0/30"],
    }
    written = {
        "name": "test",
        "networks": {"management": {"range": str(subnet), "gateway": gateway}},
        "flows": ways,
        "services": {"packages": {"url": f"http://{gateway}:8000/apt/"}},
        "edges": [edge],
        "link": {},
    }
    return Site.model_validate(written).model_dump(mode="json", by_alias=True)


def variables(
    engines: list[dict[str, Any]],
    *,
    public_key: Path,
    wheels: dict[str, str],
    secrets: str,
    subnet: IPv4Network,
) -> dict[str, Any]:
    """What the vars plugin gives the site's playbook, for hosts in one network."""
    upstreams = [{name: each[name] for name in ("key", "port", "share")} for each in engines]
    return {
        "landfall_engines": engines,
        "landfall_standby": [],
        "landfall_trials": [],
        "landfall_public_key": str(public_key),
        "landfall_wheelhouse": wheels,
        "landfall_routes": [{"name": "tiny-lm", "upstreams": upstreams}],
        "landfall_overflow": [],
        "landfall_refused": "",
        "landfall_root": str(ROOT),
        "landfall_environment": "test",
        "landfall_site": site(subnet),
        "landfall_addresses": [],
        "landfall_targets": [],
        "landfall_storage_ends": {},
        "landfall_management": "127.0.0.1",
        "landfall_handoff": {},
        "landfall_tunnels": [],
        "network_managed": False,
        "burnin_required": False,
        "landfall_tenants": [
            {"name": "clinic", "classification": "restricted", "key_secret": "test/clinic"},
            {"name": "website", "classification": "public", "key_secret": "test/website"},
        ],
        "landfall_secrets": {"endpoint": secrets, "region": "eu-central-1", "rehearsal": True},
    }


def write(path: Path, values: dict[str, Any]) -> Path:
    path.write_text(json.dumps(values))
    return path
