"""The log keeps to itself what requests say."""

from __future__ import annotations

import json
import logging

import pytest

from engines.serve import logs


def test_arguments_and_messages_of_exceptions_are_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = logging.Logger("uvicorn.error")
    logger.addHandler(logs._Lines())
    try:
        raise ValueError("kanarienvogel")
    except ValueError:
        logger.exception("failed on %s", "kanarienvogel")
    line = json.loads(capsys.readouterr().err)
    assert "kanarienvogel" not in str(line)
    assert (line["message"], line["error"]) == ("failed on %s", "ValueError")
    assert "test_logs.py" in line["place"]
