"""Tables in documents say what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from engines import catalog, key
from engines.facts import Facts
from engines.source import PARTS, ModelSource, planned
from engines.spec import EngineSpec, load, load_all
from engines.target import anywhere
from landfall import errors
from landfall.errors import LandfallError
from landfall.model.change import SEVERITY_OF, ExitCode, Half, Kind
from landfall.model.classification import Classification
from landfall.model.environment import ROOT
from landfall.preview.wording import SIGN
from landfall.registry import BYTES, CONTENT_DIGEST, Card
from stacks.settings import Settings, reference
from tests import test_architecture
from tests.docs.documents import document, documents


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def test_arrows_of_the_page_are_those_of_the_test() -> None:
    rows = document("docs/architecture.md").table("who", "may import")
    core = test_architecture.CORE
    meant = {
        who: tuple(name for each in names(may) for name in (core if each == "core" else (each,)))
        for who, may in rows
    }
    nothing = ("nothing of ours",)
    meant = {who: () if may == nothing else may for who, may in meant.items()}
    assert meant == test_architecture.MAY_IMPORT


def test_core_is_spelled_out() -> None:
    text = document("docs/architecture.md").prose
    sentence = re.search(r"^Core is (.*?)\. ", text, re.M)
    assert sentence
    assert tuple(re.findall(r"`([\w.]+)`", sentence[1])) == test_architecture.CORE


def test_the_diagram_has_the_arrows_of_the_packages() -> None:
    text = document("docs/architecture.md").text
    arrows = set(re.findall(r"^    (\w+) --> (\w+)$", text, re.M))
    halves = {"stacks", "engines", "playbook", "preview", "rehearsal", "examples"}
    wanted = {("cli", each) for each in halves} | {(each, "core") for each in halves}
    assert arrows == wanted | {("core", "errors")}


def test_doors_of_the_page_are_those_of_the_test() -> None:
    rows = document("docs/architecture.md").table("outside world", "door")
    meant = {world: () if door == "none" else names(door) for world, door in rows}
    assert meant == test_architecture.DOORS


def test_every_folder_of_the_house_is_on_the_page() -> None:
    rows = document("docs/architecture.md").table("folder")
    top = {row[0].split("/")[0] for row in rows}
    there = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and not path.name.startswith((".", "_"))
    }
    assert {name for name in there if any((ROOT / name).rglob("*.*"))} - top <= ignored()
    assert top <= there


def ignored() -> set[str]:
    """Folders that git ignores by name."""
    lines = (ROOT / ".gitignore").read_text().splitlines()
    found = {line.strip("/") for line in lines}
    return found | {path.name for path in ROOT.glob("*.egg-info")}


def test_configuration_keys() -> None:
    written = read("Pulumi.yaml")["config"]
    rows = {row[0]: row[1] for row in document("docs/cloud.md").table("key", "default", "what")}
    assert set(rows) == set(written)
    assert set(rows) == {info.alias or name for name, info in Settings.model_fields.items()}
    for name, default in rows.items():
        value = written[name].get("default", "required")
        shown = {"": "empty", "True": "true", "False": "false"}.get(str(value), str(value))
        assert default == shown, name


def test_every_key_of_the_configuration_is_on_its_page() -> None:
    assert reference.table() in (ROOT / "docs/configuration.md").read_text()
    assert [row.path for row in reference.rows() if not row.what] == []


def test_limits_of_the_gateway() -> None:
    rows = {row[0]: row[1] for row in document("docs/gateway.md").table("variable", "default")}
    defaults = read("playbooks/roles/gateway/defaults/main.yml")
    numbers = {name: str(value) for name, value in defaults.items() if type(value) is int}
    assert rows == numbers


def test_fields_of_the_gateways_log() -> None:
    template = (ROOT / "templates/nginx/landfall.conf.j2").read_text()
    log_format = template.partition("log_format landfall")[2].partition(";")[0]
    logged = re.findall(r'"(\w+)":', log_format)
    rows = document("docs/gateway.md").table("field", "what")
    assert [row[0] for row in rows] == logged


def test_codes_of_the_gateways_answers() -> None:
    template = (ROOT / "templates/nginx/landfall.conf.j2").read_text()
    said = set(re.findall(r"return (\d+) '.*\"code\":\"(\w+)\"", template))
    rows = document("docs/gateway.md").table("status", "code", "when")
    assert {(row[0], row[1]) for row in rows} == said


def test_traps_are_tested_as_the_page_says() -> None:
    tested = (ROOT / "tests/templates/test_gateway.py").read_text()
    for trap, _, test in document("docs/gateway.md").table("trap"):
        assert test == "by configuration" or f"def {test}(" in tested, trap


def test_classes_are_all_there() -> None:
    rows = document("docs/gateway.md").table("class")
    assert {row[0] for row in rows} == {each.value for each in Classification}


def test_parts_of_a_key() -> None:
    spec = load_all()["tiny-lm"]
    model = ModelSource(
        name="m",
        version="1",
        files=dict.fromkeys(PARTS.values(), ""),
        context=1,
        graph_bytes=1,
        classification=Classification.PUBLIC,
    )
    facts = Facts(machine="x86_64", cpu="", isa=(), python="", packages={"onnxruntime": "1.31.1"})
    rows = document("docs/engines.md").table("part", "is")
    assert [row[0] for row in rows] == list(key.parts(spec, model, facts))


def test_parts_of_a_key_on_a_gpu() -> None:
    spec = load(ROOT / "examples/engines/assistant.yaml")
    model = planned("m", catalog.models()["llama-3.1-8b"].shape, Classification.PUBLIC)
    facts = Facts(machine="x86_64", cpu="", isa=(), python="", packages={})
    [target] = anywhere(["L40S"])
    rows = document("docs/engines.md").table("part, on a GPU", "is")
    made = list(key.parts(spec, model, facts, target))
    assert [row[0] for row in rows] == made[made.index("target") + 1 :]


def test_keys_of_a_spec() -> None:
    rows = document("docs/engines.md").table("key", "what")
    shown = {path for row in rows for path in row[0].split(" or ")}
    written = set(paths(EngineSpec))
    assert shown == written


def paths(kind: Any, above: str = "") -> list[str]:
    found = []
    for name, info in kind.model_fields.items():
        inner = info.annotation
        deeper = hasattr(inner, "model_fields")
        found += paths(inner, f"{above}{name}.") if deeper else [f"{above}{name}"]
    return found


def test_endpoints_of_the_server() -> None:
    text, graph = (
        {re.sub(r"{(\w+)}", r"<\1>", each) for each in re.findall(r'Route\("([^"]+)"', source)}
        for source in (
            "".join(
                (ROOT / f"engines/serve/{name}.py").read_text() for name in ("app", "exchange")
            ),
            (ROOT / "engines/serve/graph_routes.py").read_text(),
        )
    )
    model = {f"/v2/models/<name>{end}" for end in ("", "/ready", "/infer")}
    for page, routes in (("docs/engines.md", text), ("docs/serving.md", graph | model)):
        rows = document(page).table("endpoint")
        assert {row[0].split()[1] for row in rows} == routes


def test_tags_of_a_version() -> None:
    rows = document("docs/training.md").table("tag")
    card = set(Card.__dataclass_fields__)
    assert {row[0] for row in rows} == card | {CONTENT_DIGEST, BYTES}


def test_kinds_signs_and_severities() -> None:
    rows = document("docs/preview.md").table("kind", "sign", "usual severity")
    assert {row[0]: row[1] for row in rows} == {kind.value: SIGN[kind] for kind in Kind}
    for name, _, severity in rows:
        assert severity.split(";")[0] == SEVERITY_OF[Kind(name)].name.lower()
    halves = document("docs/preview.md").table("half")
    assert {row[0] for row in halves} == {half.value for half in Half}


def test_exit_codes() -> None:
    codes = {str(int(code)) for code in ExitCode}
    assert {row[0] for row in document("docs/preview.md").table("code", "means")} == codes
    all_rows = document("docs/errors.md").table("code", "name", "from")
    raised = {str(each.exit_code) for each in tree().values()}
    assert {row[0] for row in all_rows} == codes | raised


def test_the_tree_of_errors() -> None:
    rows = document("docs/errors.md").table("error", "code", "when")
    assert {row[0]: int(row[1]) for row in rows} == {
        name: each.exit_code for name, each in tree().items()
    }


def tree() -> dict[str, type[LandfallError]]:
    found = {
        name: each
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, LandfallError)
    }
    assert found
    return found


def test_ports_of_a_rehearsal() -> None:
    from rehearsal.rack import demo
    from rehearsal.services import Ports

    rows = document("docs/rehearsal.md").table("port")
    ports = {forward.port for forward in demo(Path("rack")).forwards}
    assert {int(row[0]) for row in rows} == ports | {Ports().aws, Ports().registry}


def test_what_a_machine_needs_is_what_is_looked_for() -> None:
    from rehearsal.preflight import PROGRAMS
    from rehearsal.setup import FOR_TESTS

    text = "\n".join(row[0] for row in document("docs/rehearsal.md").table("what", "for"))
    every_debian = {"apt", "util-linux"}
    for package in {*PROGRAMS.values(), *FOR_TESTS.values()} - every_debian:
        assert package in text


def test_every_template_is_on_a_page() -> None:
    named = {code for page in documents() for code in page.code}
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "templates").rglob("*.j2")}
    # What lies below templates/etc/ becomes the file of the same path on a host.
    told = {each for each in there if not each.startswith("templates/etc/")}
    assert told - named == set()


def test_every_role_is_on_a_page_and_typed() -> None:
    named = {code for page in documents() for code in page.code}
    for role in sorted((ROOT / "playbooks/roles").iterdir()):
        assert f"playbooks/roles/{role.name}" in named
        assert (role / "meta/argument_specs.yml").is_file()


def test_what_status_points_at_is_there() -> None:
    for row in document("docs/status.md").table("claim"):
        assert len(row) == 7
        for word in re.findall(r"tests/[\w./]+", row[6]):
            assert (ROOT / word).exists(), row[0]
        assert row[3:5] == ["not yet", "not yet"], "then say when, and by what"


@pytest.mark.parametrize("page", ["docs/status.md"])
def test_nothing_is_claimed_without_a_way_to_see_it(page: str) -> None:
    for row in document(page).table("claim"):
        yes = "yes" in row[1:5]
        assert not yes or (row[5] and row[6]), row[0]
