"""What would be done to bring a host's array about: a pure function of spec and facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from . import config, journal, refuse
from .facts import RUNNING, Facts, Journal, Md
from .spec import Spec
from .unlock import enrolment, kdf

MAKE, USE = "make", "use"
"""Before and after the controller has verified that it holds the recovery key and the header."""

DATA_COPIES = 2
"""md's near-2 layout: each chunk lies on two disks, so half of them are one stripe's width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a plan. It is done whole or it can be begun again.

    Attributes:
        name: imperative, the same in check mode as in the run.
        change: what is different afterwards, in words.
        phase: MAKE or USE.
        commands: argument lists, run in their order. No secret is in them.
        files: texts to write, by path.
        special: what is not a command: recovery_key, escrow, forget_key, key_file.
        begins, ends: the entry of the journal that the step makes before and after.
    """

    name: str
    change: str
    phase: str
    commands: tuple[tuple[str, ...], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    special: str = ""
    begins: str = ""
    ends: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Why nothing may be done, or what would be. Notes are for the reader and block nothing."""

    problems: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    journal: Journal | None = None

    def of(self, phase: str) -> tuple[Step, ...]:
        """The steps of one phase."""
        return tuple(each for each in self.steps if each.phase == phase)


def plan(
    spec: Spec,
    facts: Facts,
    *,
    fresh: Journal,
    rendered: Mapping[str, str],
    units: tuple[str, ...] = (),
) -> Plan:
    """The plan for one host.

    `fresh` is the journal of an array to be made, with new UUIDs; `rendered` are the texts of
    further files by path, and `units` what is enabled and started at the end.
    """
    problems = tuple(refuse.problems(spec, facts))
    if problems:
        return Plan(
            problems=problems, notes=tuple(refuse.notes(spec, facts)), journal=facts.journal
        )
    current = facts.journal or fresh
    if refuse.filled(facts):
        current = journal.finish(current, "fill")
    steps = (
        *(_assemble(spec, facts, current) if current.complete else _make(spec, facts, current)),
        *_use(spec, facts, current, rendered, units),
    )
    return Plan(steps=steps, notes=tuple(refuse.notes(spec, facts)), journal=current)


def _make(spec: Spec, facts: Facts, current: Journal) -> Iterator[Step]:
    """From empty disks, or from wherever an interrupted run stopped, to an opened container."""
    array = facts.array(current.md)
    there = array is not None and array.active and len(array.members) == len(spec.serials)
    created = there and current.has("create")
    luks = facts.luks
    same = luks is not None and luks.uuid == current.luks
    # A key that was lost with the power before it was in escrow opens nothing: begin again.
    known = facts.key_in_memory or current.has("escrow")
    encrypted = created and same and known and current.has("encrypt")
    enrolled = encrypted and current.has("enrol")
    if not created:
        yield _create(spec, facts, array)
    if not encrypted:
        yield from _encrypt(spec, close=created and bool(facts.mapping))
    if not enrolled:
        yield _enrol(spec)
    if not (enrolled and current.has("escrow")):
        yield _escrow()


def _create(spec: Spec, facts: Facts, half_made: Md | None) -> Step:
    disks = [facts.disk(serial) for serial in spec.serials]
    paths = [disk.path for disk in disks if disk is not None]
    before: list[tuple[str, ...]] = []
    if facts.mapping:
        before.append(("cryptsetup", "close", spec.name))
    if half_made is not None:
        before.append(("mdadm", "--stop", half_made.path))
    begun = [disk.path for disk in disks if disk is not None and disk.md_uuid]
    before += [("mdadm", "--zero-superblock", path) for path in begun]
    spares = ("--spare-devices", str(len(spec.spares))) if spec.spares else ()
    create = (
        *("mdadm", "--create", spec.device, "--run", "--level=10", "--metadata=1.2"),
        *(f"--raid-devices={len(spec.members)}", *spares, f"--chunk={spec.chunk_kib}K"),
        *(f"--bitmap={spec.bitmap}", "--homehost=any", f"--name={spec.name}", "--uuid={md}"),
        *paths,
    )
    listed = ", ".join(spec.members) + (f"; spare {', '.join(spec.spares)}" if spec.spares else "")
    return Step(
        name="Create the array",
        change=f"{spec.device}: RAID 10 of {listed}; chunk {spec.chunk_kib} KiB, "
        f"bitmap {spec.bitmap}" + ("; made anew after an interruption" if begun else ""),
        phase=MAKE,
        commands=(*before, create),
        begins="create",
        ends="create",
    )


def _encrypt(spec: Spec, *, close: bool) -> Iterator[Step]:
    yield Step(
        name="Draw the recovery key",
        change="256 random bits, in memory alone",
        phase=MAKE,
        special="recovery_key",
    )
    yield Step(
        name="Encrypt the array",
        change=f"{spec.device}: LUKS2, AES-256 in XTS, sectors of {spec.sector_bytes} bytes; "
        "key slot 0 is the recovery key",
        phase=MAKE,
        commands=(
            *([("cryptsetup", "close", spec.name)] if close else []),
            (
                *("cryptsetup", "luksFormat", "--batch-mode", "--type=luks2"),
                *("--cipher=aes-xts-plain64", "--key-size=512", "--hash=sha512"),
                *(f"--sector-size={spec.sector_bytes}", "--uuid={luks}", f"--label={spec.name}"),
                *(*kdf(spec), "--key-file={key}", spec.device),
            ),
            (
                *("cryptsetup", "token", "import", "--json-file={token:landfall-recovery:0}"),
                spec.device,
            ),
        ),
        begins="encrypt",
        ends="encrypt",
    )


def _enrol(spec: Spec) -> Step:
    what = {
        "tpm2": f"the machine's TPM opens it while PCR {'+'.join(map(str, spec.pcrs))} are as now",
        "tang": f"{', '.join(each.url for each in spec.tang)} opens it, known by its thumbprint",
        "key_file": f"{config.KEY_FOLDER}/{spec.name}.key opens it",
    }[spec.unlock]
    return Step(
        name="Let the array be opened at boot",
        change=what,
        phase=MAKE,
        commands=enrolment(spec),
        special="key_file" if spec.unlock == "key_file" else "",
        begins="enrol",
        ends="enrol",
    )


def _escrow() -> Step:
    return Step(
        name="Back up the header and the recovery key",
        change="both encrypted to the site's escrow certificate; the controller fetches them",
        phase=MAKE,
        special="escrow",
        begins="escrow",
        ends="escrow",
    )


def _assemble(spec: Spec, facts: Facts, current: Journal) -> Iterator[Step]:
    """An array with data: start it if it does not run, and keep its particulars as declared."""
    array = facts.array(current.md)
    if array is None or not array.active:
        stop = (("mdadm", "--stop", array.path),) if array is not None else ()
        paths = [d.path for d in map(facts.disk, spec.serials) if d and d.md_uuid == current.md]
        yield Step(
            name="Assemble the array",
            change=f"{spec.device} from {len(paths)} disks that carry {current.md}",
            phase=MAKE,
            commands=(
                *stop,
                ("mdadm", "--assemble", "--run", spec.device, f"--uuid={current.md}", *paths),
            ),
        )
        if not current.epoch:
            yield _header("nothing is known of the last backup")
        return
    if array.bitmap != spec.bitmap:
        yield Step(
            name="Change the bitmap",
            change=f"{spec.device}: {array.bitmap} becomes {spec.bitmap}",
            phase=MAKE,
            commands=(("mdadm", "--grow", array.path, f"--bitmap={spec.bitmap}"),),
        )
    known = {*current.members, *current.spares}
    found = {serial: facts.disk(serial) for serial in spec.spares if serial not in known}
    added = {serial: disk for serial, disk in found.items() if disk is not None and disk.empty}
    for serial, disk in added.items():
        yield Step(
            name=f"Add the spare {serial}",
            change=f"{spec.device}: {serial} waits to replace a disk",
            phase=MAKE,
            commands=(("mdadm", "--manage", array.path, "--add-spare", disk.path),),
            special="members",
        )
    if added:
        yield _header("the manifest names the disks")
    elif facts.luks is not None and facts.luks.epoch != current.epoch:
        yield _header("it has changed since the last backup")


def _header(why: str) -> Step:
    return Step(
        name="Back up the header",
        change=f"{why}; encrypted to the escrow certificate",
        phase=MAKE,
        special="header",
    )


def _use(
    spec: Spec,
    facts: Facts,
    current: Journal,
    rendered: Mapping[str, str],
    units: tuple[str, ...],
) -> Iterator[Step]:
    wanted = config.wanted_files(spec, current, dict(facts.files), dict(rendered))
    changed = {path: text for path, text in wanted.items() if facts.files.get(path) != text}
    # How it is mounted is written only when there is something to mount: nothing may be written
    # to a file system that the journal does not know yet.
    late = {path: changed.pop(path) for path in config.mounting(spec) if path in changed}
    if changed:
        yield _write("Write how it is found and opened", changed)
    mounted = facts.filesystem is not None and facts.filesystem.mounted_at == spec.mount
    anew = not current.complete
    if facts.mapping != current.luks or anew:
        yield _open(spec, anew=anew)
    if anew:
        yield _fill(spec)
    if late:
        yield _write("Write how it is mounted", late)
    if not mounted or anew:
        yield Step(
            name="Mount the file system",
            change=f"{spec.mapped} at {spec.mount}",
            phase=USE,
            commands=(("systemctl", "start", config.mount_unit(spec.mount)),),
        )
    elif config.FSTAB in late:
        yield Step(
            name="Mount the file system with other options",
            change=f"{spec.mount}: {','.join(spec.mount_options)}",
            phase=USE,
            commands=(("mount", "-o", f"remount,{','.join(spec.mount_options)}", spec.mount),),
        )
    if facts.key_in_memory or anew:
        yield Step(
            name="Forget the recovery key",
            change="it is in escrow alone",
            phase=USE,
            special="forget_key",
        )
    displaced = tuple(
        name for name in config.DISPLACED if facts.units.get(name, "").startswith("enabled")
    )
    if displaced:
        yield Step(
            name="Leave scrubs to the array's own timer",
            change=f"{', '.join(displaced)} off",
            phase=USE,
            commands=(("systemctl", "disable", "--now", *displaced),),
        )
    off = [name for name in units if facts.units.get(name) not in RUNNING]
    touched = [name for name in units if any(path.endswith(f"/{name}") for path in changed)]
    # mdadm's monitor may run already, started by the array itself: it has not read its file.
    every = anew or config.MDADM in changed
    started = units if every else tuple(dict.fromkeys([*off, *touched]))
    if started:
        yield _start(started)


def _write(name: str, files: Mapping[str, str]) -> Step:
    return Step(
        name=name,
        change=", ".join(sorted(files)),
        phase=USE,
        files=files,
        commands=(("systemctl", "daemon-reload"), ("udevadm", "control", "--reload")),
    )


def _open(spec: Spec, *, anew: bool) -> Step:
    service = f"systemd-cryptsetup@{spec.name}.service"
    helper = (
        ("systemctl", "enable", "--now", "remote-cryptsetup.target", "clevis-luks-askpass.path"),
    )
    return Step(
        name="Open the array",
        change=f"{spec.mapped}, the way it will be opened at boot",
        phase=USE,
        commands=(
            *(helper if spec.unlock == "tang" else ()),
            ("systemctl", "restart" if anew else "start", service),
        ),
    )


def _fill(spec: Spec) -> Step:
    width = len(spec.members) // DATA_COPIES
    return Step(
        name="Make the file system",
        change=f"XFS on {spec.mapped}; stripes of {spec.chunk_kib} KiB over {width} disks",
        phase=USE,
        commands=(
            (
                *("mkfs.xfs", "-f", "-q", "-L", spec.name, "-m", "uuid={filesystem}"),
                *("-d", f"su={spec.chunk_kib}k,sw={width}", spec.mapped),
            ),
        ),
        begins="fill",
        ends="fill",
    )


def _start(units: tuple[str, ...]) -> Step:
    return Step(
        name="Watch the array and scrub it in time",
        change=", ".join(units),
        phase=USE,
        commands=(
            ("systemctl", "enable", *units),
            ("systemctl", "restart", *units),
        ),
    )
