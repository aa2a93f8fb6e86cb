"""Carries a plan out: one step after another, each noted before and after.

It stops at the first that fails, and says what is done and what is left.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import config, escrow, journal
from .facts import Journal
from .gather import Run
from .journal import FOLDER, MEMORY
from .plan import Step
from .spec import Spec

KEY_BYTES = 32
GROUP = 8
"""The recovery key is written in groups of this many digits, so that it can be read out loud."""

SETTLE = ("udevadm", "settle", "--timeout=60")


class Failed(Exception):
    """A step failed; the message says which, why, what is done and what is left."""


@dataclass(slots=True, kw_only=True)
class Work:
    """What a run needs to know and keeps: the doors out of it, and the journal as it grows."""

    spec: Spec
    run: Run
    journal: Journal
    certificate: str
    folder: str = FOLDER
    memory: str = MEMORY
    root: str = "/"

    def place(self, path: str) -> Path:
        """A file of the host, by its path there."""
        return Path(self.root, path.lstrip("/"))

    @property
    def key_file(self) -> Path:
        """Where the recovery key is while it is needed."""
        return Path(self.memory, f"{self.spec.name}.key")

    def note(self, changed: Journal) -> None:
        """Write the journal, on the disk before anything else happens."""
        self.journal = changed
        journal.write(self.spec.name, changed, self.folder)

    def call(self, argv: Sequence[str]) -> str:
        """Run a program to its end.

        Raises:
            Failed: it ended with an error; the message quotes it.
        """
        code, out, error = self.run(argv)
        if code != 0:
            said = (error.strip() or out.strip()) or f"code {code}"
            raise Failed(f"{' '.join(argv)}: {said}")
        return out


def carry_out(work: Work, steps: Sequence[Step]) -> list[Step]:
    """Do every step; the steps that were done.

    Raises:
        Failed: one failed; those after it were not begun.
    """
    done: list[Step] = []
    for index, step in enumerate(steps):
        try:
            _do(work, step)
        except (Failed, OSError) as error:
            left = ", ".join(each.name for each in steps[index:])
            were = ", ".join(each.name for each in done) or "nothing"
            raise Failed(
                f"{step.name}: {error}\ndone: {were}\nleft: {left}\n"
                "Run the playbook again when the cause is gone: it goes on from here."
            ) from error
        done.append(step)
    return done


def _do(work: Work, step: Step) -> None:
    if step.begins:
        work.note(journal.begin(work.journal, step.begins))
    for path, text in step.files.items():
        target = work.place(path)
        mode = target.stat().st_mode & 0o7777 if target.exists() else _mode(path)
        journal.replace_file(target, text, mode=mode)
    if step.special:
        SPECIAL[step.special](work)
    for command in step.commands:
        work.call(_filled(work, command))
    if step.commands:
        work.run(SETTLE)
    if step.ends:
        work.note(journal.finish(work.journal, step.ends))


def _mode(path: str) -> int:
    return 0o755 if path.startswith("/usr/local/") else 0o644


def _filled(work: Work, command: Sequence[str]) -> list[str]:
    """A command with the UUIDs and the files in memory put in; no secret becomes an argument."""
    values = {
        "{md}": work.journal.md,
        "{luks}": work.journal.luks,
        "{filesystem}": work.journal.filesystem,
        "{key}": str(work.key_file),
    }
    words = [_token(work, word) if "{token:" in word else word for word in command]
    for placeholder, value in values.items():
        words = [word.replace(placeholder, value) for word in words]
    return words


def _token(work: Work, word: str) -> str:
    """A file with a token that says which key slot is what; cryptsetup reads no token otherwise."""
    option, _, rest = word.partition("{token:")
    kind, _, slot = rest.rstrip("}").partition(":")
    path = Path(work.memory, f"{work.spec.name}.token")
    text = json.dumps({"type": kind, "keyslots": [slot]})
    _into_memory(path, text.encode())
    return f"{option}{path}"


def recovery_key() -> str:
    """A new recovery key: 256 random bits in hexadecimal, in groups that can be read out."""
    digits = secrets.token_hex(KEY_BYTES)
    return "-".join(digits[at : at + GROUP] for at in range(0, len(digits), GROUP))


def _into_memory(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    journal.replace_file(path, content, mode=0o400)


def _draw(work: Work) -> None:
    _into_memory(work.key_file, recovery_key().encode())


def _key_file(work: Work) -> None:
    path = work.place(f"{config.KEY_FOLDER}/{work.spec.name}.key")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    journal.replace_file(path, secrets.token_bytes(KEY_BYTES), mode=0o400)


def forget(work: Work) -> None:
    """Remove the recovery key, and all else that was in memory for a while."""
    if Path(work.memory).exists():
        shutil.rmtree(work.memory)


def _escrow(work: Work) -> None:
    _keep(work, recovery=True)


def _header(work: Work) -> None:
    _keep(work, recovery=False)


def _keep(work: Work, *, recovery: bool) -> None:
    """Encrypt header, and recovery key where it is known, and note their digests."""
    made = escrow.seal(
        work.call,
        work.spec,
        work.journal,
        certificate=work.certificate,
        key_file=work.key_file if recovery else None,
        folder=Path(work.folder, "escrow"),
        memory=Path(work.memory),
    )
    work.note(replace(work.journal, digests=made.digests, epoch=made.epoch))


def _forget_journal(work: Work) -> None:
    journal.path(work.spec.name, work.folder).unlink(missing_ok=True)


def _members(work: Work) -> None:
    # The manifest in escrow names the disks: the next backup writes it anew.
    members, spares = work.spec.members, work.spec.spares
    work.note(replace(work.journal, members=members, spares=spares, epoch=0))


SPECIAL: Mapping[str, Callable[[Work], None]] = {
    "recovery_key": _draw,
    "key_file": _key_file,
    "forget_key": forget,
    "escrow": _escrow,
    "header": _header,
    "forget_journal": _forget_journal,
    "members": _members,
}
