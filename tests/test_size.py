"""Modules and functions stay small enough to read."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

from landfall.model.environment import ROOT

FOLDERS = ("landfall", "stacks", "engines", "rehearsal", "examples", "playbooks")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

LONGEST_MODULE, MEDIAN_MODULE = 400, 100
LONGEST_FUNCTION, MEDIAN_FUNCTION = 60, 10


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def functions(path: Path) -> dict[str, int]:
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found[f"{node.name}:{node.lineno}"] = (node.end_lineno or 0) - node.lineno + 1
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_too_long(path: Path) -> None:
    assert lines(path) <= LONGEST_MODULE
    assert {name: size for name, size in functions(path).items() if size > LONGEST_FUNCTION} == {}


def test_most_are_short() -> None:
    sizes = [size for path in FILES for size in functions(path).values()]
    assert statistics.median(lines(path) for path in FILES) <= MEDIAN_MODULE
    assert statistics.median(sizes) <= MEDIAN_FUNCTION
