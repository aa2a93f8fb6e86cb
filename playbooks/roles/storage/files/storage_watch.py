#!/usr/bin/python3
"""Writes down how the arrays and their disks are, for node_exporter's textfile collector.

A timer runs it every minute, and mdadm's monitor at every event (with the event as arguments, all
of which can be read from the kernel anyway). `--scrub NAME` starts a comparison of an array with
itself, unless something is running on it already.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONFIGURATION = Path("/etc/landfall/storage/watch.json")
SYS = Path("/sys/class/block")
SMART_TIMEOUT_S = 20

Line = tuple[str, dict[str, str], float]


def text(path: Path) -> str:
    """The content of a file in sysfs; "" where it is not there."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def number(words: str) -> float:
    """The first number in a text; 0 where there is none."""
    try:
        return float(words.split(maxsplit=1)[0])
    except (IndexError, ValueError):
        return 0.0


def arrays() -> Iterator[Line]:
    """How each array is: a surprise removal counts no failed disk, so `degraded` is what tells."""
    for folder in sorted(SYS.glob("md*/md")):
        name = array_name(folder.parent.name)
        labels = {"array": name}
        yield "landfall_md_disks_wanted", labels, number(text(folder / "raid_disks"))
        yield "landfall_md_degraded", labels, number(text(folder / "degraded"))
        yield "landfall_md_mismatched_sectors", labels, number(text(folder / "mismatch_cnt"))
        states = [text(path) for path in folder.glob("dev-*/state")]
        for state in ("in_sync", "spare", "faulty"):
            count = sum(state in each.split(",") for each in states)
            yield "landfall_md_disks", {**labels, "state": state}, count
        action = text(folder / "sync_action")
        for each in ("resync", "recover", "check", "repair", "reshape"):
            yield "landfall_md_action", {**labels, "action": each}, float(action == each)
        done = text(folder / "sync_completed").split(" / ")
        part = number(done[0]) / number(done[1]) if len(done) == 2 and number(done[1]) else 1.0  # noqa: PLR2004
        yield "landfall_md_action_done_ratio", labels, part


def array_name(kernel: str) -> str:
    """The name under /dev/md, or the kernel's own."""
    for link in sorted(Path("/dev/md").glob("*")) if Path("/dev/md").is_dir() else []:
        if link.resolve().name == kernel:
            return link.name
    return kernel


def disks(serials: list[str]) -> Iterator[Line]:
    """Whether each disk is there, and what its own health report says."""
    found = {}
    for folder in sorted(SYS.glob("nvme*n*")):
        serial = text(folder / "device/serial")
        if serial and not (folder / "partition").exists():
            found[serial] = folder.name
    for serial in serials:
        labels = {"serial": serial}
        yield "landfall_disk_present", labels, float(serial in found)
        if serial in found:
            yield from health(labels, smart(f"/dev/{found[serial]}"))


def smart(device: str) -> dict[str, Any]:
    """The drive's health log; empty where it cannot be read."""
    command = ["nvme", "smart-log", "--output-format=json", device]
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, timeout=SMART_TIMEOUT_S, check=True
        )
        return dict(json.loads(said.stdout))
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}


def health(labels: dict[str, str], said: dict[str, Any]) -> Iterator[Line]:
    """Wear, spare and errors. A drive with no threshold for its spare reports no spare at all."""
    yield "landfall_disk_health_readable", labels, float(bool(said))
    if not said:
        return
    warning = said.get("critical_warning", 0)
    value = warning.get("value", 0) if isinstance(warning, dict) else warning
    yield "landfall_disk_critical_warning", labels, float(value)
    yield "landfall_disk_media_errors", labels, float(said.get("media_errors", 0))
    used = said.get("percentage_used", said.get("percent_used", 0))
    yield "landfall_disk_used_ratio", labels, float(used) / 100
    spare, threshold = float(said.get("avail_spare", 0)), float(said.get("spare_thresh", 0))
    if threshold > 0:
        yield "landfall_disk_spare_ratio", labels, spare / 100
        yield "landfall_disk_spare_threshold_ratio", labels, threshold / 100
    kelvin = float(said.get("temperature", 0))
    yield "landfall_disk_temperature_celsius", labels, kelvin - 273


def render(lines: list[Line]) -> str:
    """Prometheus's text format, samples of one metric together."""
    shown: list[str] = []
    for name in dict.fromkeys(line[0] for line in lines):
        shown.append(f"# TYPE {name} gauge")
        for other, labels, value in lines:
            if other == name:
                inside = ",".join(f'{key}="{word}"' for key, word in labels.items())
                shown.append(f"{name}{{{inside}}} {value:.15g}")
    return "\n".join(shown) + "\n"


def write(path: Path, content: str) -> None:
    """Replace the file whole: the collector may read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(content)
    partial.chmod(0o644)
    partial.replace(path)


def scrub(name: str) -> str:
    """Start a comparison; what is running already, "" where nothing was."""
    folder = SYS / Path(f"/dev/md/{name}").resolve().name / "md"
    running = text(folder / "sync_action")
    if running not in ("idle", ""):
        return running
    (folder / "sync_action").write_text("check")
    return ""


def main(arguments: list[str]) -> int:
    """Write the metrics, or start a scrub."""
    if arguments[:1] == ["--scrub"]:
        running = scrub(arguments[1])
        print(f"{arguments[1]}: {running or 'check'} is running")
        return 0
    wanted = json.loads(CONFIGURATION.read_text())
    mounted = {"mount": wanted["mount"]}
    lines = [*arrays(), *disks(wanted["serials"])]
    lines.append(("landfall_storage_mounted", mounted, float(os.path.ismount(wanted["mount"]))))
    lines.append(("landfall_storage_watched_timestamp_seconds", {}, float(int(time.time()))))
    write(Path(wanted["metrics"]), render(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
