"""What this machine lacks to run a virtual rack, found out before anything starts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

from landfall import process
from landfall.errors import MissingTool
from rehearsal.nspawn import cgroup_roots

PROGRAMS = {
    "apt-ftparchive": "apt-utils",
    "apt-get": "apt",
    "gpg": "gnupg",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "systemd-nspawn": "systemd-container",
}
"""Programs that the rack calls, and the Debian packages that bring them."""

RACK_PROGRAMS = {
    "mke2fs": "e2fsprogs",
    "nbdkit": "nbdkit",
    "ovs-vsctl": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "ovsdb-server": "openvswitch-switch",
    "ovsdb-tool": "openvswitch-switch",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "ssh-keygen": "openssh-client",
    "swtpm": "swtpm",
    "swtpm_setup": "swtpm-tools",
}
"""Programs that emulated servers need besides, and the Debian packages that bring them."""

RACK_FILES = {
    Path("/usr/share/OVMF/OVMF_CODE_4M.fd"): "ovmf",
    Path("/usr/share/openvswitch/vswitch.ovsschema"): "openvswitch-switch",
}
"""Files that emulated servers need, and the Debian packages that bring them."""

RACK_MEMORY_GIB = 6
"""Free memory for two emulated servers of 2 GiB, QEMU itself and the tests."""

RACK_DISK_GIB = 10
"""Free space for the image, its snapshot, and the disks of two servers."""

TRIALS = {
    "bridges and pairs of virtual network cards": (
        ["--net"],
        "ip link add pair0 type veth peer name pair1 && ip link add bridge0 type bridge",
    ),
    "overlay file systems": (
        ["--mount"],
        "mount -t tmpfs t /mnt && cd /mnt && mkdir l u w m && "
        "mount -t overlay o -o lowerdir=l,upperdir=u,workdir=w m",
    ),
}
"""Things that a kernel or a container may not allow, each tried in a namespace of its own."""


def require(*, hint: str = "") -> None:
    """Go on only where a rack can run.

    Raises:
        MissingTool: it cannot; lists everything that is missing.
    """
    missing = preflight()
    if missing:
        lines = ["this machine cannot boot a host:", *(f"  {each}" for each in missing)]
        raise MissingTool("\n".join(lines), hint=hint)


def rack_preflight(folder: Path) -> list[str]:
    """What is missing to emulate servers, besides what `preflight` names; one line each.

    `folder` is where images and disks will lie.
    """
    missing = [
        f"{program}: apt-get install {package}"
        for program, package in RACK_PROGRAMS.items()
        if shutil.which(program) is None
    ]
    missing += [
        f"{path}: apt-get install {package}"
        for path, package in RACK_FILES.items()
        if not path.exists()
    ]
    if os.geteuid() == 0 and not missing:
        done = process.run(
            ["unshare", "--net", "ip", "tuntap", "add", "t0", "mode", "tap"], check=False
        )
        if done.returncode != 0:
            missing.append("virtual network cables (tap): refused here; use a whole machine")
    free = psutil.virtual_memory().available / 2**30
    if free < RACK_MEMORY_GIB:
        missing.append(f"memory: {free:.1f} GiB are free, {RACK_MEMORY_GIB} are needed")
    there = next(each for each in (folder, *folder.parents) if each.exists())
    space = shutil.disk_usage(there).free / 2**30
    if space < RACK_DISK_GIB:
        missing.append(f"{folder}: {space:.1f} GiB are free, {RACK_DISK_GIB} are needed")
    return missing


def require_rack(folder: Path) -> None:
    """Go on only where servers can be emulated; `folder` is where images and disks will lie.

    Raises:
        MissingTool: they cannot; lists everything that is missing.
    """
    missing = preflight() + rack_preflight(folder)
    if missing:
        lines = ["this machine cannot emulate a server:", *(f"  {each}" for each in missing)]
        raise MissingTool("\n".join(lines), hint="landfall doctor --fix --rack")


def preflight() -> list[str]:
    """Everything that is missing, one line each, with what to do. Empty where a rack can run."""
    if os.geteuid() != 0:
        return ["root: booting a host needs it; run the command with sudo"]
    missing = [
        f"{program}: apt-get install {package}"
        for program, package in PROGRAMS.items()
        if shutil.which(program) is None
    ]
    if missing:
        return missing
    for name, (options, script) in TRIALS.items():
        done = process.run(["unshare", *options, "/bin/sh", "-c", script], check=False)
        if done.returncode != 0:
            missing.append(f"{name}: this kernel or container refuses them; use a whole machine")
    if not all(os.access(root, os.W_OK) for root in cgroup_roots()) or not cgroup_roots():
        missing.append("cgroups: /sys/fs/cgroup is not writable; use a whole machine")
    return missing
