"""What documents point at is there, and they name nobody's machine."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from landfall.model.environment import ROOT
from tests.docs.documents import Document, documents, slug

ALL = documents()
BY_NAME = {each.name: each for each in ALL}

OURS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
"""Top-level folders: what begins with one of them looks like a path of the repository."""

HOSTS = {"127.0.0.1", "github.com", "keepachangelog.com", "semver.org"}
"""Where a document may point. Registries are named by nobody: each site has its own."""

SHARED = (
    *("/dev/md", "/dev/mapper", "/dev/nvme", "/dev/shm", "/dev/tpm", "/boot", "/etc/", "/opt/"),
    *("/proc", "/run/", "/srv/data", "/srv/landfall", "/sys", "/tmp", "/usr/", "/var"),
)
"""Where a Debian host has the same things as any other."""

HTTP = ("/v1", "/v2", "/versions", "/health", "/metrics", "/path", "/16", "/22", "/30")
"""Paths of requests, and lengths of prefixes."""


def each_document(function: object) -> object:
    return pytest.mark.parametrize("page", ALL, ids=[each.name for each in ALL])(function)


def broken(page: Document) -> list[str]:
    found = []
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (page.folder / parts.path).resolve() if parts.path else ROOT / page.name
        if not target.exists():
            found.append(link)
        elif parts.fragment:
            there = BY_NAME[str(target.relative_to(ROOT))]
            if parts.fragment not in there.anchors:
                found.append(link)
    return found


def absent(page: Document) -> list[str]:
    """Paths of the repository that stand in backticks and are not there."""
    found = []
    for code in page.code:
        word = code.strip()
        if re.search(r"[<>*\s{}$]", word) or word.split("/")[0] not in OURS or "/" not in word:
            continue
        if not (ROOT / word).exists():
            found.append(word)
    return found


NOBODYS = ("/dev/xvda",)
"""Names on a rented machine."""


def places(page: Document) -> list[str]:
    """Absolute paths that only somebody's machine has."""
    words = re.findall(r"(?<![\w.:/)>~*}<-])/[a-z0-9][\w./-]*", page.text)
    return [word for word in words if not word.startswith((*SHARED, *HTTP, *NOBODYS))]


def strangers(page: Document) -> list[str]:
    hosts = {urlsplit(url).hostname for url in re.findall(r"https?://[^\s)>`\"]+", page.text)}
    return sorted(str(host) for host in hosts - HOSTS)


@each_document
def test_links_lead_somewhere(page: Document) -> None:
    assert broken(page) == []


@each_document
def test_paths_are_there(page: Document) -> None:
    assert absent(page) == []


@each_document
def test_no_place_of_somebodys_machine(page: Document) -> None:
    assert places(page) == []


@each_document
def test_no_host_but_the_known(page: Document) -> None:
    assert strangers(page) == []


@each_document
def test_a_page_has_one_title_and_no_two_headings_alike(page: Document) -> None:
    titles = re.findall(r"^# .+$", page.prose, re.M)
    assert len(titles) == 1
    headings = [slug(each) for each in re.findall(r"^#{2,3} (.+)$", page.prose, re.M)]
    # A changelog has the same headings for each version.
    assert len(headings) == len(set(headings)) or page.name == "CHANGELOG.md"


def test_every_page_is_reached_from_another() -> None:
    linked = {
        (page.folder / urlsplit(link).path).resolve()
        for page in ALL
        for link in page.links
        if not urlsplit(link).scheme and urlsplit(link).path
    }
    roots = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}
    pages = {ROOT / page.name for page in ALL if page.name not in roots}
    assert sorted(str(path.relative_to(ROOT)) for path in pages - linked) == []


def test_decisions_are_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in (ROOT / "docs/decisions").glob("*.md"))
    assert [name[:4] for name in names] == [f"{n:04}" for n in range(1, len(names) + 1)]
    for name in names:
        text = (ROOT / "docs/decisions" / name).read_text()
        assert text.startswith(f"# {name[:4]} ")
        for part in ("**Context.**", "**Decision.**", "**Consequences.**"):
            assert part in text, f"{name} has no {part}"


def test_the_picture_is_plain_and_readable() -> None:
    picture = (ROOT / "docs/loop.svg").read_text()
    assert not re.search(r"<script|<image|<foreignObject|href=|\son\w+=|@import", picture)
    assert "prefers-color-scheme: dark" in picture
    assert "<title" in picture
    assert min(map(int, re.findall(r"font-size: (\d+)px", picture))) >= 14


@pytest.mark.parametrize(
    ("text", "check", "found"),
    [
        ("[a](nowhere.md)", broken, ["nowhere.md"]),
        ("# Here\n[a](#here) [b](#there)", broken, ["#there"]),
        ("[a](docs/errors.md#no-such)", broken, ["docs/errors.md#no-such"]),
        ("`docs/errors.md` `docs/nowhere.md` `stacks/<name>.py`", absent, ["docs/nowhere.md"]),
        ("see /srv/jane/key, /etc/hosts and /v1/models", places, ["/srv/jane/key"]),
        ("https://packages.example.org/simple", strangers, ["packages.example.org"]),
    ],
)
def test_what_is_wrong_is_seen(text: str, check: object, found: list[str]) -> None:
    page = Document(name=str(Path("README.md")), text=text)
    before = BY_NAME.get(page.name)
    BY_NAME[page.name] = page
    try:
        assert callable(check)
        assert check(page) == found
    finally:
        if before is not None:
            BY_NAME[page.name] = before
