"""The only module that imports Jinja.

Templates lay out; Python decides. The options are those of Ansible's `template` module, so that a
file comes out the same whether Python or a role writes it (a test compares the bytes).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2
import jinja2.sandbox

from landfall.errors import InvalidInput, Problem

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
"""Where templates stand, laid out as the paths that they become."""


def environment(folder: Path = TEMPLATES) -> jinja2.Environment:
    """A Jinja environment with Ansible's options: StrictUndefined, trimmed block lines."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=False,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  configuration files, not HTML
    )


def render(template: str, values: Mapping[str, object], *, folder: Path = TEMPLATES) -> str:
    """The text of `template` (a path below `folder`) with `values`.

    Raises:
        InvalidInput: the template uses a value that is not given, or is not valid Jinja.
    """
    try:
        return environment(folder).get_template(template).render(values)
    except jinja2.TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f"line {line}" if line else ""
        raise InvalidInput(
            f"templates/{template}", [Problem(path=where, message=str(error.message))]
        ) from error


def render_text(source: str, values: Mapping[str, object]) -> str:
    """The text of a template that came with data, e.g. a model's chat template, in a sandbox.

    Raises:
        InvalidInput: the template is not valid, uses what is not given, or reaches outside.
    """
    sandbox = jinja2.sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    try:
        return sandbox.from_string(source).render(values)
    except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        # Of the values only their names may be told: they can be somebody's prompt.
        message = f"the template failed: {type(error).__name__}"
        raise InvalidInput("template", [Problem(path="", message=message)]) from error
