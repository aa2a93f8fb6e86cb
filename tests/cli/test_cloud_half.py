"""The command and the plain Pulumi command against the offline cloud, in a copy of the checkout."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from landfall import process
from landfall.cli.flow import pull_request
from landfall.cli.flow.alone import only_one
from landfall.model.environment import ROOT, Environment, cache_folder
from stacks import toolchain
from stacks.state import local

pytestmark = pytest.mark.engine


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A copy of the checkout with a repository of its own."""

    root: Path

    def landfall(self, *words: str, env: dict[str, str] | None = None) -> process.Completed:
        return process.run(
            [sys.executable, "-m", "landfall.cli.main", *words],
            cwd=self.root,
            env={"PYTHONPATH": str(self.root), "COLUMNS": "200", **(env or {})},
            check=False,
        )

    def edit(self, path: str, before: str, after: str) -> None:
        file = self.root / path
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))

    def git(self, *words: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
        return process.run(["git", "-C", self.root, *identity, *words]).stdout


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    tree = Tree(root=tmp_path_factory.mktemp("tree"))
    pull_request.copy(ROOT, tree.root)
    tree.git("init", "-q")
    tree.git("add", "-A")
    tree.git("commit", "-q", "-m", "base")
    return tree


@pytest.fixture
def tree(shared: Tree) -> Iterator[Tree]:
    """The copy, with whatever a test edits put back afterwards."""
    yield shared
    shared.git("checkout", "-q", ".")


def test_plain_pulumi_and_the_command_agree_and_change_no_tracked_file(tree: Tree) -> None:
    done = tree.landfall("offline", "--", "pulumi", "up", "-s", "dev", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Provider: offline." in done.stderr
    assert "Provider: offline." in done.stdout
    preview = tree.landfall("preview", "dev", "--only", "cloud", "--format", "json")
    assert preview.returncode == 0, preview.stdout + preview.stderr
    found = json.loads(preview.stdout)
    assert found["changes"] == []
    assert found["unchanged"]["cloud"] > 30
    told = tree.landfall("handoff", "dev")
    assert json.loads(told.stdout)["provider"] == "offline"
    assert tree.git("status", "--porcelain") == ""


def test_a_command_that_fails_gives_its_own_code(tree: Tree) -> None:
    assert tree.landfall("offline", "--", "sh", "-c", "exit 7").returncode == 7
    assert tree.landfall("offline", "--", "no-such-program").returncode == 1
    assert tree.landfall("offline").returncode == 2


def test_a_replacement_is_marked(tree: Tree) -> None:
    tree.landfall("offline", "--", "pulumi", "up", "-s", "dev", "--yes", "--skip-preview")
    tree.edit("Pulumi.dev.yaml", "10.100.0.0/16", "10.101.0.0/16")
    out = tree.root / "preview.md"
    done = tree.landfall("preview", "dev", "--only", "cloud", "--output", str(out))
    assert done.returncode == 11, done.stdout + done.stderr
    assert "± replace aws:ec2/vpc:Vpc core" in done.stdout
    text = out.read_text()
    out.unlink()
    assert "- **replace** `aws:ec2/vpc:Vpc core`: cidrBlock changed" in text
    assert "+ cidrBlock: 10.101.0.0/16   # replaces" in text


def test_every_problem_of_configuration_and_site_at_once(tree: Tree) -> None:
    tree.edit("Pulumi.dev.yaml", "10.100.0.0/16", "10.88.0.0/16")
    overlap = tree.landfall("preview", "dev", "--only", "cloud")
    assert overlap.returncode == 2, overlap.stderr
    assert (
        "landfall:network.cidr: 10.88.0.0/16 overlaps 10.88.32.0/24 of site.networks.serving"
        in overlap.stderr
    )
    tree.edit("Pulumi.dev.yaml", "g6.xlarge", "g6.small")
    tree.edit("inventories/dev/group_vars/all/site.yml", "asn: 65010", "asn: 7224")
    both = tree.landfall("preview", "dev", "--only", "cloud")
    assert both.returncode == 2
    assert (
        "training.ec2.pools.small.instanceTypes: g6.small is not in the GPU catalog" in both.stderr
    )
    assert "ASN 7224 is reserved by AWS" in both.stderr


def test_a_stack_that_is_referred_to_must_be_there(tree: Tree, tmp_path: Path) -> None:
    words = ("preview", "staging", "--offline", "--only", "cloud", "--state", str(tmp_path))
    done = tree.landfall(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "landfall:registry.environment: there is no stack prod to take the registry of" in (
        done.stderr
    )
    assert not (tmp_path / ".pulumi").exists(), "no engine was started"


def test_destroying_wants_the_name_once_more(tree: Tree) -> None:
    done = tree.landfall("destroy", "dev")
    assert done.returncode == 2
    assert "landfall destroy dev --yes dev" in done.stderr
    done = tree.landfall("destroy", "dev", "--yes", "dev")
    assert done.returncode == 0, done.stderr
    assert "resources destroyed" in done.stderr
    assert tree.landfall("handoff", "dev").returncode == 2, "there is nothing to hand over"


def test_several_environments_are_previewed_side_by_side(tree: Tree, tmp_path: Path) -> None:
    words = ("--offline", "--only", "cloud", "--state", str(tmp_path))
    report = tmp_path / "preview.json"
    done = tree.landfall("preview", "dev", "staging", *words, "--output", str(report))
    assert done.returncode == 2, "staging has no prod to take the registry of"
    assert "Preview of dev" in done.stdout
    assert "the preview of staging failed" in done.stderr
    assert json.loads((tmp_path / "preview-dev.json").read_text())["environment"] == "dev"
    assert not (tmp_path / "preview-staging.json").exists()


def test_a_preview_against_a_base_commit_needs_no_state_and_no_host(tree: Tree) -> None:
    tree.edit("Pulumi.dev.yaml", "g6.xlarge", "g6e.xlarge")
    tree.edit("engines/specs/tiny-lm.yaml", "precision: int8", "precision: int4")
    words = ("preview", "dev", "--base", "HEAD", "--no-site", "--format", "json")
    done = tree.landfall(*words)
    assert done.returncode == 13, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["compared_with"].startswith("commit HEAD")
    worth = {each["target"].rpartition(" ")[2]: each["cost"] for each in found["changes"]}
    assert worth["small"] is not None
    assert any("USD a month" in note for note in found["notes"])
    kinds = {each["target"]: each["kind"] for each in found["changes"]}
    assert kinds == {
        "aws:batch/computeEnvironment:ComputeEnvironment small": "update",
        "aws:batch/jobDefinition:JobDefinition small": "update",
        "tiny-lm": "replace",
        "rack-1": "unknown",
    }


def test_a_real_provider_does_not_touch_a_rehearsals_state(tree: Tree) -> None:
    tree.landfall("offline", "--", "true")
    state = tree.root / ".landfall" / "offline-state"
    url = {"PULUMI_BACKEND_URL": local(state), "PULUMI_CONFIG_PASSPHRASE": "rehearsal"}
    done = tree.landfall("preview", "dev", "--only", "cloud", "--account", env=url)
    assert done.returncode == 2
    assert "is a rehearsal's state" in done.stderr
    plain = process.run(
        ["pulumi", "preview", "-s", "dev"], cwd=tree.root, env={**url, **plain_path()}, check=False
    )
    assert plain.returncode != 0
    assert "is a rehearsal's state" in plain.stdout + plain.stderr


def test_a_spec_with_an_unknown_key_and_a_precision_that_cannot_be(tree: Tree) -> None:
    tree.edit("engines/specs/tiny-lm.yaml", "precision: int8", "precision: fp8\nprecison: int8")
    done = tree.landfall("engine", "plan", "tiny-lm")
    assert done.returncode == 2, done.stderr
    assert "unknown key; did you mean precision?" in done.stderr
    assert "fp8" in done.stderr


def test_a_second_up_is_turned_away(tree: Tree) -> None:
    with only_one(Environment(name="dev", root=tree.root)):
        done = tree.landfall("up", "dev", "--no-site")
    assert done.returncode == 1
    assert f"another run is changing dev (process {os.getpid()})" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_up_that_is_cut_short_leaves_nothing_and_can_be_run_again(
    tree: Tree, tmp_path: Path, number: signal.Signals
) -> None:
    state = tmp_path / "state"
    words = [sys.executable, "-m", "stacks", "up", "dev", "--state", str(state)]
    environment = {"PYTHONPATH": str(tree.root)}
    daemon = process.spawn(
        words,
        name="up",
        record=tmp_path / "up.json",
        log=tmp_path / "log",
        cwd=tree.root,
        env=environment,
    )
    locks = state / ".pulumi" / "locks"
    assert process.wait_until(lambda: any(locks.rglob("*.json")), timeout_s=60, interval_s=0.01)
    time.sleep(0.3)
    os.kill(daemon.pid, number)
    assert process.wait_until(lambda: not daemon.alive(), timeout_s=30)
    assert process.wait_until(lambda: not engines_on(state), timeout_s=30)
    assert not list(state.rglob("*.attrs"))
    again = process.run(words, cwd=tree.root, env=environment, check=False)
    assert again.returncode == 0, again.stderr
    assert "handoff" in json.loads(again.stdout)


def plain_path() -> dict[str, str]:
    """A PATH on which the plain Pulumi command finds everything, and no offline provider."""
    found = toolchain.find(cache_folder())
    assert found is not None
    python = str(Path(sys.executable).parent)
    return {
        **toolchain.QUIET,
        "PATH": f"{python}:{found.path(os.environ['PATH'])}",
        "PULUMI_CONFIG_PASSPHRASE": "rehearsal",
    }


def engines_on(state: Path) -> list[int]:
    """Pulumi processes that work on a state folder."""
    found = []
    for each in psutil.process_iter():
        try:
            if each.name() == "pulumi" and str(state) in str(each.environ()):
                found.append(each.pid)
        except psutil.Error:
            continue
    return found
