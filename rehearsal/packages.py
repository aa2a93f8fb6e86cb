"""What the rack's hosts install: a signed apt repository and a wheelhouse, made once and kept.

The hosts have no way out, as a closed site has none: everything that a role installs is fetched
here first, from this machine's own sources, and served to them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from landfall import process
from landfall.errors import IntegrityError, MissingTool
from rehearsal import cache, rootfs

Progress = Callable[[str], None]

ROOT = Path(__file__).resolve().parent.parent

PACKAGES = (
    # base: users, time, updates, logs
    *("apparmor", "auditd", "chrony", "gnupg", "openssl", "python3-cryptography", "rsyslog"),
    *("rsyslog-gnutls", "sudo", "systemd-resolved", "unattended-upgrades"),
    # storage, and how it is unlocked
    *("clevis", "clevis-luks", "clevis-systemd", "clevis-tpm2", "cryptsetup", "cryptsetup-bin"),
    *("fsverity", "jose", "libtss2-esys-3.0.2-0", "libtss2-rc0", "libtss2-tcti-device0"),
    *("mdadm", "nvme-cli", "smartmontools", "tang", "tpm-udev", "tpm2-tools", "xfsprogs"),
    # hardware, tuning and measuring
    *("dmidecode", "ethtool", "fio", "ipmitool", "iperf3", "irqbalance", "linux-cpupower"),
    *("lldpd", "mokutil", "numactl", "pciutils", "socat", "stress-ng", "tcpdump", "tuned"),
    # link and firewall
    *("charon-systemd", "dnsmasq-base", "frr", "frr-pythontools", "iptables"),
    *("libcharon-extra-plugins", "libstrongswan-extra-plugins"),
    *("libstrongswan-standard-plugins", "nftables"),
    *("strongswan-swanctl", "unbound"),
    # containers: iptables is what podman's bridge networks call
    *("aardvark-dns", "busybox-static", "crun", "netavark", "podman"),
    # serving and metrics
    *("curl", "nginx-light", "prometheus", "prometheus-node-exporter", "python3-venv"),
)
"""Debian packages that the roles install: served to every host, baked into emulated ones."""

RECIPE = 1
"""Raise it when the way a folder is made changes, so that a new one is made."""

KEY_FILE = "repository.gpg"
REQUIREMENTS_FILE = "requirements.txt"

HOST_PYTHON = "3.11"
"""Debian 12's Python: the wheels are for the host, whatever runs here."""

HOST_PLATFORMS = (
    "manylinux_2_34_x86_64",
    "manylinux_2_28_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
)
"""Wheels that Debian 12 (glibc 2.36) can load."""

HOST_ENVIRONMENT = {
    "python_version": HOST_PYTHON,
    "python_full_version": f"{HOST_PYTHON}.2",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}

EPOCH = "315619200"  # 1980-01-02, the first whole day that a zip archive can hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheelhouse:
    """A folder of wheels with one hash-checked requirements file, and the digest of both."""

    path: Path
    digest: str


def ensure_repository(
    cache_folder: Path, on_progress: Progress, *, packages: Iterable[str] = PACKAGES
) -> Path:
    """A flat apt repository of `packages` with all that they need; made on first use (10 s).

    It is signed by a key that lives only while the index is written: the public half lies in
    `repository.gpg`, and nobody can add to the repository afterwards.

    Raises:
        MissingTool: apt-ftparchive or gpg is missing, or apt has no Debian 12 source.
        CommandFailed: a package could not be fetched.
    """
    wanted = tuple(sorted(packages))
    final = cache_folder / f"apt-{cache.digest(RECIPE, rootfs.CODENAME, *wanted)}"
    return cache.once(final, lambda part: _make_repository(part, wanted, on_progress))


def ensure_wheelhouse(
    cache_folder: Path, on_progress: Progress, *, root: Path = ROOT
) -> Wheelhouse:
    """Every wheel of the extra `host`, and Landfall's own, for a host's Python 3.11.

    The versions and hashes are those of requirements.lock, so that a host runs what was tested.

    Raises:
        IntegrityError: requirements.lock lacks a package, or a wheel is not the locked one.
        CommandFailed: a wheel could not be fetched or built.
    """
    locked = locked_requirements(root)
    third_party = cache.once(
        cache_folder / f"wheels-{cache.digest(RECIPE, locked)}",
        lambda part: _download(part, locked, on_progress),
    )
    own = cache.once(
        cache_folder / f"wheel-{cache.digest(RECIPE, _source_digest(root))}",
        lambda part: _build(part, root, on_progress),
    )
    wheels = sorted([*third_party.glob("*.whl"), *own.glob("*.whl")], key=lambda path: path.name)
    requirements = "".join(_requirement(wheel) for wheel in wheels)
    digest = cache.digest(requirements)

    def gather(part: Path) -> None:
        for wheel in wheels:
            os.link(wheel, part / wheel.name)
        (part / REQUIREMENTS_FILE).write_text(requirements)

    path = cache.once(cache_folder / f"wheelhouse-{digest}", gather)
    return Wheelhouse(path=path, digest=digest)


def locked_requirements(root: Path = ROOT) -> str:
    """The part of requirements.lock that a host needs, with its hashes.

    Raises:
        IntegrityError: a package that is needed is not locked, or not installed here.
    """
    entries = _lock_entries((root / "requirements.lock").read_text())
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["host"]]
    names = _closure(Requirement(text) for text in wanted)
    missing = sorted(names - entries.keys())
    if missing:
        raise IntegrityError(
            f"requirements.lock lacks {', '.join(missing)}",
            hint="Write the lock file anew from pyproject.toml.",
        )
    return "".join(entries[name] for name in sorted(names))


def _lock_entries(text: str) -> dict[str, str]:
    """The entries of a lock file that hold on a host, by package name."""
    entries = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        lines = [line for line in block.splitlines() if not line.lstrip().startswith("#")]
        if not lines:
            continue
        requirement = Requirement(lines[0].rstrip("\\ "))
        if requirement.marker is None or requirement.marker.evaluate(HOST_ENVIRONMENT):
            entries[canonicalize_name(requirement.name)] = "\n".join(lines) + "\n"
    return {str(name): entry for name, entry in entries.items()}


def _closure(wanted: Iterable[Requirement]) -> set[str]:
    """Names of all that `wanted` needs on a host, from the metadata of what is installed here."""
    seen: set[tuple[str, str]] = set()
    todo = [(each, extra) for each in wanted for extra in ("", *each.extras)]
    while todo:
        requirement, extra = todo.pop()
        key = (str(canonicalize_name(requirement.name)), extra)
        if key in seen:
            continue
        seen.add(key)
        for needed in _requires(key[0]):
            marker = needed.marker
            if marker is None or marker.evaluate({**HOST_ENVIRONMENT, "extra": extra}):
                todo += [(needed, each) for each in ("", *needed.extras)]
    return {name for name, _ in seen}


def _requires(name: str) -> list[Requirement]:
    try:
        found = importlib.metadata.requires(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise IntegrityError(
            f"{name} is not installed in this environment, so what it needs is not known",
            hint="Install the environment from requirements.lock.",
        ) from error
    return [Requirement(text) for text in found or []]


def _requirement(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    hashed = sha256(wheel.read_bytes()).hexdigest()
    return f"{name.replace('_', '-')}=={version} --hash=sha256:{hashed}\n"


def _download(part: Path, locked: str, on_progress: Progress) -> None:
    requirements = part / REQUIREMENTS_FILE
    requirements.write_text(locked)
    on_progress("fetching the hosts' wheels")
    process.stream(
        [
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"),
            *("--only-binary=:all:", "--implementation=cp", f"--python-version={HOST_PYTHON}"),
            *(f"--platform={name}" for name in HOST_PLATFORMS),
            *("--progress-bar=off", "--dest", part, "--requirement", requirements),
        ],
        on_line=_only("Collecting", lambda line: on_progress(f"fetching {line.split()[1]}")),
        what="pip download",
    )
    requirements.unlink()


def _build(part: Path, root: Path, on_progress: Progress) -> None:
    on_progress("building Landfall's own wheel")
    here = importlib.util.find_spec("hatchling") is not None
    process.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--no-deps", "--progress-bar=off"),
            *(["--no-build-isolation"] if here else []),
            *("--wheel-dir", part, root),
        ],
        env={"SOURCE_DATE_EPOCH": EPOCH},
        what="pip wheel",
    )


def _source_digest(root: Path) -> str:
    """Changes when a file changes that the wheel holds."""
    files = [root / "pyproject.toml", root / "README.md"]
    for folder in ("landfall", "engines", "templates"):
        files += [path for path in (root / folder).rglob("*") if path.is_file()]
    lines = [
        f"{path.relative_to(root)} {sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(files)
        if path.suffix != ".pyc" and path.exists()
    ]
    return cache.digest(*lines)


def _make_repository(part: Path, packages: tuple[str, ...], on_progress: Progress) -> None:
    ftparchive = process.which("apt-ftparchive", hint="apt-get install apt-utils")
    gpg = process.which("gpg", hint="apt-get install gnupg")
    work = part / "work"
    _fetch_debs(part, work, packages, on_progress)
    on_progress("writing and signing the package index")
    index = process.run([ftparchive, "packages", "."], cwd=part, what="apt-ftparchive").stdout
    (part / "Packages").write_text(index)
    options = [f"-oAPT::FTPArchive::Release::{key}=landfall" for key in ("Suite", "Label")]
    release = process.run([ftparchive, *options, "release", "."], cwd=part).stdout
    (part / "Release").write_text(release)
    _sign(part, gpg, work / "gnupg")
    cache.remove(work)


def _fetch_debs(part: Path, work: Path, packages: tuple[str, ...], on_progress: Progress) -> None:
    """Download `packages` and their closure, resolved as if nothing were installed."""
    for folder in ("lists/partial", "archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text("".join(f"{each}\n" for each in rootfs.sources()))
    apt = [
        *("apt-get", "--quiet", "--yes"),
        *(f"-oDir::Etc::SourceList={work / 'sources.list'}", "-oDir::Etc::SourceParts=-"),
        *("-oDir::Etc::PreferencesParts=-", f"-oDir::State::Status={work / 'status'}"),
        *(f"-oDir::State::Lists={work / 'lists'}", f"-oDir::Cache={work}"),
        *(f"-oDir::Cache::Archives={work / 'archives'}", "-oAcquire::Languages=none"),
        *("-oAPT::Install-Recommends=false", "-oAPT::Sandbox::User=root"),
        *("-oAPT::Update::Post-Invoke::=true", "-oAPT::Keep-Downloaded-Packages=true"),
    ]
    on_progress("reading package lists")
    process.run([*apt, "update"], what="apt-get update")
    on_progress(f"fetching {', '.join(packages)} and what they need")
    process.stream(
        [*apt, "--download-only", "install", *packages],
        on_line=_only("Get:", lambda line: on_progress(f"fetching {line.split()[4]}")),
        what="apt-get install --download-only",
    )
    debs = list((work / "archives").glob("*.deb"))
    if not debs:
        raise MissingTool(f"apt fetched nothing for {', '.join(packages)}")
    for deb in debs:
        deb.rename(part / deb.name)


def _sign(part: Path, gpg: Path, home: Path) -> None:
    home.mkdir(mode=0o700)
    env = {"GNUPGHOME": str(home)}
    batch: list[str | Path] = [gpg, "--batch", "--quiet"]
    user = "Landfall rehearsal repository"
    process.run(
        [*batch, "--passphrase", "", "--quick-generate-key", user, "ed25519", "sign", "never"],
        env=env,
        what="gpg --quick-generate-key",
    )
    try:
        release, signed = part / "Release", part / "InRelease"
        process.run([*batch, "--clearsign", "--output", signed, release], env=env)
        process.run([*batch, "--output", part / KEY_FILE, "--export", user], env=env)
    finally:
        process.run(["gpgconf", "--kill", "gpg-agent"], env=env, check=False)


def _only(prefix: str, on_progress: Progress) -> Progress:
    """Pass on the lines that begin with `prefix`."""

    def on_line(line: str) -> None:
        if line.startswith(prefix):
            on_progress(line)

    return on_line
