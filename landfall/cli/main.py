"""The `landfall` command: its commands, and the one handler for every error."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer
from rich.console import Console
from rich.markup import escape

from landfall.cli import (
    admit,
    ask,
    cost,
    demo,
    destroy,
    doctor,
    down,
    engine,
    engine_inquiry,
    engine_life,
    engine_load,
    engine_poll,
    engine_release,
    engine_store,
    graph,
    handoff,
    mirror,
    offline,
    preview,
    revoke,
    site,
    status,
    up,
    workflow,
)
from landfall.errors import Interrupted, LandfallError

app = typer.Typer(
    name="landfall",
    help="Train in the cloud, infer on your own metal.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

MODULES = (
    doctor,
    up,
    down,
    destroy,
    preview,
    site,
    ask,
    admit,
    revoke,
    cost,
    status,
    offline,
    graph,
    handoff,
    mirror,
    workflow,
    demo,
)
for module in MODULES:
    app.command(module.NAME, help=module.HELP, context_settings=module.CONTEXT)(module.command)
for group in (engine_release, engine_load, engine_life, engine_store, engine_inquiry, engine_poll):
    group.add_to(engine.app)
app.add_typer(engine.app, name="engine")


def main() -> None:
    """Run the command; end with the exit code of what went wrong, if anything did."""
    signal.signal(signal.SIGTERM, _terminated)
    console = Console(stderr=True, soft_wrap=True)
    try:
        code = app(standalone_mode=False)
        if code == Interrupted.exit_code:  # the argument parser turns Ctrl-C into its code
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except LandfallError as error:
        console.print(f"[bold red]error[/] {escape(error.message)}")
        if error.hint:
            console.print(f"[bold]hint[/]  {escape(error.hint)}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.print("[bold]interrupted[/]: what was begun has been ended; run it again to go on")
        sys.exit(Interrupted.exit_code)
    except Exception as error:
        _click_error(error, console)


def _click_error(error: Exception, console: Console) -> None:
    """Usage errors of the argument parser, without its traceback; anything else goes on."""
    shown = getattr(error, "format_message", None)
    if shown is None:
        raise error
    console.print(f"[bold red]error[/] {escape(shown())}")
    console.print("[bold]hint[/]  landfall --help shows every command")
    sys.exit(int(getattr(error, "exit_code", 2)))


def _terminated(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
