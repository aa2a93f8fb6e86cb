#!/usr/bin/python3
"""Counts what the gateway logs, and passes on what the engines say, as files for node_exporter.

Engines answer on loopback only, and the gateway's nginx has no counters by class: so this host
shows both. Counters are kept in a state file and only grow; a log that was rotated is read to its
end first. Nothing of a request is kept but how it went.
"""

from __future__ import annotations

import json
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

CONFIG = Path("/etc/landfall/metrics.json")
WITHDRAWN = "/etc/landfall/withdrawn"
"""Where the judge puts a file NAME.PROVEN.CANARY for each canary that it took out."""
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds of a whole answer: from a short one to the gateway's patience."""
TIMEOUT_S = 3.0
LABELS = ("route", "classification")
SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})?(?P<rest> .+)$")


def new_lines(log: Path, state: dict[str, Any]) -> Iterator[str]:
    """Whole lines that were written since the last time; `state` remembers where that was."""
    if not log.exists():
        return
    at = state.get("log", {})
    rotated = log.with_name(f"{log.name}.1")
    if at and at["inode"] != log.stat().st_ino:
        if rotated.exists() and rotated.stat().st_ino == at["inode"]:
            yield from _from(rotated, at["offset"])[0]
        at = {}
    if at and at["offset"] > log.stat().st_size:  # truncated in place
        at = {}
    lines, offset = _from(log, at.get("offset", 0))
    state["log"] = {"inode": log.stat().st_ino, "offset": offset}
    yield from lines


def _from(path: Path, offset: int) -> tuple[list[str], int]:
    with path.open("rb") as stream:
        stream.seek(offset)
        text = stream.read()
    whole = text[: text.rfind(b"\n") + 1]  # the last line may still be written
    return whole.decode(errors="replace").splitlines(), offset + len(whole)


def count(lines: Iterable[str], counters: dict[str, float]) -> None:
    """Add what `lines` of the gateway's log say to `counters`, which are samples by name."""
    for line in lines:
        try:
            entry = json.loads(line)
            labels = _labels({name: str(entry[name]) for name in LABELS})
            status, seconds = int(entry["status"]), float(entry["request_s"])
        except (ValueError, KeyError, TypeError):
            _add(counters, "landfall_gateway_unreadable_lines_total")
            continue
        _add(counters, f'landfall_gateway_requests_total{{{labels},code="{status}"}}')
        if not entry.get("completion"):
            _add(counters, f"landfall_gateway_cut_total{{{labels}}}")
        for bucket in BUCKETS:
            name = f'landfall_gateway_request_seconds_bucket{{{labels},le="{bucket:g}"}}'
            _add(counters, name, 1 if seconds <= bucket else 0)
        _add(counters, f'landfall_gateway_request_seconds_bucket{{{labels},le="+Inf"}}')
        _add(counters, f"landfall_gateway_request_seconds_count{{{labels}}}")
        _add(counters, f"landfall_gateway_request_seconds_sum{{{labels}}}", seconds)


def exposition(counters: dict[str, float], now: float) -> str:
    """The counters in Prometheus's text format."""
    kinds = {
        "landfall_gateway_requests_total": ("counter", "Requests that the gateway ended."),
        "landfall_gateway_cut_total": ("counter", "Answers that did not reach their end."),
        "landfall_gateway_request_seconds": ("histogram", "From a request to the answer's end."),
        "landfall_gateway_unreadable_lines_total": ("counter", "Lines that are not its log's."),
    }
    lines = []
    for name, (kind, text) in kinds.items():
        mine = [
            f"{sample} {value:g}" for sample, value in counters.items() if sample.startswith(name)
        ]
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *mine]
    lines += [
        "# HELP landfall_metrics_last_run_seconds When these files were written last.",
        "# TYPE landfall_metrics_last_run_seconds gauge",
        f"landfall_metrics_last_run_seconds {now:.0f}",
    ]
    return "\n".join(lines) + "\n"


def relabel(text: str, engine: str) -> str:
    """An engine's own metrics with its key as the label `engine`; other lines stay as they are."""
    return "".join(f"{_relabelled(line, engine)}\n" for line in text.splitlines())


def _relabelled(line: str, engine: str) -> str:
    match = None if line.startswith("#") else SAMPLE.match(line)
    if match is None:
        return line
    labels = ",".join(filter(None, [f'engine="{engine}"', match["labels"]]))
    return f"{match['name']}{{{labels}}}{match['rest']}"


def fetch(port: int, path: str) -> str | None:
    """What an engine says; None where it does not answer."""
    try:
        url = f"http://127.0.0.1:{port}{path}"
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return str(answer.read().decode())
    except (OSError, ValueError, urllib.error.URLError):
        return None


def withdrawn(folder: Path) -> str:
    """The canaries that the judge took out, in Prometheus's text format."""
    lines = [
        "# HELP landfall_canary_withdrawn Canaries that the judge took out.",
        "# TYPE landfall_canary_withdrawn gauge",
    ]
    for mark in sorted(folder.glob("*.*.*")):
        name, _, canary = mark.name.rsplit(".", 2)
        labels = _labels({"route": name, "engine": canary[:12]})
        lines.append(f"landfall_canary_withdrawn{{{labels}}} 1")
    return "\n".join(lines) + "\n"


def run(config: dict[str, Any], ask: Callable[[int, str], str | None] = fetch) -> None:
    """Count once, and write all files anew."""
    folder, kept = Path(config["folder"]), Path(config["state"])
    state: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    counters: dict[str, float] = state.setdefault("counters", {})
    count(new_lines(Path(config["log"]), state), counters)
    answers = {
        each["key"][:12]: ask(each["port"], each.get("path", "/metrics"))
        for each in config["engines"]
    }
    up = "# HELP landfall_engine_up Whether the engine answered.\n# TYPE landfall_engine_up gauge\n"
    up += "".join(
        f'landfall_engine_up{{engine="{key}"}} {int(text is not None)}\n'
        for key, text in answers.items()
    )
    wanted = {
        f"landfall-engine-{key}.prom": relabel(text, key) for key, text in answers.items() if text
    }
    _write(kept, json.dumps(state))
    out = withdrawn(Path(config.get("withdrawn", WITHDRAWN)))
    _write(folder / "landfall-gateway.prom", exposition(counters, time.time()) + up + out)
    for name, text in wanted.items():
        _write(folder / name, text)
    for old in folder.glob("landfall-engine-*.prom"):
        if old.name not in wanted:
            old.unlink()


def _labels(labels: dict[str, str]) -> str:
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        for name, value in labels.items()
    }
    return ",".join(f'{name}="{value}"' for name, value in escaped.items())


def _add(counters: dict[str, float], sample: str, amount: float = 1) -> None:
    counters[sample] = counters.get(sample, 0) + amount


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.chmod(0o644)
    part.replace(path)


if __name__ == "__main__":
    run(json.loads((Path(sys.argv[1]) if sys.argv[1:] else CONFIG).read_text()))
