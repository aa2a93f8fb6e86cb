"""What this machine lacks to run a virtual rack, found out before anything starts."""

from __future__ import annotations

import os
import shutil

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
