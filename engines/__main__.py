"""`python -m engines`: what hosts need. JSON on stdout, progress and errors on stderr."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from engines import build, facts, manifest, sign
from engines import plan as plans
from landfall.errors import Interrupted, InvalidInput, LandfallError, Problem


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the exit code of the error where there is one."""
    arguments = _parser().parse_args(argv)
    try:
        result = arguments.run(arguments)
    except LandfallError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; nothing is half done", file=sys.stderr)
        return Interrupted.exit_code
    print(json.dumps(result, indent=2))
    return 0


def _facts(_: argparse.Namespace) -> object:
    return facts.read().model_dump(mode="json")


def _build(arguments: argparse.Namespace) -> object:
    plan = plans.read(_text(arguments.plan), source=str(arguments.plan))
    folder = build.run(plan, arguments.source, arguments.out, _progress)
    found = manifest.read(folder).predicate.model_dump(mode="json", include={"quality", "speed"})
    return {"key": plan.key, "folder": str(folder), **found}


def _key(arguments: argparse.Namespace) -> object:
    plan = plans.read(_text(arguments.plan), source=str(arguments.plan))
    return {"key": plan.key, "parts": plan.parts}


def _verify(arguments: argparse.Namespace) -> object:
    sign.verify(arguments.folder, arguments.signature, arguments.key)
    predicate = manifest.check(arguments.folder).predicate
    return {"engine": predicate.engine, "key": predicate.key, "verified": True}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engines", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    facts_ = commands.add_parser("facts", help="what this host is")
    facts_.add_argument("--json", action="store_true", help="the default, and the only form")
    facts_.set_defaults(run=_facts)
    build_ = commands.add_parser("build", help="carry out a plan")
    build_.add_argument("--plan", type=Path, required=True)
    build_.add_argument("--source", type=Path, required=True, help="the model's folder")
    build_.add_argument("--out", type=Path, required=True, help="the engine's folder")
    build_.set_defaults(run=_build)
    key_ = commands.add_parser("key", help="the key of a plan, and its parts")
    key_.add_argument("--plan", type=Path, required=True)
    key_.set_defaults(run=_key)
    verify_ = commands.add_parser("verify", help="check an engine's signature and files")
    verify_.add_argument("folder", type=Path)
    verify_.add_argument("--signature", type=Path, required=True)
    verify_.add_argument("--key", type=Path, required=True, help="the public key")
    verify_.set_defaults(run=_verify)
    return parser


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise InvalidInput(str(path), [Problem(path="", message=message)]) from error


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
