"""The log: lines of JSON on stderr. Never a prompt, never an answer, whoever writes."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback


def log(**fields: object) -> None:
    """Write one line."""
    line = {"time": round(time.time(), 3), **fields}
    print(json.dumps(line, default=str), file=sys.stderr, flush=True)


def install() -> None:
    """Send what libraries log here too."""
    logging.basicConfig(level=logging.WARNING, handlers=[_Lines()], force=True)


class _Lines(logging.Handler):
    """What a library says, but not about what.

    Arguments and messages of exceptions can quote a request: only class and place are kept.
    """

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": str(record.msg),
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            places = traceback.extract_tb(error.__traceback__)
            fields["error"] = type(error).__name__
            fields["place"] = f"{places[-1].filename}:{places[-1].lineno}" if places else ""
        log(**fields)
