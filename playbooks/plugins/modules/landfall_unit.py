#!/usr/bin/python
"""What a host serves with, as one unit: read it, keep it, put it back."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import json
import os
import re
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: landfall_unit
short_description: What a host serves with, as one unit
description:
  - Driver, kernel, container images, programs, engines and the files that tie them together are
    changed together, validated together and put back together.
  - A unit is kept as one file, which holds no secret.
options:
  state:
    description: >-
      C(read) changes nothing. C(kept) keeps what runs as C(current), and what was kept before as
      C(previous). C(restored) puts back the one that C(which) names.
    type: str
    choices: [read, kept, restored]
    default: read
  which:
    description: Which one is put back.
    type: str
    choices: [current, previous]
    default: current
  wanted:
    description: A digest of what the controller wants, kept with the unit; absent leaves it.
    type: str
  folder:
    description: Where units are kept.
    type: path
    default: /etc/landfall/units
  packages:
    description: Patterns of the packages that belong to the unit.
    type: list
    elements: str
    default: []
author:
  - Landfall
"""

EXAMPLES = r"""
- name: Keep what runs
  landfall_unit:
    state: kept
"""

RETURN = r"""
unit:
  description: What runs, as facts, without the text of files.
  returned: always
  type: dict
current:
  description: The same of what is kept; empty where nothing is.
  returned: always
  type: dict
previous:
  description: The same of what was kept before; empty where nothing was.
  returned: always
  type: dict
reboot:
  description: Whether a package asked for a reboot.
  returned: always
  type: bool
stale:
  description: Services that run from an older file than the one that is there.
  returned: always
  type: list
  elements: str
"""

SERVICES = "/etc/systemd/system"
ENGINES = f"{SERVICES}/landfall-engine-*.service"
GATEWAY = "/etc/nginx/nginx.conf"
GATEWAY_UNIT = f"{SERVICES}/nginx.service.d/landfall.conf"
CONTAINERS = f"{SERVICES}/landfall-container-*.service"
FILES = (GATEWAY, GATEWAY_UNIT, f"{SERVICES}/landfall-gateway-keys.service", ENGINES, CONTAINERS)
"""What ties a unit together. None of these holds a secret."""

LINKS = ("/opt/landfall/current",)
KEY = re.compile(r"--engine \S*/([0-9a-f]{64})\b")
IMAGE = re.compile(r"\S+@sha256:[0-9a-f]{64}")
GPUS = re.compile(r"^GPUs=", re.MULTILINE)
"""In the unit of an engine that holds GPUs."""

REBOOT = "/run/reboot-required"
DRIVER = "/sys/module/nvidia/version"
FIRMWARE = "/sys/class/dmi/id/bios_version"
DRIVER_PACKAGES = ("nvidia-*", "libnvidia-*", "cuda-*", "datacenter-gpu-manager*")


def text_of(path: str) -> str:
    """The content of a small file; "" where it is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as source:
            return source.read()
    except OSError:
        return ""


def read(module: AnsibleModule) -> dict[str, Any]:
    """Everything that runs now, with the text of the files that tie it together."""
    files = {path: text_of(path) for pattern in FILES for path in sorted(glob.glob(pattern))}
    services = "\n".join(text for path, text in files.items() if path.startswith(SERVICES))
    return {
        "kernel": os.uname().release,
        "firmware": text_of(FIRMWARE).strip(),
        "driver": text_of(DRIVER).strip(),
        "packages": packages(module),
        "images": sorted(set(IMAGE.findall(services))),
        "engines": sorted(set(KEY.findall(services))),
        "programs": {path: os.readlink(path) for path in LINKS if os.path.islink(path)},
        "files": files,
    }


def packages(module: AnsibleModule) -> dict[str, str]:
    """The versions of the installed packages that belong to the unit."""
    form = "--showformat=${db:Status-Abbrev} ${Package} ${Version}\n"
    _, out, _ = module.run_command(["dpkg-query", "--show", form])
    rows = [line.split() for line in out.splitlines() if line.startswith("ii ")]
    wanted = (*DRIVER_PACKAGES, *module.params["packages"])
    return {
        name: version
        for _, name, version in rows
        if any(fnmatch.fnmatch(name, each) for each in wanted)
    }


def shown(unit: dict[str, Any]) -> dict[str, Any]:
    """The unit as facts: of each file only its digest."""
    files = unit.get("files", {})
    digests = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}
    return {**unit, "files": digests} if unit else {}


def stale(module: AnsibleModule) -> list[str]:
    """Services of engines and containers whose file is younger than they are."""
    found = []
    for path in sorted([*glob.glob(ENGINES), *glob.glob(CONTAINERS)]):
        name = os.path.basename(path)
        words = ["systemctl", "show", "--timestamp=unix", "--property=ExecMainStartTimestamp", name]
        _, out, _ = module.run_command(words)
        started = out.strip().rpartition("=")[2].lstrip("@")
        if started.isdigit() and int(os.stat(path).st_ctime) > int(started):
            found.append(name)
    return found


def kept(folder: str, name: str) -> dict[str, Any]:
    """The unit that is kept under a name; empty where none is."""
    text = text_of(os.path.join(folder, f"{name}.json"))
    return dict(json.loads(text)) if text else {}


def write(path: str, text: str) -> None:
    """Write a file whole or not at all, and have it on the disk."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=".landfall-", dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8") as sink:
        sink.write(text)
        sink.flush()
        os.fsync(sink.fileno())
    os.chmod(partial, 0o644)
    os.replace(partial, path)


def keep(module: AnsibleModule, running: dict[str, Any]) -> bool:
    """Keep what runs, unless it is what is kept; whether that changed something."""
    folder = module.params["folder"]
    before = kept(folder, "current")
    wanted = before.pop("wanted", "")
    same, asked = before == running, module.params["wanted"]
    known = (wanted if same else "") if asked is None else asked
    value = {**running, "wanted": known}
    if same and known == wanted:
        return False
    if not module.check_mode:
        if before and not same:
            write(
                os.path.join(folder, "previous.json"),
                json.dumps({**before, "wanted": wanted}, indent=1),
            )
        write(os.path.join(folder, "current.json"), json.dumps(value, indent=1))
    return True


def restore(module: AnsibleModule, running: dict[str, Any], unit: dict[str, Any]) -> bool:
    """Put a unit back: packages, links, files, services. Whether that changed something."""
    versions = {
        name: version
        for name, version in unit["packages"].items()
        if running["packages"].get(name) != version
    }
    links = {
        path: to for path, to in unit["programs"].items() if running["programs"].get(path) != to
    }
    files = {
        path: text for path, text in unit["files"].items() if running["files"].get(path) != text
    }
    surplus = sorted(set(running["files"]) - set(unit["files"]))
    waiting = [os.path.basename(path) for path in unit["files"] if _waits(module, path)]
    changed = bool(versions or links or files or surplus or waiting or stale(module))
    if changed and not module.check_mode:
        _install(module, versions)
        for path, to in links.items():
            _link(path, to)
        for path, text in files.items():
            write(path, text)
        _switch(module, unit, surplus=surplus, written=set(files))
    return changed


def _link(path: str, to: str) -> None:
    partial = f"{path}.part"
    if os.path.lexists(partial):
        os.unlink(partial)
    os.symlink(to, partial)
    os.replace(partial, path)


def _waits(module: AnsibleModule, path: str) -> bool:
    """Whether a file is that of a service which does not run."""
    if not (fnmatch.fnmatch(path, ENGINES) or fnmatch.fnmatch(path, CONTAINERS)):
        return False
    code, _, _ = module.run_command(["systemctl", "is-active", "--quiet", os.path.basename(path)])
    return bool(code)


def _install(module: AnsibleModule, versions: dict[str, str]) -> None:
    if versions:
        words = ["apt-get", "install", "--yes", "--no-install-recommends", "--allow-downgrades"]
        words += ["--allow-change-held-packages"]
        named = [f"{name}={version}" for name, version in sorted(versions.items())]
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        _run(module, [*words, *named], environ_update=quiet)


def _switch(
    module: AnsibleModule, unit: dict[str, Any], *, surplus: list[str], written: set[str]
) -> None:
    """Start what belongs to the unit, send requests there, then stop and remove what does not.

    What does not and holds GPUs is stopped before: a host is drained while its unit is put back,
    and two engines do not fit one GPU.
    """
    _run(module, ["systemctl", "daemon-reload"])
    for path in surplus:
        if GPUS.search(text_of(path)):
            _run(module, ["systemctl", "disable", "--now", "--quiet", os.path.basename(path)])
    late = set(stale(module))
    for path in sorted(fnmatch.filter(unit["files"], f"{SERVICES}/landfall-*.service")):
        name = os.path.basename(path)
        verb = "restart" if path in written or name in late else "start"
        _run(module, ["systemctl", "enable", "--quiet", name])
        _run(module, ["systemctl", verb, name])
    if GATEWAY in unit["files"]:
        verb = "restart" if GATEWAY_UNIT in written else "reload-or-restart"
        _run(module, ["nginx", "-t", "-q"])
        _run(module, ["systemctl", verb, "nginx.service"])
    for path in surplus:
        if path.endswith(".service"):
            _run(module, ["systemctl", "disable", "--now", "--quiet", os.path.basename(path)])
        os.unlink(path)


def _run(module: AnsibleModule, words: list[str], **more: Any) -> None:
    code, out, error = module.run_command(words, **more)
    if code:
        module.fail_json(msg=f"{' '.join(words)}: {(error or out).strip()}")


def act(module: AnsibleModule, running: dict[str, Any]) -> bool:
    """Do what is asked; whether that changed something."""
    state, which = module.params["state"], module.params["which"]
    if state == "kept":
        return keep(module, running)
    if state == "read":
        return False
    unit = kept(module.params["folder"], which)
    if not unit:
        where = os.path.join(module.params["folder"], f"{which}.json")
        module.fail_json(msg=f"{where}: no {which} unit is kept on this host")
    return restore(module, running, unit)


def main() -> None:
    """Read what runs, and do what is asked."""
    module = AnsibleModule(
        argument_spec={
            "state": {"choices": ["read", "kept", "restored"], "default": "read"},
            "which": {"choices": ["current", "previous"], "default": "current"},
            "wanted": {"type": "str"},
            "folder": {"type": "path", "default": "/etc/landfall/units"},
            "packages": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    before = read(module)
    changed = act(module, before)
    after = read(module) if changed and not module.check_mode else before
    kept_now = {
        name: shown(kept(module.params["folder"], name)) for name in ("current", "previous")
    }
    diff = {"before": _told(before), "after": _told(after)}
    module.exit_json(
        changed=changed,
        unit=shown(after),
        stale=stale(module),
        reboot=os.path.exists(REBOOT),
        diff=diff,
        **kept_now,
    )


def _told(unit: dict[str, Any]) -> str:
    return json.dumps(shown(unit), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    main()
