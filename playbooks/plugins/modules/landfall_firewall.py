#!/usr/bin/python
"""Try a ruleset on a host that takes it back by itself, then keep it."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: landfall_firewall
short_description: Try a ruleset on a host that takes it back by itself, then keep it
description:
  - C(compared) tells whether the ruleset is the one that is kept in the file and loaded.
  - C(tried) arms a timer that puts the previous ruleset back, then loads the new one.
  - C(kept) stops the timer, writes the file and starts the unit that loads it at boot.
    Whoever calls it has come in by a new connection.
  - C(undone) puts the previous ruleset back, if the timer has not, and fails saying why.
  - Only the table C(inet landfall) is touched. Supports check mode and diff.
options:
  ruleset:
    description: The text for nft, which replaces the table as one transaction.
    type: str
    required: true
  state:
    description: What to do.
    type: str
    choices: [compared, tried, kept, undone]
    required: true
  path:
    description: Where the ruleset that is loaded at boot is kept.
    type: path
    default: /etc/landfall/firewall.nft
  guard_s:
    description: Seconds after which the host puts the previous ruleset back.
    type: int
    default: 60
"""

TABLE = ("inet", "landfall")
RUN = Path("/run/landfall-firewall")
CANDIDATE, PREVIOUS = RUN / "candidate.nft", RUN / "previous.nft"
LOADED, TRIED, UNDONE = RUN / "loaded", RUN / "tried", RUN / "undone"
GUARD = "landfall-firewall-guard"
UNIT = "landfall-firewall.service"

EMPTY = "table inet landfall\ndelete table inet landfall\n"

WATCH = """
table inet landfall_watch
delete table inet landfall_watch
table inet landfall_watch {
    chain input { type filter hook input priority filter; policy accept; ct state invalid; }
    chain output { type filter hook output priority filter; policy accept; ct state invalid; }
}
"""
"""Has the kernel follow connections before the first ruleset drops anything.

A connection that it does not know yet looks new, and this one's next packet is an answer.
"""

UNDO = f"""
[ -e {PREVIOUS} ] || exit 0
nft list counters table inet landfall > {UNDONE}.part || true
nft -f {PREVIOUS}
mv {UNDONE}.part {UNDONE}
"""
"""What the timer runs: it remembers what the ruleset had dropped, and puts the previous back."""


class Firewall:
    """The ruleset that is wanted, and the host's."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.ruleset: str = module.params["ruleset"]
        self.path = Path(module.params["path"])
        self.nft: str = module.get_bin_path("nft") or ""

    def run(self, *argv: str, check: bool = True, stdin: str = "") -> str:
        """The output of a program; the module fails where it fails."""
        code, out, error = self.module.run_command(list(argv), data=stdin or None)
        if check and code != 0:
            self.module.fail_json(msg=f"{' '.join(argv)}: {error.strip() or out.strip()}")
        return str(out) if code == 0 else ""

    def loaded(self) -> str:
        """The table as it is loaded, without the numbers of its counters."""
        return self.run(self.nft, "-s", "list", "table", *TABLE, check=False) if self.nft else ""

    def compare(self) -> str:
        """How the host differs from what is wanted; "" where it does not."""
        if self.nft:
            self.run(self.nft, "--check", "--file", "-", stdin=self.ruleset)
        if _read(self.path) != self.ruleset:
            return "another ruleset is kept"
        loaded = self.loaded()
        if not loaded:
            return "no ruleset is loaded"
        return "" if loaded == _read(LOADED) else "what is loaded was changed by others"

    def watch(self) -> None:
        """Have connections followed, where nothing does so yet."""
        if not self.loaded():
            self.run(self.nft, "--file", "-", stdin=WATCH)

    def attempt(self) -> None:
        """Arm the timer and load the ruleset."""
        self.undo()
        UNDONE.unlink(missing_ok=True)
        before = self.run(self.nft, "list", "table", *TABLE, check=False)
        _write(CANDIDATE, self.ruleset)
        _write(PREVIOUS, EMPTY + before)
        delay = f"--on-active={self.module.params['guard_s']}"
        words = ["--quiet", "--collect", f"--unit={GUARD}", "--timer-property=AccuracySec=1s"]
        self.run("systemd-run", *words, delay, "/bin/sh", "-ec", UNDO)
        code, _, error = self.module.run_command([self.nft, "--file", str(CANDIDATE)])
        if code != 0:
            self.undo()
            self.module.fail_json(msg=f"the kernel refuses the ruleset: {error.strip()}")
        self.run(self.nft, "delete", "table", "inet", "landfall_watch", check=False)
        _write(TRIED, self.loaded())

    def undo(self) -> None:
        """Put back what an attempt replaced that nobody has confirmed."""
        self._disarm()
        if PREVIOUS.exists() and not UNDONE.exists():
            self.run("/bin/sh", "-ec", UNDO)
        PREVIOUS.unlink(missing_ok=True)

    def keep(self) -> None:
        """Stop the timer and write the file that is loaded at boot."""
        self._disarm()
        if UNDONE.exists() or self.loaded() != _read(TRIED):
            self.explain()
        PREVIOUS.unlink(missing_ok=True)
        self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _write(self.path, self.ruleset)
        _write(LOADED, self.loaded())
        for each in (CANDIDATE, TRIED):
            each.unlink(missing_ok=True)
        self.run("systemctl", "daemon-reload")
        self.run("systemctl", "start", UNIT)

    def explain(self) -> None:
        """Fail, saying which ruleset was taken back and what it had dropped."""
        self.undo()
        dropped = ", ".join(_dropped(_read(UNDONE))) or "nothing that it counted"
        self.module.fail_json(
            msg=f"the ruleset {digest(self.ruleset)} did not let the controller in again, so the "
            f"host put the previous one back. It had dropped: {dropped}. It is left in "
            f"{CANDIDATE}; compare it with site.flows."
        )

    def _disarm(self) -> None:
        self.run("systemctl", "stop", f"{GUARD}.timer", f"{GUARD}.service", check=False)


def digest(ruleset: str) -> str:
    """A short name for a ruleset."""
    return sha256(ruleset.encode()).hexdigest()[:12]


def _dropped(listing: str) -> list[str]:
    """The counters of nft's listing that drop and have counted something."""
    words = listing.split()
    return [
        f"{words[index + 1]} {words[index + 4]}"
        for index, word in enumerate(words[:-4])
        if word == "counter"
        and words[index + 1].startswith(("dropped_", "invalid", "spoofed", "confined", "ipv6"))
        and words[index + 4] != "0"
    ]


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("w") as handle:
        os.fchmod(handle.fileno(), 0o600)
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(path)


def main() -> None:
    """What Ansible runs."""
    module = AnsibleModule(
        argument_spec={
            "ruleset": {"type": "str", "required": True},
            "state": {"choices": ["compared", "tried", "kept", "undone"], "required": True},
            "path": {"type": "path", "default": "/etc/landfall/firewall.nft"},
            "guard_s": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    firewall, state = Firewall(module), module.params["state"]
    if not firewall.nft and not module.check_mode:
        module.fail_json(msg="there is no nft on this host")
    RUN.mkdir(mode=0o700, exist_ok=True) if not module.check_mode else None
    difference = firewall.compare() if state in ("compared", "tried") else ""
    result: dict[str, Any] = {"changed": False, "difference": difference}
    if state == "tried" and difference:
        result["diff"] = {"before": _read(firewall.path), "after": firewall.ruleset}
        result["diff"] |= {f"{side}_header": str(firewall.path) for side in ("before", "after")}
        result["changed"] = True
    if not module.check_mode:
        act = {"compared": firewall.watch, "kept": firewall.keep, "undone": firewall.explain}
        if state == "tried":
            firewall.attempt() if difference else None
        elif state != "compared" or difference:
            act[state]()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
