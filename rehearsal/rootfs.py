"""The root file system of the rack's hosts: a minimal Debian 12, made once and kept.

It comes from this machine's own apt sources and holds what a server has after its installation:
an init, a secure shell, Python for Ansible, and nothing that a role would install.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from landfall import process
from landfall.errors import MissingTool
from rehearsal import cache

Progress = Callable[[str], None]

CODENAME = "bookworm"
"""Debian 12, what the site's hosts run."""

RECIPE = 2
"""Raise it when `_prepare` or the options below change, so that a new folder is made."""

PACKAGES = (
    "ca-certificates",
    "dbus",
    "gpgv",
    "iproute2",
    "iputils-ping",
    "kmod",
    "libpam-systemd",
    "nftables",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "python3-venv",
    "systemd",
    "systemd-sysv",
    "udev",
)

LEFT_OUT = ("man", "doc", "locale")
"""Folders of /usr/share that a server does without; half of the size."""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

MASKED = (  # units that a container cannot run, or that would wait for a person
    "systemd-firstboot.service",
    "systemd-networkd-wait-online.service",
    "systemd-pstore.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "modprobe@drm.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place that this machine gets Debian packages from."""

    uri: str
    suite: str
    component: str

    def __str__(self) -> str:
        """The line that sources.list would have."""
        signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
        return f"deb {signed}{self.uri} {self.suite} {self.component}"


def sources() -> tuple[Source, ...]:
    """The Debian 12 sources that this machine's apt uses, in apt's own order.

    Raises:
        MissingTool: apt is not there, or has no source for Debian 12.
    """
    listing = process.run(
        [
            process.which("apt-get", hint="The rack is made from Debian packages."),
            "indextargets",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ],
        what="apt-get indextargets",
    ).stdout
    found = dict.fromkeys(
        Source(uri=uri, suite=suite, component=component)
        for uri, suite, component in (line.split() for line in listing.splitlines())
        if suite.startswith(CODENAME) and component == "main"
    )
    if not found:
        raise MissingTool(
            f"apt has no source for Debian 12 ({CODENAME}, main)",
            hint="Add one to /etc/apt/sources.list.d and run `apt-get update`.",
        )
    return tuple(found)


def ensure(cache_folder: Path, on_progress: Progress) -> Path:
    """The root file system's folder below `cache_folder`; made on first use (half a minute).

    Raises:
        MissingTool: mmdebstrap is missing, or apt has no Debian 12 source.
        CommandFailed: a package could not be fetched or installed.
    """
    final = cache_folder / f"rootfs-{cache.digest(RECIPE, CODENAME, *PACKAGES, *MASKED)}"
    return cache.once(final, lambda part: _make(part, on_progress))


def _make(part: Path, on_progress: Progress) -> None:
    on_progress(f"making a Debian 12 root file system of {len(PACKAGES)} packages")
    bootstrap(part, PACKAGES, on_progress)


def bootstrap(
    part: Path,
    packages: Sequence[str],
    on_progress: Progress,
    *,
    options: Sequence[str] = (),
) -> None:
    """Install Debian 12 with `packages` into the empty folder `part`, ready to be many hosts.

    `options` are mmdebstrap's own, such as hooks.

    Raises:
        MissingTool: mmdebstrap is missing, or apt has no Debian 12 source.
        CommandFailed: a package could not be fetched or installed.
    """
    listed = part.with_name(f"{part.name}.list")
    listed.write_text("".join(f"{source}\n" for source in sources()))
    command = _command(part, listed, packages, options)
    try:
        process.stream(command, on_line=on_progress, what="mmdebstrap")
    finally:
        listed.unlink(missing_ok=True)
    _prepare(part)


def _command(
    part: Path, listed: Path, packages: Sequence[str], options: Sequence[str]
) -> list[str | Path]:
    mmdebstrap = process.which("mmdebstrap", hint="apt-get install mmdebstrap")
    return [
        mmdebstrap,
        "--mode=root",
        "--variant=minbase",
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=APT::Install-Recommends "false"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT),
        f"--include={','.join(packages)}",
        *options,
        CODENAME,
        part,
        listed,
    ]


def _prepare(root: Path) -> None:
    """Make the tree ready to be many hosts: no identity, no way out, networkd and sshd on."""
    for name in ("etc/machine-id", "etc/fstab", "etc/apt/sources.list", "etc/resolv.conf"):
        (root / name).unlink(missing_ok=True)
        (root / name).write_text("")
    for unwanted in (
        *(root / "etc/ssh").glob("ssh_host_*"),
        *(root / "etc/apt/sources.list.d").iterdir(),
    ):
        unwanted.unlink()
    (root / "etc/ssh/sshd_config.d/rack.conf").write_text(
        "UseDNS no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
    )
    systemctl: list[str | Path] = ["systemctl", f"--root={root}", "--quiet"]
    process.run([*systemctl, "enable", "systemd-networkd", "ssh"], what="systemctl enable")
    process.run([*systemctl, "mask", *MASKED], what="systemctl mask")
