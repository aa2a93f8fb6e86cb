"""A real container registry on loopback, with TLS, and images that are made without a builder."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import socket
import ssl
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from landfall import process

BUSYBOX = Path("/bin/busybox")
"""Of the package busybox-static: the whole content of the image."""

TYPES = {
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
}

CONFIG = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http:
  addr: 127.0.0.1:{port}
  tls: {{certificate: {folder}/registry.crt, key: {folder}/registry.key}}
"""


def missing() -> str:
    """What this machine lacks for a registry."""
    absent = [name for name in ("docker-registry", "openssl") if not shutil.which(name)]
    return f"apt-get install {' '.join(absent)} busybox-static" if absent else ""


@dataclass
class Registry:
    """Where it listens, and the file with the CA that it is known by."""

    folder: Path
    port: int

    @property
    def ca(self) -> Path:
        return self.folder / "registry.crt"

    def push(self, name: str, files: dict[str, str], command: list[str]) -> str:
        """Put an image there: busybox, `files`, and what it runs. Its digest."""
        layer = gzip.compress(_tar(files), mtime=0)
        plain = hashlib.sha256(gzip.decompress(layer)).hexdigest()
        config: dict[str, Any] = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": command, "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{plain}"]},
        }
        written = json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": TYPES["manifest"],
            "config": self._blob(name, "config", written),
            "layers": [self._blob(name, "layer", layer)],
        }
        body = json.dumps(manifest).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        headers = {"Content-Type": TYPES["manifest"]}
        with self._client() as client:
            answer = client.put(f"/v2/{name}/manifests/{digest}", content=body, headers=headers)
            answer.raise_for_status()
        return digest

    def tamper(self, digest: str) -> None:
        """Change one byte of what the registry keeps under `digest`, as a thief of it would."""
        hexadecimal = digest.removeprefix("sha256:")
        [path] = (self.folder / "data").glob(f"**/blobs/sha256/??/{hexadecimal}/data")
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))

    @contextmanager
    def down(self) -> Iterator[None]:
        """Nobody is there for a while."""
        process.stop(self.folder / "registry.json")
        try:
            yield
        finally:
            self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        server: list[str | Path] = ["docker-registry", "serve", self.folder / "registry.yml"]
        log = self.folder / "registry.log"
        process.spawn(server, name="registry", record=self.folder / "registry.json", log=log)
        assert process.wait_until(lambda: _answers(self), timeout_s=20)

    def layers(self, name: str, digest: str) -> list[str]:
        """The digests of the layers of an image."""
        with self._client() as client:
            headers = {"Accept": TYPES["manifest"]}
            answer = client.get(f"/v2/{name}/manifests/{digest}", headers=headers).json()
        return [layer["digest"] for layer in answer["layers"]]

    def _client(self) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self.ca))
        return httpx.Client(base_url=f"https://127.0.0.1:{self.port}", verify=context)

    def _blob(self, name: str, kind: str, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        with self._client() as client:
            place = client.post(f"/v2/{name}/blobs/uploads/").headers["Location"]
            separator = "&" if "?" in place else "?"
            client.put(f"{place}{separator}digest={digest}", content=content).raise_for_status()
        return {"mediaType": TYPES[kind], "digest": digest, "size": len(content)}


def _tar(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        names = {"bin/busybox": BUSYBOX.read_bytes()}
        names |= {path: text.encode() for path, text in files.items()}
        for path, content in names.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
        for applet in ("sh", "sleep", "httpd", "cat", "touch", "id"):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for folder in ("tmp", "proc", "sys", "dev", "etc", "run"):
            made = tarfile.TarInfo(folder)
            made.type, made.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(made)
    return buffer.getvalue()


def certificate(folder: Path, name: str, *alternatives: str) -> None:
    """A key and a certificate of its own: NAME.key and NAME.crt, for `alternatives`."""
    process.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName={','.join(alternatives)}"),
            *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"),
        ]
    )


@contextmanager
def running(folder: Path, *names: str) -> Iterator[Registry]:
    """A registry whose certificate is for loopback and for the addresses `names`."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    certificate(folder, "registry", *(f"IP:{name}" for name in ("127.0.0.1", *names)))
    written = folder / "registry.yml"
    written.write_text(CONFIG.format(folder=folder, port=port))
    made = Registry(folder=folder, port=port)
    try:
        made.start()
        yield made
    finally:
        process.stop(folder / "registry.json")


def _answers(registry: Registry) -> bool:
    try:
        with registry._client() as client:
            return client.get("/v2/").status_code == 200
    except httpx.HTTPError:
        time.sleep(0.1)
        return False
