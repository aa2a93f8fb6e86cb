"""What a container is asked: the manifest's own command at this host's port, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import recipes
from landfall.model import contained
from landfall.model.contained import Builder, Command, Gpu, Parallelism

IMAGE = f"engines/vllm@sha256:{'a' * 64}"
SERVE = Command(argv=("vllm", "serve", "/model", "--port", "8000"), settings={"health": "/health"})


def engine(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "container": IMAGE,
        "target": "L40S",
        "parallelism": Parallelism(),
        "serve": SERVE,
        "host": Builder(),
    }
    told = contained.of_manifest(**{**values, **changes})
    return {"key": "1" * 64, "name": "coder", "port": 20001, "contained": told}


def test_what_is_told_of_a_manifest() -> None:
    told = engine(parallelism=Parallelism(tensor=2, pipeline=2))["contained"]
    assert (told["image"], told["digest"]) == ("engines/vllm", f"sha256:{'a' * 64}")
    assert (told["gpus"], told["model"]) == (4, "L40S")
    built = engine(host=Builder(devices=(Gpu(name="NVIDIA H100 80GB HBM3"),)))
    assert built["contained"]["model"] == "NVIDIA H100 80GB HBM3"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a tag": ({"container": "engines/vllm:latest"}, "is not named by digest"),
    "no command": ({"serve": None}, "does not say what serves it; build it again"),
    "no port": (
        {"serve": Command(argv=("vllm", "serve"), settings={"health": "/health"})},
        "has no --port of its own",
    ),
    "no health": (
        {"serve": Command(argv=SERVE.argv)},
        "does not say where it tells its health",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_served_is_told(case: str) -> None:
    changes, told = REFUSED[case]
    [found] = contained.refusals(engine(**changes))
    assert found.startswith("coder 111111111111: ")
    assert told in found


def test_what_can_be_served_is_not_refused() -> None:
    assert contained.refusals(engine()) == []


def test_the_places_are_those_of_the_recipes() -> None:
    named = [
        recipes.MODEL, recipes.CHECKPOINT, recipes.ENGINE, recipes.CONFIGURATION,
        recipes.GENERATION, recipes.DRAFT, recipes.ADAPTERS,
    ]  # fmt: skip
    assert {"/" + each.split("/")[1] for each in named} == set(contained.PLACES)


@pytest.mark.parametrize(
    ("word", "targets"),
    [
        ("/work/engine", ["/work"]),
        ("/model", ["/model"]),
        ('{"model": "/draft"}', ["/draft"]),
        ("polite=/adapters/polite", ["/adapters"]),
        ("/models", []),
        ("a/model", []),
    ],
)
def test_a_command_sees_the_places_that_it_names(word: str, targets: list[str]) -> None:
    asked = engine(serve=Command(argv=("serve", word, "--port", "1"), settings={"health": "/h"}))
    found = contained.asked(asked, [0], folder="/srv", shared_memory="1g")
    assert [each["target"] for each in found["mounts"]] == targets


@given(st.lists(st.text(min_size=1)), st.integers(1, 65535), st.lists(st.text(min_size=1)))
def test_only_the_port_changes(before: list[str], port: int, after: list[str]) -> None:
    before = [each for each in before if each != "--port"]
    words = [*before, "--port", "8000", *after]
    assert contained.at_port(words, port) == [*before, "--port", str(port), *after]
