"""One booted host of the rack: an overlay on the root file system, run by systemd-nspawn."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import uuid
from dataclasses import dataclass
from pathlib import Path

from landfall import process
from rehearsal import cache
from rehearsal.door import NAMESPACES

CGROUPS = Path("/sys/fs/cgroup")

HYBRID = ("systemd", "unified", "memory")
"""Trees that a host gets a branch of where cgroup v1 and v2 stand side by side."""

PROPAGATE = Path("/run/systemd/nspawn/propagate")
"""Where nspawn keeps a folder per container; it stays behind when nspawn is killed."""

GRACE_S = 15.0
"""How long an orderly shutdown may take; 2 s is usual."""

BOOT = """
set -e
while [ "$1" != -- ]; do echo $$ > "$1"; shift; done
shift
mount -t overlay rack -o lowerdir=root,upperdir=upper,workdir=work,volatile merged
exec "$@"
"""
"""Enters its own cgroups, then mounts its disk in a mount namespace of its own.

Several hosts in one cgroup would find each other's branches ("status=219/CGROUP"), and a mount
that only the host sees is gone when the host is, however it ended. `volatile` leaves out every
fsync, which halves the time that packages take; what was written then outlives the host, but not
a crash of this machine (the kernel's overlayfs.rst, "Volatile mount").
"""

VOLATILE = Path("work/work/incompat/volatile")
"""The kernel's note in a volatile disk's folder; it refuses to mount the disk again while it lies.
"""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Another after each start of this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RackHost:
    """A host of the rack: its name, and its IPv4 address in the rack's subnet."""

    name: str
    address: str

    @property
    def mac(self) -> str:
        """Its Ethernet address: locally administered, and ending in the IPv4 address."""
        packed = ipaddress.IPv4Address(self.address).packed
        return ":".join(f"{byte:02x}" for byte in (0x02, 0x00, *packed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where a host lives: its folder, its network, and the keys that lie ready for it."""

    host: RackHost
    folder: Path
    namespace: str
    bridge: str
    gateway: str
    prefix_length: int
    authorized_key: Path
    host_key: Path
    packages_url: str
    packages_key: Path

    @property
    def machine(self) -> str:
        """Its name among all containers of this machine."""
        return f"{self.namespace}-{self.host.name}"

    @property
    def cgroups(self) -> tuple[Path, ...]:
        """Its own branch in every cgroup tree of this machine."""
        return tuple(root / "landfall" / self.namespace / self.host.name for root in cgroup_roots())

    def prepare(self, rootfs: Path) -> None:
        """Lay out its disk. What a role has written to it stays, unless `rootfs` is another.

        A disk from before this machine's last start is laid out anew: it may lack what was never
        flushed.
        """
        root, since, boot = self.folder / "root", self.folder / "boot", BOOT_ID.read_text()
        other = root.is_symlink() and root.readlink() != rootfs
        if other or (since.exists() and since.read_text() != boot):
            cache.remove(self.folder)
        elif (self.folder / VOLATILE).is_dir():
            cache.remove(self.folder / VOLATILE)
        for name in ("upper", "work", "merged"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        if not root.is_symlink():
            root.symlink_to(rootfs)
        since.write_text(boot)
        self._identity()
        for cgroup in self.cgroups:
            cgroup.mkdir(parents=True, exist_ok=True)

    def command(self) -> list[str | Path]:
        """The program that boots it, to be started in its folder."""
        return [
            *("unshare", "--mount", "--propagation=private", "/bin/sh", "-c", BOOT, "boot"),
            *(cgroup / "cgroup.procs" for cgroup in self.cgroups),
            "--",
            *("nsenter", f"--net={NAMESPACES / self.namespace}", "systemd-nspawn", "--quiet"),
            *("--boot", f"--directory={self.folder / 'merged'}"),
            *(f"--machine={self.machine}", f"--hostname={self.host.name}"),
            *("--register=no", "--keep-unit", f"--network-bridge={self.bridge}"),
            # bpf: without it IPAddressDeny= is silently not enforced
            *("--capability=all", "--system-call-filter=bpf"),
            *("--resolv-conf=off", "--timezone=off", "--link-journal=no"),
            f"--load-credential=ssh.authorized_keys.root:{self.authorized_key}",
        ]

    def processes(self) -> set[int]:
        """Every process of the host, also when its nspawn has been killed."""
        found: set[int] = set()
        for cgroup in self.cgroups:
            for listed in cgroup.rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    found.update(int(line) for line in listed.read_text().split())
        return found

    def clear(self) -> None:
        """Kill what is left of the host and remove its cgroups. Safe twice."""

        def gone() -> bool:
            left = self.processes()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not left

        process.wait_until(gone, timeout_s=GRACE_S)
        for cgroup in self.cgroups:
            _remove_cgroup(cgroup)
        with contextlib.suppress(OSError):
            (PROPAGATE / self.machine).rmdir()

    def _identity(self) -> None:
        """Give the disk a name, an address, a machine id and its pinned ssh host key."""
        etc = self.folder / "upper/etc"
        (etc / "systemd/network").mkdir(parents=True, exist_ok=True)
        (etc / "ssh").mkdir(exist_ok=True)
        name = f"{self.namespace}/{self.host.name}"
        # stable, because credentials that the host encrypts for itself are bound to it
        _write(etc / "machine-id", uuid.uuid5(uuid.NAMESPACE_DNS, name).hex + "\n")
        _write(etc / "hostname", f"{self.host.name}\n")
        _write(etc / "hosts", f"127.0.0.1 localhost\n{self.host.address} {self.host.name}\n")
        _write(etc / "systemd/network/10-host0.network", self._network())
        # as an installer leaves it: the site's own mirror, and the key that it signs with
        (etc / "apt/sources.list.d").mkdir(parents=True, exist_ok=True)
        (etc / "apt/keyrings").mkdir(exist_ok=True)
        _write_bytes(etc / "apt/keyrings/landfall.gpg", self.packages_key.read_bytes())
        signed = "signed-by=/etc/apt/keyrings/landfall.gpg"
        _write(etc / "apt/sources.list.d/landfall.list", f"deb [{signed}] {self.packages_url} ./\n")
        public = self.host_key.with_suffix(".pub")
        _write(etc / "ssh/ssh_host_ed25519_key", self.host_key.read_text(), mode=0o600)
        _write(etc / "ssh/ssh_host_ed25519_key.pub", public.read_text())

    def _network(self) -> str:
        return (
            "[Match]\nName=host0\n"
            f"[Link]\nMACAddress={self.host.mac}\n"
            f"[Network]\nAddress={self.host.address}/{self.prefix_length}\n"
            f"Gateway={self.gateway}\n"
            "LinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n"
        )


def cgroup_roots() -> tuple[Path, ...]:
    """The cgroup trees of this machine: the only one (v2), or the ones of a hybrid layout."""
    if (CGROUPS / "cgroup.controllers").exists():
        return (CGROUPS,)
    return tuple(CGROUPS / name for name in HYBRID if (CGROUPS / name).is_dir())


def environment() -> dict[str, str]:
    """What nspawn's environment must say: the host gets cgroup v2, as Debian 12 has it."""
    return {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}


def remove_cgroups(namespace: str) -> None:
    """Remove the branch of a whole rack, and Landfall's own where it is empty then."""
    for root in cgroup_roots():
        _remove_cgroup(root / "landfall" / namespace)
        with contextlib.suppress(OSError):
            (root / "landfall").rmdir()


def _remove_cgroup(cgroup: Path) -> None:
    for folder, _, _ in os.walk(cgroup, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    _write_bytes(path, text.encode(), mode=mode)


def _write_bytes(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    partial = path.with_name(f".{path.name}.part")
    partial.unlink(missing_ok=True)
    partial.touch(mode=mode)
    partial.write_bytes(content)
    partial.replace(path)
