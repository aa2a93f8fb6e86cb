"""`nox -s demo` runs the whole loop, `nox -s tests` the tests; `nox -l` lists the rest.

Every session works in the one environment .venv, made from requirements.lock: the same in which
`landfall`, `pulumi up` and `ansible-playbook` are used by hand afterwards.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
UV = "uv==0.13.9"
PYTHONS = ("python3.11", "python3.12", "python3")

nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "none"
nox.needs_version = ">=2025.2"

SOURCES = (
    "landfall",
    "stacks",
    "engines",
    "rehearsal",
    "examples",
    "tests",
    "bench",
    "playbooks/plugins",
    "playbooks/roles",
    "noxfile.py",
    "__main__.py",
)


def install(session: nox.Session) -> None:
    """Make .venv what requirements.lock says, if it is not."""
    wanted = hashlib.sha256(
        b"".join((ROOT / name).read_bytes() for name in ("requirements.lock", "pyproject.toml"))
    ).hexdigest()
    stamp = VENV / ".landfall"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    session.log("installing what requirements.lock names into .venv, once")
    if not (BIN / "python").exists():
        session.run(sys.executable, "-m", "venv", str(VENV), external=True)
    run(session, "python", "-m", "pip", "install", "-q", UV)
    python = ("--system-certs", "--python", str(BIN / "python"))
    run(
        session,
        "uv",
        "pip",
        "install",
        "-q",
        *python,
        "--require-hashes",
        "-r",
        "requirements.lock",
    )
    run(session, "uv", "pip", "install", "-q", *python, "--no-deps", "--editable", ".")
    stamp.write_text(wanted)


def run(session: nox.Session, program: str, *words: str) -> None:
    """Run a program of .venv."""
    session.run(str(BIN / program), *words, external=True)


@nox.session
def demo(session: nox.Session) -> None:
    """The whole loop on this machine: cloud, training, host, engine, prompt, preview."""
    install(session)
    options = [word for word in session.posargs if word == "--no-site"]
    run(session, "landfall", "doctor", "--fix", *options)
    run(session, "landfall", "demo", *session.posargs)


@nox.session
def setup(session: nox.Session) -> None:
    """Only the set-up: packages, the Pulumi command, the rack's images."""
    install(session)
    run(session, "landfall", "doctor", "--fix", *session.posargs)


WITH_REAL_PARTS = "engine or services or host or slow"
BY_MATRIX = "matrix or cloud"
ELSEWHERE = f"{BY_MATRIX} or rack"
SITE_HALF = ("tests/playbooks", "tests/cli/test_interrupt.py")
"""Tests of roles and playbooks on booted hosts; they have a session of their own."""

DIST = {"matrix": "worksteal", "cloud": "loadfile"}


@nox.session
def tests(session: nox.Session) -> None:
    """Unit tests first (seconds, no root), then those with real engines, servers and hosts."""
    install(session)
    if session.posargs:
        run(session, "pytest", *session.posargs)
        return
    run(session, "pytest", "-q", "-n", "2", "-m", f"not ({WITH_REAL_PARTS} or {ELSEWHERE})")
    # What cannot be got is then skipped by name, and fails in CI.
    session.run(str(BIN / "landfall"), "doctor", "--fix", external=True, success_codes=[0, 1])
    run(
        session,
        "pytest",
        "-q",
        "-n",
        "2",
        "--dist",
        "loadfile",
        "--no-loadscope-reorder",
        "--durations=40",
        "-m",
        f"({WITH_REAL_PARTS}) and not ({ELSEWHERE})",
        *(f"--ignore={path}" for path in SITE_HALF),
    )


@nox.session
def site(session: nox.Session) -> None:
    """The site half on booted hosts: every role, upgrades, backups, and what goes wrong."""
    install(session)
    run(session, "landfall", "doctor", "--fix")
    options = ("-q", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--durations=40")
    run(session, "pytest", *options, "-m", WITH_REAL_PARTS, *(session.posargs or SITE_HALF))


@nox.session
def matrix(session: nox.Session) -> None:
    """The cloud half in all its forms: each feature, capacity, GPU family, link; three lives."""
    install(session)
    run(session, "landfall", "doctor", "--fix", "--no-site")
    for marker in ("matrix", "cloud"):
        run(
            session, "pytest", "-q", "-n", "2", "--dist", DIST[marker], "-m", marker, "tests/stacks"
        )


@nox.session
def rack(session: nox.Session) -> None:
    """Emulated servers: real RAID, encryption, bonds, power cuts; `-- short` is CI's form."""
    install(session)
    words = list(session.posargs)
    short = words[:1] == ["short"]
    run(session, "landfall", "doctor", "--fix", "--rack")
    marker = "rack and short" if short else "rack"
    run(session, "pytest", "-q", "-m", marker, *(words[1:] if short else words or ["tests/rack"]))


@nox.session
def lint(session: nox.Session) -> None:
    """Formats, linters, types."""
    install(session)
    run(session, "ruff", "format", "--check", ".")
    run(session, "ruff", "check", ".")
    run(session, "mypy", *SOURCES)
    run(session, "yamllint", "--strict", ".")
    run(session, "ansible-lint", "--offline", "-q")
    run(session, "shellcheck", ".ci/run")


@nox.session
def bench(session: nox.Session) -> None:
    """Every number that the README states, as ratios taken side by side."""
    install(session)
    run(session, "python", "-m", "bench", *session.posargs)
