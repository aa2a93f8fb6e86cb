"""`python -m engines.supervise.check`: whether an engine may be started here, and when.

Every byte of it is what was signed, this host can run it, and the GPUs that it is given are those
that it was built for. Ends with 1 and the reasons where not. A process of its own, because what
verifies takes memory that the supervisor would keep.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from engines import facts, preflight
from engines.facts import Facts
from engines.manifest import Predicate
from engines.serve.load import verify
from engines.supervise import pause
from landfall.errors import LandfallError, Problem, Refused


def main(argv: Sequence[str] | None = None) -> int:
    """Wait as long as failures ask for, then verify."""
    arguments = parser().parse_args(argv)
    seconds = pause.pause_s(pause.failures(arguments.failures), time.time())
    if seconds:
        _say(f"it failed before; the next start is in {seconds:.0f} s")
        time.sleep(seconds)
    try:
        engine = verify(
            arguments.engine, signature=arguments.signature, public_key=arguments.public_key
        )
        check(engine.about, facts.read(), arguments.gpus)
    except LandfallError as error:
        _say(str(error))
        return error.exit_code
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m engines.supervise.check", description=__doc__)
    made.add_argument("--engine", type=Path, required=True, help="the engine's folder")
    made.add_argument("--signature", type=Path, required=True)
    made.add_argument("--public-key", type=Path, required=True)
    made.add_argument("--gpus", type=_numbers, required=True, help="that it is given, as 0,1")
    made.add_argument("--failures", type=Path, required=True, help="where failures are counted")
    return made


def _numbers(text: str) -> tuple[int, ...]:
    if not all(each.isdigit() for each in text.split(",")):
        raise argparse.ArgumentTypeError(f"must be numbers with commas between them, not {text!r}")
    return tuple(int(each) for each in text.split(","))


def _say(text: str) -> None:
    print(f"engines.supervise: {text}", file=sys.stderr, flush=True)


def check(about: Predicate, here: Facts, gpus: Sequence[int]) -> None:
    """Let the engine have these GPUs, or refuse with everything that is wrong.

    Raises:
        Refused: names every GPU that is another one or not there.
    """
    found = list(problems(about, here, gpus))
    if found:
        lines = "".join(f"\n  {each}" for each in found)
        raise Refused(
            f"engine {about.engine} {about.key[:12]} cannot have GPU"
            f" {', '.join(map(str, gpus)) or 'none'} of this host:{lines}",
            hint="Compare host.gpus in the inventory with nvidia-smi, and play the site again.",
        )


def problems(about: Predicate, here: Facts, gpus: Sequence[int]) -> Iterator[Problem]:
    """What is wrong with these GPUs, by their number in nvidia-smi."""
    if len(gpus) != about.parallelism.gpus:
        message = f"{len(gpus)} given; the engine needs {about.parallelism.gpus}"
        yield Problem(path="gpus", message=message)
    built_on = about.host.devices[0] if about.host.devices else None
    for index in gpus:
        if index >= len(here.devices):
            has = f"{len(here.devices)} that the driver tells of"
            yield Problem(path=f"gpu {index}", message=f"not there; this host has {has}")
        elif not preflight.same(here.devices[index].name, about.target, built_on):
            wanted = built_on.name if built_on else about.target
            message = f"is {here.devices[index].name}; the engine was built for {wanted}"
            yield Problem(path=f"gpu {index}", message=message)


if __name__ == "__main__":
    raise SystemExit(main())
