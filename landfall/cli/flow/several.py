"""Previews of several environments at once: each is a process of its own, with its own engine."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from landfall import process

SEEN = {0, 10, 11, 12, 13}
"""Exit codes of a preview that came to its end."""


def preview(words: Mapping[str, Sequence[str]]) -> dict[str, process.Completed]:
    """Preview each environment, with its options, side by side.

    One that fails does not keep the others from being shown: its exit code and what it said are
    in its result.
    """
    with ThreadPoolExecutor(max_workers=len(words)) as pool:
        results = pool.map(lambda name: _one(name, words[name]), words)
        return dict(zip(words, results, strict=True))


def code(results: dict[str, process.Completed]) -> int:
    """The exit code of all: a failure before anything else, then the highest that holds."""
    codes = [each.returncode for each in results.values()]
    failed = [each for each in codes if each not in SEEN]
    return max(failed or codes)


def _one(name: str, words: Sequence[str]) -> process.Completed:
    return process.run(
        [sys.executable, "-m", "landfall.cli.main", "preview", name, *words],
        check=False,
        what=f"the preview of {name}",
    )
