"""The page on intake says what records have."""

from __future__ import annotations

import re

from landfall.model.admission import TAGS, Admission, Kind
from tests.docs.documents import document

PAGE = document("docs/intake.md")


def test_fields_of_a_record() -> None:
    rows = [row[0] for row in PAGE.table("field", "what")]
    assert rows == [name for name in Admission.model_fields if name != "kind"]


def test_kinds_and_tags() -> None:
    for word in (*Kind, *TAGS):
        assert f"`{word}`" in PAGE.text, word


def test_the_shown_record_path_exists() -> None:
    assert set(re.findall(r"admissions/\w+/[\w-]+\.yaml", PAGE.text)) == {
        "admissions/dataset/tiny-lm-text.yaml"
    }
