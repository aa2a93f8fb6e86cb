#!/usr/bin/python
"""Ask a gateway one real question, and say how it went; the key appears nowhere."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.error import HTTPError

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

DOCUMENTATION = r"""
module: landfall_prompt
short_description: Ask a gateway one real question, and say how it went
description:
  - Succeeds when every served name answers with text. Changes nothing.
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


def problem(status: int, body: str) -> str:
    """What is wrong with an answer; "" where nothing is. Quotes no part of what was generated."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        value = None
    error = value.get("error") if isinstance(value, dict) else None
    if status != 200:  # noqa: PLR2004  HTTP's own number for success
        said = error.get("message", "") if isinstance(error, dict) else ""
        return f"status {status}{': ' if said else ''}{said}"
    choices = value.get("choices") if isinstance(value, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else {}
    message = first.get("message") if isinstance(first, dict) else None
    text = message.get("content") if isinstance(message, dict) else None
    return "" if isinstance(text, str) and text.strip() else "an answer without text"


def ask(parameters: dict[str, Any], name: str) -> str:
    """Ask one served name; what is wrong with its answer."""
    body = {
        "model": name,
        "messages": [{"role": "user", "content": parameters["prompt"]}],
        "max_tokens": parameters["max_tokens"],
    }
    try:
        answer = open_url(
            f"{parameters['url']}/{name}/v1/chat/completions",
            data=json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {parameters['key']}",
                "Content-Type": "application/json",
            },
            method="POST",
            timeout=parameters["timeout_s"],
            use_proxy=False,
        )
        return problem(answer.code, answer.read().decode("utf-8", "replace"))
    except HTTPError as error:
        return problem(error.code, error.read().decode("utf-8", "replace"))
    except OSError as error:
        return f"no answer: {error}"


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
