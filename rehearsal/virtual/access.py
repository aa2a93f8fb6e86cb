"""The way into a server: keys of the rack's own, a pinned host key, an inventory for Ansible."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landfall import files, process
from rehearsal.door import LOOPBACK

KEEP_OPEN_S = 60
"""How long a connection stays open for the next command: opening one takes a second."""

CONNECT_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The keys that open servers, in a folder."""

    folder: Path

    @property
    def key(self) -> Path:
        """The private key that opens every server."""
        return self.folder / "id_ed25519"

    @property
    def host_key(self) -> Path:
        """The servers' own key: all have the same, so that one line pins them all."""
        return self.folder / "host"

    @property
    def known_hosts(self) -> Path:
        """The servers' key, pinned for every port of loopback."""
        return self.folder / "known_hosts"

    def make(self) -> None:
        """Make the keys that are not there yet."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (self.key, self.host_key):
            if not path.with_suffix(".pub").exists():
                path.unlink(missing_ok=True)
                generate = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "rack"]
                process.run([*generate, "-f", path], what="ssh-keygen")
        public = self.host_key.with_suffix(".pub").read_text().split()[:2]
        files.write(self.known_hosts, f"[{LOOPBACK}]:* {' '.join(public)}\n")

    def ssh(self, port: int) -> list[str]:
        """The beginning of an ssh command line; connections are shared and stay open a while."""
        return [
            *("ssh", "-p", str(port), "-i", str(self.key), "-oBatchMode=yes"),
            *("-oIdentitiesOnly=yes", "-oStrictHostKeyChecking=yes"),
            *(f"-oConnectTimeout={CONNECT_TIMEOUT_S}", f"-oUserKnownHostsFile={self.known_hosts}"),
            *("-oControlMaster=auto", f"-oControlPath={self.folder / '%p'}"),
            *(f"-oControlPersist={KEEP_OPEN_S}", "-oServerAliveInterval=15"),
            f"root@{LOOPBACK}",
        ]

    def close(self, port: int) -> None:
        """End the shared connection to a port, if there is one."""
        process.run([*self.ssh(port)[:-1], "-Oexit", f"root@{LOOPBACK}"], check=False)

    def identity(self, name: str, *, packages_url: str = "", packages_key: bytes = b"") -> str:
        """A script that makes a fresh image the server `name`. It holds the private host key."""
        host = self.host_key.read_text()
        public = self.host_key.with_suffix(".pub").read_text()
        lines = ["set -e", "umask 077"]
        lines += _file("/root/.ssh/authorized_keys", self.key.with_suffix(".pub").read_text())
        lines += _file("/etc/ssh/ssh_host_ed25519_key", host)
        lines += ["umask 022"]
        lines += _file("/etc/ssh/ssh_host_ed25519_key.pub", public)
        lines += _file("/etc/hostname", f"{name}\n")
        lines += _file("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
        lines += ["hostname -F /etc/hostname"]
        if packages_url:
            key = base64.b64encode(packages_key).decode()
            lines += ["mkdir -p /etc/apt/keyrings /etc/apt/sources.list.d"]
            lines += [f"echo {key} | base64 -d > /etc/apt/keyrings/landfall.gpg"]
            signed = "signed-by=/etc/apt/keyrings/landfall.gpg"
            source = f"deb [{signed}] {packages_url} ./\n"
            lines += _file("/etc/apt/sources.list.d/landfall.list", source)
        return "\n".join([*lines, ""])


def credential(name: str, text: str) -> str:
    """An SMBIOS string by which systemd receives a credential."""
    encoded = base64.b64encode(text.encode()).decode()
    return f"io.systemd.credential.binary:{name}={encoded}"


def inventory(
    access: Access, ports: Mapping[str, int], *, groups: Iterable[str] = ("gpu_hosts",)
) -> dict[str, Any]:
    """An Ansible inventory of servers by name, each with its ssh port, in every one of `groups`."""
    hosts = {name: {"ansible_host": LOOPBACK, "ansible_port": port} for name, port in ports.items()}
    known = f"-o StrictHostKeyChecking=yes -o UserKnownHostsFile='{access.known_hosts}'"
    common = {
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(access.key),
        "ansible_ssh_common_args": f"{known} -o IdentitiesOnly=yes",
    }
    members: dict[str, dict[str, Any]] = {name: {} for name in hosts}
    children = {group: {"hosts": members} for group in groups}
    return {"all": {"hosts": hosts, "vars": common, "children": children}}


def _file(path: str, text: str) -> list[str]:
    """Shell lines that write a file whose text has no line END."""
    folder = path.rpartition("/")[0]
    return [f"mkdir -p {folder}", f"cat > {path} <<'END'", text.rstrip("\n"), "END"]
