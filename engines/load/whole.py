"""One request whose answer comes at once: an embedding, or a graph's outputs. Timed as others."""

from __future__ import annotations

import http.client
import json
import time
from urllib.parse import urlsplit

from engines.load.ask import OK, Answer, Target, connect, failure, headers

EMBEDDINGS = "/v1/embeddings"


def infer(name: str) -> str:
    """Where the Open Inference Protocol asks the model `name`."""
    return f"/v2/models/{name}/infer"


def embedding(model: str, text: str | list[int]) -> str:
    """The body that asks for one text's vector."""
    return json.dumps({"model": model, "input": text})


def post(target: Target, path: str, body: str) -> Answer:
    """Send one request on a connection of its own; the answer's text is its body.

    There are no tokens, so `first` is None and only the end counts.
    """
    where = f"{urlsplit(target.url).path.rstrip('/')}{path}"
    try:
        connection = connect(target)
        try:
            connection.request("POST", where, body, headers(target))
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        return failure(error)
    wrong = "" if response.status == OK else str(response.status)
    return Answer(text="" if wrong else text, ended=time.perf_counter(), error=wrong)
