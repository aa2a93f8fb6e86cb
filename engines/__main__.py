"""`python -m engines`: what hosts need. JSON on stdout, progress and errors on stderr."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from engines import build, facts, manifest, preflight, sign
from engines import plan as plans
from engines.build_contained import Given
from landfall import files
from landfall.errors import Interrupted, InvalidInput, LandfallError, Problem
from landfall.model.parsing import parse


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
    given = Given(
        registry=arguments.registry,
        timings=arguments.timings,
        beside={place: arguments.beside / place for place in plan.source.beside}
        if arguments.beside
        else {},
    )
    folder = build.run(plan, arguments.source, arguments.out, _progress, given)
    found = manifest.read(folder).predicate.model_dump(mode="json", include={"quality", "speed"})
    return {"key": plan.key, "folder": str(folder), **found}


def _key(arguments: argparse.Namespace) -> object:
    plan = plans.read(_text(arguments.plan), source=str(arguments.plan))
    return {"key": plan.key, "parts": plan.parts}


def _verify(arguments: argparse.Namespace) -> object:
    signer = sign.verify(arguments.folder, arguments.signature, arguments.key)
    predicate = manifest.check(arguments.folder).predicate
    return {"engine": predicate.engine, "key": predicate.key, "verified": True, "signer": signer}


def _sign(arguments: argparse.Namespace) -> object:
    if arguments.approver:
        manifest.approve(arguments.folder, arguments.approver)
    else:
        manifest.check(arguments.folder)
    sign.sign(arguments.folder, arguments.signature, _signer(arguments))
    return {"signature": str(arguments.signature)}


def _signer(arguments: argparse.Namespace) -> sign.KeyFile | sign.Token:
    secret = _secret(arguments.secret_fd) if arguments.secret_fd is not None else b""
    rest = {"certificate": arguments.certificate, "chain": tuple(arguments.chain)}
    if arguments.token:
        if arguments.module is None:
            message = "is needed to speak with a token: the library of its maker"
            raise InvalidInput("sign", [Problem(path="--module", message=message)])
        return sign.Token(uri=arguments.token, module=arguments.module, pin=secret, **rest)
    return sign.KeyFile(private_key=arguments.key, password=secret or None, **rest)


def _secret(descriptor: int) -> bytes:
    """What a descriptor holds, to its end: a secret in argv or in the environment can be seen."""
    with open(descriptor, "rb", closefd=False) as stream:
        return stream.read().rstrip(b"\r\n")


def _preflight(arguments: argparse.Namespace) -> object:
    here = facts.read()
    if arguments.facts:
        here = parse(facts.Facts, json.loads(_text(arguments.facts)), source=str(arguments.facts))
    about = manifest.read(arguments.folder).predicate
    size = files.size(arguments.folder)
    preflight.check(about, here, size=size)
    return {"engine": about.engine, "key": about.key, "runs": True}


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
    build_.add_argument("--registry", default="", help="the site's, where the image came from")
    build_.add_argument("--timings", type=Path, help="of kernels, that the plan is pinned to")
    build_.add_argument("--beside", type=Path, help="a folder with draft/ and adapters/NAME/")
    build_.set_defaults(run=_build)
    key_ = commands.add_parser("key", help="the key of a plan, and its parts")
    key_.add_argument("--plan", type=Path, required=True)
    key_.set_defaults(run=_key)
    verify_ = commands.add_parser("verify", help="check an engine's signature and files")
    verify_.add_argument("folder", type=Path)
    verify_.add_argument("--signature", type=Path, required=True)
    verify_.add_argument(
        "--key", type=Path, required=True, help="the public key, or roots and revocation lists"
    )
    verify_.set_defaults(run=_verify)
    _add_sign(commands.add_parser("sign", help="sign an engine, on the signer's own machine"))
    preflight_ = commands.add_parser("preflight", help="whether this host can run an engine")
    preflight_.add_argument("folder", type=Path)
    preflight_.add_argument(
        "--facts", type=Path, nargs="?", help="of another host; this one's without a file"
    )
    preflight_.set_defaults(run=_preflight)
    return parser


def _add_sign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path)
    parser.add_argument("--signature", type=Path, required=True)
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key", type=Path, help="a private key in a file")
    key.add_argument("--token", help="a key in a token, as pkcs11:token=...;object=...")
    parser.add_argument("--module", type=Path, help="the library of the token's maker")
    parser.add_argument("--secret-fd", type=int, help="a descriptor with the password or the PIN")
    parser.add_argument("--certificate", type=Path, help="of the key")
    parser.add_argument("--chain", type=Path, action="append", default=[], help="up to the root")
    parser.add_argument("--approver", default="", help="written into the manifest that is signed")
    parser.set_defaults(run=_sign)


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
