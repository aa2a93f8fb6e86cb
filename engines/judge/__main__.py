"""`python -m engines.judge`: look once at every canary of this host, and take out what is worse.

A systemd timer runs it. It prints one line of JSON for each canary, keeps the last verdict in its
state folder, and writes a file that the gateway honours at the next request. It removes nothing:
a canary comes back only by a release.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from engines.judge import config, traffic
from engines.judge.alike import Posts
from engines.judge.config import Config, Trial
from engines.judge.decision import Bounds, Seen, Verdict, decide
from engines.judge.observe import Asks, Fetch, fetch, observe
from engines.load.ask import ask
from engines.load.whole import post
from landfall import files
from landfall.errors import LandfallError

CONFIG = Path("/etc/landfall/judge.json")


def main(argv: Sequence[str] | None = None) -> int:
    """Judge once; the exit code of the error where there is one."""
    parser = argparse.ArgumentParser(prog="python -m engines.judge", description=__doc__)
    parser.add_argument("--config", type=Path, default=CONFIG)
    try:
        for line in judge(config.load(parser.parse_args(argv).config)):
            print(json.dumps(line), flush=True)
    except LandfallError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def judge(
    told: Config, *, asks: Asks = ask, posts: Posts = post, read: Fetch = fetch
) -> list[dict[str, Any]]:
    """Judge every canary that is not out yet; what was seen and decided of each."""
    kept = told.state / "state.json"
    state: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    lines = traffic.new_lines(told.log, state)
    known, found = state.get("trials", {}), []
    trials = [each for each in told.trials if not (told.withdrawn / each.mark).exists()]
    state["trials"] = {
        each.mark: known.get(each.mark, {"counts": {}, "histograms": {}}) for each in trials
    }
    for each in trials:
        mine = state["trials"][each.mark]
        # The first time is the beginning: what was logged before is not about this canary.
        if each.mark in known:
            traffic.count(lines, mine["counts"])
        found.append(_judge(told, each, mine, partial(observe, asks=asks, posts=posts, read=read)))
    files.write(kept, json.dumps(state))
    return found


Looks = Callable[[Trial, dict[str, Any], dict[str, Any]], tuple[Seen, Seen]]


def _judge(told: Config, trial: Trial, mine: dict[str, Any], look: Looks) -> dict[str, Any]:
    proven, canary = look(trial, mine["counts"], mine["histograms"])
    verdict = decide(proven=proven, canary=canary, bounds=Bounds(**told.bounds.model_dump()))
    line = {
        "time": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "name": trial.name,
        "proven": trial.proven.key,
        "canary": trial.canary.key,
        **_words(verdict),
        "seen": {"proven": asdict(proven), "canary": asdict(canary)},
    }
    files.write(told.state / "verdicts" / f"{trial.mark}.json", json.dumps(line) + "\n")
    if verdict.withdraw:
        files.write(told.withdrawn / trial.mark, json.dumps(line) + "\n")
    return line


def _words(verdict: Verdict) -> dict[str, Any]:
    word = "withdrawn" if verdict.withdraw else "kept" if not verdict.waiting else "waiting"
    return {"verdict": word, "reasons": verdict.reasons, "waiting": verdict.waiting}


if __name__ == "__main__":
    raise SystemExit(main())
