"""Debian packages with the names of real ones and stand-ins inside, as a repository."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from landfall import process


def build(
    folder: Path, versions: Mapping[str, list[str]], files: Mapping[str, dict[str, str]]
) -> None:
    """Make a flat repository in `folder`: each package in each version, with `files` inside.

    A file that begins with `#!` is made executable.
    """
    folder.mkdir(parents=True)
    for name, numbers in versions.items():
        for version in numbers:
            tree = folder / "tree"
            _write(tree / "DEBIAN/control", _control(name, version))
            for path, text in files.get(name, {}).items():
                _write(tree / path, text)
            deb = folder / f"{name}_{version}_all.deb"
            process.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, deb])
            process.run(["rm", "-r", tree])
    index = process.run(["apt-ftparchive", "packages", "."], cwd=folder).stdout
    (folder / "Packages").write_text(index)


def send(folder: Path, ssh: list[str | Path], *, to: str) -> None:
    """Put the repository on a host, and make it one of its sources."""
    script = f"""set -o pipefail; tar -C {folder} -cf - . | "$@" \
        'mkdir -p {to} && tar -C {to} -xf - && rm -f /etc/apt/sources.list.d/stand-in.list &&
         echo "deb [trusted=yes] file:{to} ./" > /etc/apt/sources.list.d/stand-in.list'"""
    process.run(["bash", "-c", script, "send", *ssh])


def _control(name: str, version: str) -> str:
    fields = {"Package": name, "Version": version, "Architecture": "all"}
    more = {"Maintainer": "Tests <tests@example.org>", "Description": "stand-in"}
    return "".join(f"{key}: {value}\n" for key, value in (fields | more).items())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755 if text.startswith("#!") else 0o644)
