"""What of a tuning profile is in effect on a host: a pure function of both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

BOOT_MENU = "/boot/grub/grub.cfg"


def tuning_report(
    found: Mapping[str, Any],
    *,
    sysctl: Mapping[str, Any],
    sys: Mapping[str, str],
    cmdline: Sequence[str],
    grub: str,
) -> dict[str, Any]:
    """What differs from the profile, and what a person should know.

    Args:
        found: `values` (texts by path), `booted` (seconds since 1970) and `changed` (when the
            files of the boot menu changed, by path).
        sysctl: kernel settings, by name.
        sys: values below /sys, by path with wildcards.
        cmdline: words of the kernel's command line.
        grub: the file that adds them.

    Returns:
        `wrong`: lines that are failures. `told`: one line about what the hardware does not have
        and what waits for the next boot.
    """
    values: Mapping[str, str] = found["values"]
    absent = [path for path in sys if not list(_matching(path, values))]
    missing = _missing(cmdline, values.get("/proc/cmdline", ""))
    pending = missing and not _booted_since(found, grub)
    wrong = [*_wrong_sysctl(sysctl, values), *_wrong_sys(sys, values)]
    if missing and not pending:
        wrong.append(f"the kernel was started without {' '.join(missing)}")
    told = [f"this machine has no {path}" for path in absent]
    if pending:
        told.append(f"from the next boot on: {' '.join(missing)}")
    return {"wrong": wrong, "told": "; ".join(told) or "all of it is in effect"}


def _missing(cmdline: Sequence[str], started: str) -> list[str]:
    words = started.split()
    return [word for word in cmdline if word not in words]


def _booted_since(found: Mapping[str, Any], grub: str) -> bool:
    """Whether the boot menu had the words when the machine started; without one, it never has."""
    changed: Mapping[str, float] = found["changed"]
    if BOOT_MENU not in changed or grub not in changed:
        return False
    return bool(max(changed[BOOT_MENU], changed[grub]) < found["booted"])


def _matching(pattern: str, values: Mapping[str, str]) -> Iterator[str]:
    """The paths that a pattern means: like the shell's, a wildcard matches no slash."""
    parts = pattern.split("/")
    for path in values:
        names = path.split("/")
        if len(names) == len(parts) and all(map(fnmatchcase, names, parts)):
            yield path


def _wrong_sysctl(sysctl: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[str]:
    for key, wanted in sysctl.items():
        text = values.get(f"/proc/sys/{key.replace('.', '/')}")
        if text is None:
            yield f"{key}: this kernel does not have it"
        elif text.split() != str(wanted).split():
            yield f"{key}: {text}, not {wanted}"


def _wrong_sys(sys: Mapping[str, str], values: Mapping[str, str]) -> Iterator[str]:
    for pattern, wanted in sys.items():
        for path in _matching(pattern, values):
            chosen = re.search(r"\[(\w+)\]", values[path])  # of several, the one in brackets
            text = chosen[1] if chosen else values[path]
            if text != str(wanted):
                yield f"{path}: {text}, not {wanted}"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {"tuning_report": tuning_report}
