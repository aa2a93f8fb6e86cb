"""`python -m stacks up ENV --state FOLDER`: bring a tree's own cloud half up, offline.

A preview against a base commit runs this in a checkout of that commit, so that the state to
compare with is made by the code of that commit.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from landfall.errors import Interrupted, LandfallError
from landfall.model.environment import Environment, cache_folder
from stacks import toolchain
from stacks.declared import risen


def up(environment: Environment, state: Path) -> dict[str, object]:
    """Bring the cloud half of `environment` up in the offline state folder `state`.

    An environment whose outputs it uses comes first.
    """
    tools = toolchain.ensure(cache_folder(), on_progress=lambda line: print(line, file=sys.stderr))
    with risen(environment, tools, state) as (_, outputs):
        return outputs


def main() -> int:
    """Do what the command line asks; the exit code of the error where there is one."""
    parser = argparse.ArgumentParser(prog="python -m stacks", description=__doc__)
    parser.add_argument("action", choices=["up"])
    parser.add_argument("environment")
    parser.add_argument("--state", type=Path, required=True, help="the offline state folder")
    words = parser.parse_args()
    try:
        print(json.dumps(up(Environment(name=words.environment, root=Path.cwd()), words.state)))
    except LandfallError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; run it again to go on", file=sys.stderr)
        return Interrupted.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
