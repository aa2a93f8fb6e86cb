"""The arrows and the doors of docs/architecture.md, module by module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from landfall.model.environment import ROOT

OURS = ("landfall", "stacks", "engines", "rehearsal", "examples")

CORE = (
    "landfall.errors",
    "landfall.model",
    "landfall.handoff",
    "landfall.render",
    "landfall.process",
    "landfall.cost",
    "landfall.files",
    "landfall.golang",
    "landfall.aws",
    "landfall.registry",
    "landfall.http",
)

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    # who: which of our packages it may import, besides itself
    "landfall.errors": (),
    "landfall.model": ("landfall.errors",),
    "landfall.cost": ("landfall.errors", "landfall.model"),
    "landfall.handoff": CORE,
    "landfall.render": CORE,
    "landfall.files": (),
    "landfall.filters": ("landfall.errors",),
    "landfall.process": ("landfall.errors", "landfall.files"),
    "landfall.golang": ("landfall.errors", "landfall.process"),
    "landfall.aws": CORE,
    "landfall.registry": CORE,
    "landfall.http": CORE,
    "landfall.playbook": CORE,
    "landfall.preview": CORE,
    "landfall.evidence": CORE,
    "stacks": CORE,
    "engines": CORE,
    "examples": CORE,
    "rehearsal": CORE,
    "landfall.cli": (*CORE, "landfall", "stacks", "engines", "examples", "rehearsal"),
    "landfall": (),
}

DOORS: dict[str, tuple[str, ...]] = {
    # an outside world: the only places that may import it
    "pulumi": ("stacks",),
    "pulumi_aws": ("stacks",),
    "pulumi_kubernetes": ("stacks",),
    "ansible_runner": ("landfall.playbook",),
    "jinja2": ("landfall.render",),
    "subprocess": ("landfall.process",),
    "boto3": ("landfall.aws",),
    "botocore": ("landfall.aws",),
    "mlflow": ("landfall.registry",),
    "httpx": ("landfall.http",),
    "requests": (),
    "urllib3": (),
    "model_signing": ("engines.sign",),
    "jax": ("examples.tiny_lm",),
}

ON_HOSTS_WITHOUT = ("pulumi", "ansible_runner", "boto3", "mlflow", "httpx", "ansible")
"""What `engines` must not reach, through any chain of imports of ours: it runs on hosts."""


def modules() -> dict[str, Path]:
    found = {}
    for package in OURS:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = path
    return found


MODULES = modules()


def imports(source: str, module: str, *, package: bool) -> Iterator[str]:
    """Every module that `source` imports anywhere, by its full name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[: None if package and node.level == 1 else -node.level]
                base = ".".join([*above, base] if base else above)
            yield base
            # `from landfall import process` imports a module, too
            yield from (
                f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in MODULES
            )


def imports_of(module: str) -> set[str]:
    path = MODULES[module]
    return set(imports(path.read_text(), module, package=path.name == "__init__.py"))


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def owner(module: str) -> str:
    """The most specific entry of the table that holds a module."""
    return max((name for name in MAY_IMPORT if within(module, name)), key=len)


def wrong_arrows(module: str, imported: set[str]) -> list[str]:
    mine = owner(module)
    allowed = (mine, *MAY_IMPORT[mine])
    return sorted(
        name
        for name in imported
        if name.split(".")[0] in OURS
        and name != "landfall"
        and not any(
            within(name, each) and (each != "landfall" or mine == "landfall.cli")
            for each in allowed
        )
    )


def wrong_doors(module: str, imported: set[str]) -> list[str]:
    return sorted(
        name
        for name in imported
        if (door := DOORS.get(name.split(".")[0])) is not None
        and not any(within(module, each) for each in door)
    )


@pytest.mark.parametrize("module", sorted(MODULES))
def test_arrows(module: str) -> None:
    assert wrong_arrows(module, imports_of(module)) == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_doors(module: str) -> None:
    assert wrong_doors(module, imports_of(module)) == []


def test_engines_reach_nothing_that_a_host_lacks() -> None:
    seen: set[str] = set()
    todo = [module for module in MODULES if within(module, "engines")]
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in imports_of(module):
            assert name.split(".")[0] not in ON_HOSTS_WITHOUT, f"{module} imports {name}"
            if name in MODULES:
                todo.append(name)


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("stacks.link", "import engines.key", ["engines.key"]),
        ("engines.key", "from stacks import link", ["stacks", "stacks.link"]),
        ("landfall.model.site", "from landfall import process", ["landfall.process"]),
        ("landfall.preview.order", "import landfall.cli", ["landfall.cli"]),
        (
            "landfall.errors",
            "from landfall.model import site",
            ["landfall.model", "landfall.model.site"],
        ),
        ("stacks.link", "from landfall.model.site import Site", []),
        ("landfall.cli.up", "import stacks, engines", []),
        ("rehearsal.rack", "def f():\n    import stacks", ["stacks"]),
    ],
)
def test_a_wrong_arrow_is_seen(module: str, source: str, found: list[str]) -> None:
    assert wrong_arrows(module, set(imports(source, module, package=False))) == found


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("engines.serve.app", "import boto3", ["boto3"]),
        ("landfall.cli.up", "from subprocess import run", ["subprocess"]),
        ("landfall.process", "import subprocess", []),
        ("landfall.preview.markdown", "import jinja2.sandbox", ["jinja2.sandbox"]),
    ],
)
def test_a_wrong_door_is_seen(module: str, source: str, found: list[str]) -> None:
    assert wrong_doors(module, set(imports(source, module, package=False))) == found
