"""A host that exists in memory: enough of disks, md, LUKS and systemd to cut its power anywhere."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from playbooks.plugins.module_utils.landfall_storage import config, journal, plan, run
from playbooks.plugins.module_utils.landfall_storage.facts import (
    Facts,
    Filesystem,
    Journal,
    Luks,
    Token,
)
from tests.playbooks.storage import given

UNITS = ("landfall-storage-watch.timer",)
HALF, AFTER, BEFORE = "half", "after", "before"


class PowerCut(BaseException):
    """Nothing catches this, as nothing survives a power cut."""


class Lost(AssertionError):
    """Data was overwritten."""


@dataclass
class Host:
    """Its disks and what the kernel knows; `cut` is the number of the event at which power goes."""

    root: Path
    cut: int = -1
    how: str = BEFORE
    events: int = 0
    supers: dict[str, str] = field(default_factory=dict)
    md: str = ""
    luks: Luks | None = None
    filesystem: str = ""
    mapping: str = ""
    mounted: bool = False
    data: bool = False
    units: dict[str, str] = field(default_factory=dict)
    controller: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.root / "var"

    @property
    def memory(self) -> Path:
        return self.root / "run"

    def facts(self) -> Facts:
        """What `gather` would find."""
        disks = tuple(
            replace(
                each,
                md_uuid=self.supers.get(each.path, ""),
                in_use=("mounted at /srv/data (dm-0)",) if self.mounted else (),
            )
            for each in (given.disk(number) for number in range(1, 6))
        )
        opened = Filesystem(
            kind="xfs" if self.filesystem else "",
            uuid=self.filesystem,
            mounted_at="/srv/data" if self.mounted else "",
            options=("noatime",) if self.mounted else (),
        )
        members = {path.removeprefix("/dev/"): "in_sync" for path in self.supers}
        found = given.array(uuid=self.md, members=members)
        texts = {path: self.root / path.lstrip("/") for path in config.places(given.spec())}
        return given.facts(
            disks=disks,
            arrays=(found,) if self.md else (),
            luks=self.luks if self.md else None,
            mapping=self.mapping,
            filesystem=opened if self.mapping and self.filesystem else None,
            journal=journal.read("data", str(self.folder)),
            key_in_memory=(self.memory / "data.key").exists(),
            files={path: each.read_text() for path, each in texts.items() if each.exists()},
            units=self.units,
        )

    def lose_power(self) -> None:
        """What is gone, and what udev makes of the rest at the next boot."""
        shutil.rmtree(self.memory, ignore_errors=True)
        self.mapping, self.mounted = "", False
        whole = len(set(self.supers.values())) == 1 and len(self.supers) >= 4
        self.md = next(iter(self.supers.values())) if whole else ""
        crypttab = self.root / config.CRYPTTAB.lstrip("/")
        if self.md and self.luks and crypttab.exists() and self.luks.uuid in crypttab.read_text():
            self.mapping = self.luks.uuid if self.opens() else ""
        fstab = self.root / config.FSTAB.lstrip("/")
        if self.mapping and self.filesystem and fstab.exists():
            self.mounted = self.data = True  # something may write to it
        self.cut, self.events = -1, 0

    def opens(self) -> bool:
        """Whether the TPM has a slot."""
        return self.luks is not None and any(t.kind == "systemd-tpm2" for t in self.luks.tokens)

    def event(self) -> str:
        """Count; what happens to this event."""
        self.events += 1
        return self.how if self.events == self.cut else ""

    def call(self, argv: Sequence[str]) -> tuple[int, str, str]:
        """Do what a program would do; or half of it, or nothing, when the power goes."""
        fate = self.event()
        if fate == BEFORE:
            raise PowerCut
        out = self.do(list(argv), half=fate == HALF)
        if fate:
            raise PowerCut
        return 0, out, ""

    def do(self, argv: list[str], *, half: bool) -> str:  # noqa: C901, PLR0912  a table of programs
        words = " ".join(argv)
        options = dict(word.lstrip("-").split("=", 1) for word in argv if "=" in word)
        match argv[:2]:
            case ["mdadm", "--create"]:
                self.create(argv, options["uuid"], half=half)
            case ["mdadm", "--zero-superblock"]:
                self.overwrite()
                self.supers.pop(argv[2], None)
            case ["mdadm", "--stop"]:
                self.md = ""
            case ["cryptsetup", "luksFormat"]:
                self.overwrite()
                self.luks = None if half else given.header(uuid=options["uuid"], epoch=1, tokens=())
                self.filesystem = ""
            case ["cryptsetup", "token"]:
                self.token("landfall-recovery", "0")
            case ["cryptsetup", "luksHeaderBackup"]:
                Path(options["header-backup-file"]).write_text("header")
            case ["cryptsetup", "luksDump"]:
                return f"Epoch: {self.luks.epoch if self.luks else 0}\n"
            case ["cryptsetup", "close"]:
                assert not self.mounted
                self.mapping = ""
            case ["systemd-cryptenroll", _]:
                assert (self.memory / "data.key").exists()
                self.token("systemd-tpm2", "1")
            case ["openssl", "cms"]:
                Path(argv[argv.index("-out") + 1]).write_text(words)
            case ["mkfs.xfs", _]:
                self.overwrite()
                uuid = next(word for word in argv if word.startswith("uuid=")).partition("=")[2]
                self.filesystem = "" if half else uuid
            case ["systemctl", _]:
                self.systemctl(argv)
            case ["udevadm", _] | ["mdadm", "--assemble"]:
                pass
            case _:
                raise AssertionError(f"unknown: {words}")
        return ""

    def overwrite(self) -> None:
        if self.data:
            raise Lost

    def create(self, argv: list[str], uuid: str, *, half: bool) -> None:
        self.overwrite()
        paths = [word for word in argv if word.startswith("/dev/nvme")]
        for path in paths[: 2 if half else None]:
            self.supers[path] = uuid
        self.md = "" if half else uuid
        self.luks, self.filesystem = None, ""

    def token(self, kind: str, slot: str) -> None:
        assert self.luks is not None
        added = Token(kind=kind, slots=(slot,), pcrs=(7,) if kind == "systemd-tpm2" else ())
        kept = [each for each in self.luks.tokens if each.kind != kind]
        self.luks = replace(self.luks, tokens=(*kept, added), epoch=self.luks.epoch + 1)

    def systemctl(self, argv: list[str]) -> None:
        match argv[1:]:
            case ["restart" | "start", "systemd-cryptsetup@data.service"]:
                assert self.opens()
                assert self.luks is not None
                self.mapping = self.luks.uuid
            case ["start", "srv-data.mount"]:
                assert self.mapping
                assert self.filesystem
                self.mounted = self.data = True
            case ["restart", *units]:
                self.units |= dict.fromkeys(units, "enabled active")
            case _:
                pass

    def attempt(self) -> None:
        """What the role does: make, hand over to the controller, use."""
        self.phase(plan.MAKE)
        found = journal.read("data", str(self.folder))
        assert found is not None
        self.controller = dict(found.digests)
        self.phase(plan.USE)

    def planned(self) -> plan.Plan:
        wanted = given.spec()
        fresh = journal.fresh(wanted.members, wanted.spares)
        return plan.plan(wanted, self.facts(), fresh=fresh, rendered={}, units=UNITS)

    def phase(self, name: str) -> None:
        found = self.planned()
        assert found.problems == ()
        assert found.journal is not None
        work = Noting(
            spec=given.spec(),
            run=self.call,
            journal=found.journal,
            certificate="public",
            folder=str(self.folder),
            memory=str(self.memory),
            root=str(self.root),
        )
        work.host = self
        if name == plan.USE:
            assert found.of(plan.MAKE) == ()
            assert dict(found.journal.digests) == self.controller
            current = found.journal
            if not current.has("verified"):
                current = journal.finish(current, "verified")
            if current != journal.read("data", str(self.folder)):
                work.note(current)
        run.carry_out(work, found.of(name))


class Noting(run.Work):
    """Work whose every note can be the moment at which the power goes."""

    host: Host

    def note(self, changed: Journal) -> None:
        fate = self.host.event()
        if fate == BEFORE:
            raise PowerCut
        super().note(changed)
        if fate:
            raise PowerCut
