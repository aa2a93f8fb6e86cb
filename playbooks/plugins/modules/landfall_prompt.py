#!/usr/bin/python
"""Ask a gateway one real question, and say how it went; the key appears nowhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

DOCUMENTATION = r"""
module: landfall_prompt
short_description: Ask a gateway one real question, and say how it went
description:
  - Succeeds when every served name answers, by its kind with text or a vector, or, a graph, says
    that it is ready. Changes nothing.
  - Neither the key nor the answer is in the result.
options:
  url:
    description: The gateway, as scheme, host and port.
    type: str
    required: true
  key:
    description: The API key of a tenant.
    type: str
    required: true
  names:
    description: The served names.
    type: list
    elements: str
    required: true
  prompt:
    description: What is asked.
    type: str
    default: Are you there?
  max_tokens:
    description: The longest answer, in tokens.
    type: int
    default: 8
  undrained:
    description: A host that is drained counts as one that does not answer.
    type: bool
    default: false
  patience_s:
    description: How long to try again, in seconds.
    type: int
    default: 30
  timeout_s:
    description: How long one answer may take, in seconds.
    type: int
    default: 60
author:
  - Landfall
"""

EXAMPLES = r"""
- name: Ask the host
  landfall_prompt:
    url: http://127.0.0.1:8080
    key: "{{ lookup('amazon.aws.secretsmanager_secret', 'landfall/dev/gateway/clinic') }}"
    names: [tiny-lm]
"""

RETURN = r"""
answers:
  description: For each served name the seconds that its answer took.
  returned: success
  type: dict
"""

INTERVAL_S = 1.0
TEXT = "text_generation"


def problem(status: int, body: str, holds: Callable[[Any], bool], lacks: str) -> str:
    """What is wrong with an answer; "" where nothing is. Quotes no part of what was generated."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        value = None
    error = value.get("error") if isinstance(value, dict) else None
    if status != 200:  # noqa: PLR2004  HTTP's own number for success
        said = error.get("message", "") if isinstance(error, dict) else ""
        return f"status {status}{': ' if said else ''}{said}"
    try:
        return "" if holds(value) else lacks
    except (LookupError, TypeError, AttributeError):
        return lacks


def has_text(value: Any) -> bool:
    """Whether a chat's answer has text."""
    return bool(value["choices"][0]["message"]["content"].strip())


def has_vector(value: Any) -> bool:
    """Whether an answer has a vector."""
    return len(value["data"][0]["embedding"]) > 0


def is_ready(value: Any) -> bool:
    """Whether a graph says that it is ready; what it takes is known to its callers alone."""
    return value["ready"] is True


def ask(parameters: dict[str, Any], name: str) -> str:
    """Ask one served name what its kind of engine answers; what is wrong with its answer."""
    try:
        kind = kind_of(parameters, name)
        if kind == "embedding":
            # A token that every vocabulary has: its own may not read text.
            status, body = send(parameters, f"/{name}/v1/embeddings",
                                {"model": name, "input": [1]})  # fmt: skip
            return problem(status, body, has_vector, "an answer without a vector")
        if kind == "onnx_graph":
            status, body = send(parameters, f"/v2/models/{name}/ready", None)
            return problem(status, body, is_ready, "a graph that is not ready")
        question = {
            "model": name,
            "messages": [{"role": "user", "content": parameters["prompt"]}],
            "max_tokens": parameters["max_tokens"],
        }
        status, body = send(parameters, f"/{name}/v1/chat/completions", question)
        return problem(status, body, has_text, "an answer without text")
    except OSError as error:
        return f"no answer: {error}"


def kind_of(parameters: dict[str, Any], name: str) -> str:
    """The kind of the engine that answers; text generation where it does not say."""
    status, body = send(parameters, f"/{name}/v1/models", None)
    try:
        return str(json.loads(body)["data"][0]["kind"]) if status == 200 else TEXT  # noqa: PLR2004
    except (ValueError, LookupError, TypeError):
        return TEXT


def send(parameters: dict[str, Any], path: str, body: object) -> tuple[int, str]:
    """Send one request with the tenant's key; status and body of the answer.

    Raises:
        OSError: there is none.
    """
    try:
        answer = open_url(
            f"{parameters['url']}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {parameters['key']}",
                "Content-Type": "application/json",
            },
            method="GET" if body is None else "POST",
            timeout=parameters["timeout_s"],
            use_proxy=False,
        )
        return answer.code, answer.read().decode("utf-8", "replace")
    except HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")


def drained(parameters: dict[str, Any]) -> bool:
    """Whether the gateway says that its host is drained."""
    try:
        open_url(f"{parameters['url']}/health", timeout=parameters["timeout_s"], use_proxy=False)
    except HTTPError as error:
        return bool(error.code == 503)  # noqa: PLR2004  Service Unavailable
    except OSError:
        return False  # it does not answer at all, which the questions will tell
    return False


def main() -> None:
    """Ask every served name until it answers or patience ends."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "key": {"type": "str", "required": True, "no_log": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "prompt": {"type": "str", "default": "Are you there?"},
            "max_tokens": {"type": "int", "default": 8},
            "undrained": {"type": "bool", "default": False},
            "patience_s": {"type": "int", "default": 30},
            "timeout_s": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    given = module.params
    if given["undrained"] and drained(given):
        module.fail_json(msg=f"{given['url']} is drained")
    deadline = time.monotonic() + given["patience_s"]
    answers, wrong = {}, {}
    for name in given["names"]:
        begun = time.monotonic()
        found = ask(given, name)
        while found and time.monotonic() < deadline:
            time.sleep(INTERVAL_S)
            begun = time.monotonic()
            found = ask(given, name)
        if found:
            wrong[name] = found
        else:
            answers[name] = round(time.monotonic() - begun, 3)
    if wrong:
        told = "; ".join(f"{name}: {reason}" for name, reason in sorted(wrong.items()))
        module.fail_json(msg=f"{given['url']} does not answer: {told}")
    module.exit_json(changed=False, answers=answers)


if __name__ == "__main__":
    main()
