"""What hosts without a way out install, as a folder that any web server of the site can serve."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from landfall import files
from landfall.errors import Refused, UsageError
from landfall.model.environment import Environment, cache_folder
from rehearsal import cache, packages

Progress = Callable[[str], None]

PACKAGES = "apt"
"""The name under which the newest packages are always found: a link, switched at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Folders that were published; each is complete, or not there at all."""

    wheels: Path
    packages: Path

    @property
    def key(self) -> Path:
        """The public key that the package index is signed with."""
        return self.packages / packages.KEY_FILE


def publish(
    environment: Environment,
    folder: Path,
    url: str,
    on_progress: Progress,
    *,
    names: Iterable[str] = packages.PACKAGES,
) -> Published:
    """Put wheels and Debian packages into `folder` and note where hosts find the wheels.

    What was published before stays, so that hosts can go back to it.

    Args:
        environment: whose hosts will read it.
        folder: what a web server of the site serves.
        url: the address at which it serves the folder.
        on_progress: told what is done.
        names: the Debian packages, without what they need in turn: all that roles install.

    Raises:
        UsageError: `url` is not an address of a web server.
        Refused: the environment's rehearsal publishes for itself.
        IntegrityError: a wheel is not the locked one.
        CommandFailed: something could not be fetched.
    """
    if environment.rehearsal:
        raise Refused(
            f"{environment.name} is rehearsed on this machine, which publishes for itself",
            hint="Give the environment of a site: landfall mirror prod …",
        )
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"--url {url}: give an address that begins with http:// or https://")
    folder.mkdir(parents=True, exist_ok=True)
    made = packages.ensure_wheelhouse(cache_folder(), on_progress)
    wheels = _put(folder, made.path)
    address = f"{url.rstrip('/')}/{wheels.name}/"
    told = {"url": address, "digest": made.digest}
    published = Published(wheels=wheels, packages=_packages(folder, names, on_progress))
    # last: hosts are sent to wheels that are there
    files.write(environment.wheelhouse_file, json.dumps(told, indent=2) + "\n")
    return published


def _packages(folder: Path, names: Iterable[str], on_progress: Progress) -> Path:
    """The newest packages, fetched anew: a folder named after its index, and a link to it."""
    # not below `folder`: the path of gpg's socket may have 107 characters
    with tempfile.TemporaryDirectory(prefix="landfall-") as work:
        fresh = packages.ensure_repository(Path(work), on_progress, packages=names)
        index = cache.digest((fresh / "Packages").read_text())
        put = _put(folder, fresh, f"{PACKAGES}-{index}")
    link = folder / f".{PACKAGES}.part"
    link.unlink(missing_ok=True)
    link.symlink_to(put.name)
    link.replace(folder / PACKAGES)
    return put


def _put(folder: Path, source: Path, name: str = "") -> Path:
    """A copy of `source` in `folder` that everybody may read, whole or not at all."""
    final = folder / (name or source.name)
    if final.exists():
        return final
    part = folder / f".{final.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part)
    part.chmod(0o755)
    for path in part.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    part.rename(final)
    return final
