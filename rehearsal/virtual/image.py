"""What an emulated server boots: Debian 12 with its kernel, everything installed, nothing set up.

An installation inside an emulated server takes minutes, so what roles install is there already.
Whatever a role configures is switched off, so that the role has something to do.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from landfall import process
from landfall.errors import MissingTool
from rehearsal import cache, packages, rootfs

Progress = Callable[[str], None]

RECIPE = 1
"""Raise it when the way the image is made changes, so that a new one is made."""

KERNEL = ("linux-image-amd64", "initramfs-tools", "lz4", "zstd")

SIZE_GIB = 8
"""Size of the root disk; the file is sparse and takes what is used."""

INITRD_MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "crc32c-intel")
"""All that finds the root disk: a small initrd saves seconds of every emulated boot."""

INITRD = " ".join(
    [
        'mkdir -p "$1/etc/initramfs-tools/conf.d";',
        'printf "MODULES=list\\nCOMPRESS=lz4\\n" > "$1/etc/initramfs-tools/conf.d/rack";',
        'printf "%s\\n"',
        *INITRD_MODULES,
        '> "$1/etc/initramfs-tools/modules"',
    ]
)
"""A hook of mmdebstrap, run before the kernel's packages make the initrd."""

ON = ("ssh", "systemd-networkd", "remote-fs", "getty@", "rack-identity")
"""Units that are enabled; whatever else a package enables is a role's to enable."""

MASKED = (  # they cost seconds of every emulated boot and have nothing to do there
    "dev-hugepages.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
)

FILES = Path(__file__).parent / "guest"
"""Files of the image, laid out as the paths that they become."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A finished image: read only, and shared by all servers."""

    folder: Path

    @property
    def disk(self) -> Path:
        """The root file system, ext4 on the whole disk, raw."""
        return self.folder / "disk.raw"

    @property
    def kernel(self) -> Path:
        """Debian's kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """Its initial RAM disk."""
        return self.folder / "initrd"


def ensure(cache_folder: Path, on_progress: Progress) -> Image:
    """The image, below `cache_folder`; made on first use (about a minute and a half).

    Raises:
        MissingTool: mmdebstrap is missing, or apt has no Debian 12 source.
        CommandFailed: a package could not be fetched or installed.
    """
    recipe = [RECIPE, rootfs.RECIPE, rootfs.CODENAME, *_packages(), INITRD, *ON, *MASKED, SIZE_GIB]
    files = [f"{path.relative_to(FILES)} {path.read_text()}" for path in _files()]
    final = cache_folder / f"server-{cache.digest(*recipe, *files)}"
    return Image(folder=cache.once(final, lambda part: _make(part, on_progress)))


def _packages() -> tuple[str, ...]:
    return tuple(sorted({*rootfs.PACKAGES, *packages.PACKAGES, *KERNEL}))


def _files() -> list[Path]:
    return sorted(path for path in FILES.rglob("*") if path.is_file() and path.suffix != ".pyc")


def _make(part: Path, on_progress: Progress) -> None:
    tree = part / "tree"
    tree.mkdir()
    on_progress(f"making a server's image of {len(_packages())} packages")
    options = [f"--essential-hook={INITRD}"]
    rootfs.bootstrap(tree, _packages(), on_progress, options=options)
    _switch_off(tree)
    _add_files(tree)
    on_progress("writing the disk")
    _write_disk(tree, part / "disk.raw")
    for name in ("vmlinuz", "initrd"):
        found = sorted((tree / "boot").glob(f"{name}*-amd64"))
        if not found:
            raise MissingTool(f"the image has no {name}: no kernel package was installed")
        shutil.copy(found[-1], part / name)
    cache.remove(tree)


def _switch_off(tree: Path) -> None:
    """Disable every unit that a package enabled, but for `ON`."""
    systemctl: list[str | Path] = ["systemctl", f"--root={tree}", "--quiet"]
    linked = {path.name for path in (tree / "etc/systemd/system").glob("*.wants/*")}
    off = sorted(name for name in linked if not name.startswith(ON))
    process.run([*systemctl, "disable", *off], what="systemctl disable")
    process.run([*systemctl, "mask", *MASKED], what="systemctl mask")


def _add_files(tree: Path) -> None:
    for path in _files():
        target = tree / path.relative_to(FILES)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    systemctl: list[str | Path] = ["systemctl", f"--root={tree}", "--quiet"]
    process.run([*systemctl, "enable", "rack-identity"], what="systemctl enable")


def _write_disk(tree: Path, disk: Path) -> None:
    with disk.open("wb") as empty:
        empty.truncate(SIZE_GIB * 1024**3)
    options = "lazy_itable_init=1,lazy_journal_init=1,nodiscard"
    ext4 = ["-t", "ext4", "-L", "root", "-O", "^metadata_csum_seed", "-E", options]
    process.run(["mke2fs", "-q", "-F", *ext4, "-d", tree, disk], what="mke2fs")
