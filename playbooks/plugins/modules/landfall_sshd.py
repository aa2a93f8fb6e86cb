#!/usr/bin/python
"""Change how a host is logged in to, in a way that the host takes back by itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: landfall_sshd
short_description: Change how a host is logged in to, in a way that the host takes back by itself
description:
  - C(tried) arms a timer that puts the previous file back, writes the new one and reloads sshd.
  - C(kept) stops the timer; whoever calls it has come in by a new connection.
  - C(undone) puts the previous file back, if the timer has not, and fails.
  - The whole configuration is checked by sshd before it is reloaded. Connections live on.
    Supports check mode and diff.
options:
  path:
    description: A file that sshd includes.
    type: path
    required: true
  content:
    description: Its text.
    type: str
    required: true
  state:
    description: What to do.
    type: str
    choices: [tried, kept, undone]
    required: true
  guard_s:
    description: Seconds after which the host puts the previous file back.
    type: int
    default: 60
"""

RUN = Path("/run/landfall-sshd")
GUARD = "landfall-sshd-guard"
UNDO = """
[ -e {saved} ] || exit 0
if [ -s {saved} ]; then cp {saved} {path}; else rm -f {path}; fi
rm -f {saved}
systemctl reload ssh.service
"""


class Dropin:
    """One file of sshd's, as it is wanted and as it is."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path = Path(module.params["path"])
        self.content: str = module.params["content"]
        self.saved = RUN / f"{self.path.name}.saved"

    def run(self, *argv: str, check: bool = True) -> None:
        """Run a program; the module fails where it fails."""
        code, out, error = self.module.run_command(list(argv))
        if check and code != 0:
            self.module.fail_json(msg=f"{' '.join(argv)}: {error.strip() or out.strip()}")

    def differs(self) -> bool:
        """Whether the text is another one, or has not been confirmed since it was written."""
        return _read(self.path) != self.content or self.saved.exists()

    def attempt(self) -> None:
        """Arm the timer, write the file and reload sshd."""
        self.undo()
        _write(self.saved, _read(self.path), mode=0o600)
        script = UNDO.format(saved=self.saved, path=self.path)
        words = ["--quiet", "--collect", f"--unit={GUARD}", "--timer-property=AccuracySec=1s"]
        delay = f"--on-active={self.module.params['guard_s']}"
        self.run("systemd-run", *words, delay, "/bin/sh", "-ec", script)
        _write(self.path, self.content, mode=0o644)
        code, _, error = self.module.run_command(["/usr/sbin/sshd", "-t"])
        if code != 0:
            self.undo()
            self.module.fail_json(msg=f"sshd refuses {self.path}: {error.strip()}")
        self.run("systemctl", "reload", "ssh.service")

    def undo(self) -> None:
        """Put back what an attempt replaced that nobody has confirmed."""
        self.run("systemctl", "stop", f"{GUARD}.timer", f"{GUARD}.service", check=False)
        self.run("/bin/sh", "-ec", UNDO.format(saved=self.saved, path=self.path))

    def keep(self) -> None:
        """Stop the timer."""
        if not self.saved.exists():
            self.explain()
        self.run("systemctl", "stop", f"{GUARD}.timer", f"{GUARD}.service", check=False)
        self.saved.unlink(missing_ok=True)

    def explain(self) -> None:
        """Fail: nobody could come in."""
        self.undo()
        self.module.fail_json(
            msg=f"with {self.path} the controller could not log in again, so the host put the "
            "previous file back"
        )


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _write(path: Path, text: str, *, mode: int) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("w") as handle:
        os.fchmod(handle.fileno(), mode)
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(path)


def main() -> None:
    """What Ansible runs."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "required": True},
            "state": {"choices": ["tried", "kept", "undone"], "required": True},
            "guard_s": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    dropin, state = Dropin(module), module.params["state"]
    result: dict[str, Any] = {"changed": state == "tried" and dropin.differs()}
    if result["changed"]:
        result["diff"] = {"before": _read(dropin.path), "after": dropin.content}
        result["diff"] |= {f"{side}_header": str(dropin.path) for side in ("before", "after")}
    if not module.check_mode:
        RUN.mkdir(mode=0o700, exist_ok=True)
        if state == "tried" and result["changed"]:
            dropin.attempt()
        elif state != "tried":
            {"kept": dropin.keep, "undone": dropin.explain}[state]()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
