"""The lines by which the system finds, opens and mounts the array: pure edits of text."""

from __future__ import annotations

from .facts import Journal
from .spec import Spec

DEVICE_TIMEOUT_S = 90
"""How long the boot waits for the array: mdadm starts an incomplete one after 30 s, and a large
machine may take a minute to find its disks."""

CRYPTTAB, FSTAB, MDADM = "/etc/crypttab", "/etc/fstab", "/etc/mdadm/mdadm.conf"
KEY_FOLDER = "/etc/landfall/storage"
EVENT_PROGRAM = "/usr/local/lib/landfall/storage-watch"

DISPLACED = ("mdcheck_start.timer", "mdcheck_continue.timer")
"""The distribution's own scrubs, of all arrays at a time of its own; ours takes their place."""

UUID_DIGITS = 32

WORKQUEUES = ("no-read-workqueue", "no-write-workqueue")
"""crypttab(5): requests are encrypted in the caller's context; Linux 5.9 or newer."""


def crypttab_line(spec: Spec, luks: str) -> str:
    """How the array is opened at boot: never asking anybody, never stopping the boot."""
    options = ["luks", "nofail", f"x-systemd.device-timeout={DEVICE_TIMEOUT_S}"]
    key = "none"
    if spec.unlock == "tpm2":
        options += ["tpm2-device=auto", "headless=true"]
    elif spec.unlock == "tang":
        options += ["_netdev"]  # clevis answers what would be asked: headless would forbid it
    else:
        key = f"{KEY_FOLDER}/{spec.name}.key"
        options += ["headless=true"]
    if spec.workqueues == "bypass":
        options += WORKQUEUES
    return f"{spec.name} UUID={luks} {key} {','.join(options)}"


def fstab_line(spec: Spec) -> str:
    """How the file system is mounted: the boot goes on without it."""
    options = [*spec.mount_options, "nofail", f"x-systemd.device-timeout={DEVICE_TIMEOUT_S}"]
    if spec.unlock == "tang":
        options.append("_netdev")
    return f"{spec.mapped} {spec.mount} xfs {','.join(options)} 0 0"


def late(spec: Spec, luks: str) -> str:
    """Rules of udev that open and mount the array however late its disks or its key come.

    Once its device-timeout has passed, systemd does not try again by itself.
    """
    return (
        "# Opened when its disks are there, mounted when it is open, however late that is.\n"
        f'ACTION!="remove", SUBSYSTEM=="block", ENV{{ID_FS_UUID}}=="{luks}", TAG+="systemd", '
        f'ENV{{SYSTEMD_WANTS}}+="systemd-cryptsetup@{spec.name}.service"\n'
        f'ACTION!="remove", SUBSYSTEM=="block", ENV{{DM_NAME}}=="{spec.name}", TAG+="systemd", '
        f'ENV{{SYSTEMD_WANTS}}+="{mount_unit(spec.mount)}"\n'
    )


def with_line(text: str, line: str, *, field: int = 0) -> str:
    """`text` with `line` in place of the one that has the same word in column `field`."""
    word = line.split()[field]
    kept, put = [], False
    for each in text.splitlines():
        words = each.split()
        same = len(words) > field and not each.lstrip().startswith("#") and words[field] == word
        if not same:
            kept.append(each)
        elif not put:
            kept.append(line)
            put = True
    if not put:
        kept.append(line)
    return "\n".join(kept) + "\n"


def without_line(text: str, word: str) -> str:
    """`text` without the lines that begin with `word`."""
    kept = [each for each in text.splitlines() if each.split()[:1] != [word]]
    return "\n".join(kept) + "\n" if kept else ""


def mdadm_conf(text: str, spec: Spec, md: str) -> str:
    """mdadm.conf with our array pinned by its UUID, and a program that hears of every event.

    Without a PROGRAM or an address for mail, mdadm's monitor refuses to start.
    """
    kept = []
    for each in text.splitlines():
        words = each.split()
        if words[:1] == ["PROGRAM"] or words[:2] == ["ARRAY", spec.device]:
            continue
        kept.append(each)
    kept.append(f"PROGRAM {EVENT_PROGRAM}")
    kept.append(f"ARRAY {spec.device} metadata=1.2 UUID={colons(md)}")
    return "\n".join(kept) + "\n"


def colons(uuid: str) -> str:
    """A UUID as mdadm writes it: four groups of eight digits."""
    plain = uuid.replace("-", "")
    return ":".join(plain[start : start + 8] for start in range(0, 32, 8))


def dashes(uuid: str) -> str:
    """A UUID as everybody else writes it, from mdadm's."""
    plain = uuid.replace(":", "").replace("-", "").lower()
    parts = (plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:])
    return "-".join(parts) if len(plain) == UUID_DIGITS else uuid


def mounting(spec: Spec) -> tuple[str, ...]:
    """The files that mount it."""
    return (FSTAB, rules(spec))


def places(spec: Spec) -> tuple[str, ...]:
    """Every file that says how the array is found, opened and mounted: what a plan compares."""
    return (MDADM, CRYPTTAB, *mounting(spec))


def rules(spec: Spec) -> str:
    """Where the rules of udev stand."""
    return f"/etc/udev/rules.d/99-landfall-{spec.name}.rules"


def wanted_files(
    spec: Spec, journal: Journal, present: dict[str, str], rendered: dict[str, str]
) -> dict[str, str]:
    """Every file as it shall be, by path."""
    files = {
        MDADM: mdadm_conf(present.get(MDADM, ""), spec, journal.md),
        CRYPTTAB: with_line(present.get(CRYPTTAB, ""), crypttab_line(spec, journal.luks)),
        FSTAB: with_line(present.get(FSTAB, ""), fstab_line(spec)),
        rules(spec): late(spec, journal.luks),
    }
    return {**files, **rendered}


def mount_unit(path: str) -> str:
    """The name of the unit that mounts `path`; systemd-escape --path --suffix=mount."""
    plain = path.strip("/")
    escaped = []
    for index, letter in enumerate(plain):
        if letter == "/":
            escaped.append("-")
        elif (letter.isascii() and letter.isalnum()) or letter in ":_" or (letter == "." and index):
            escaped.append(letter)
        else:
            escaped.append("".join(f"\\x{byte:02x}" for byte in letter.encode()))
    return "".join(escaped) + ".mount"
