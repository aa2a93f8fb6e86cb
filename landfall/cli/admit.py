"""landfall admit: let a data set, a base model, an image or a package in."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from landfall.cli import arguments
from landfall.cli.console import print_json, reporter
from landfall.errors import UsageError
from landfall.model.admission import Destination

NAME = "admit"
HELP = """Compare a file or a folder with its admission record, and bring it into a half.

Nothing enters without a record, nor with bytes that the record does not name. Run again after an
interruption, it goes on.

Example: landfall admit admissions/dataset/tiny-lm-text.yaml examples/tiny_lm/corpus --to cloud
"""
CONTEXT = arguments.PLAIN


def command(
    record: Annotated[Path, typer.Argument(help="The record, admissions/<kind>/<name>.yaml.")],
    path: Annotated[Path, typer.Argument(help="The file or the folder that it is about.")],
    to: Annotated[Destination, typer.Option(help="The half that it enters.")],
    bucket: Annotated[str, typer.Option(help="With --to cloud: the bucket to put it in.")] = "",
    folder: Annotated[
        Path | None, typer.Option(help="With --to site: the folder to copy it below.")
    ] = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Verify, then bring in; only verify where neither a bucket nor a folder is given."""
    from landfall.cli.flow import intake

    if (folder and to is Destination.CLOUD) or (bucket and to is Destination.SITE):
        raise UsageError("--bucket goes with --to cloud, --folder with --to site")
    tell = reporter()
    with tell.step(f"comparing {path} with its record") as step:
        ready = intake.plan(record, path, to)
        step.result = f"{len(ready.manifest.entries)} files, {ready.record.digest}"
    done = None
    if bucket or folder:
        with tell.step(f"{ready.record.id} to {bucket or folder}") as step:
            if folder:
                done = intake.to_folder(ready, folder, step.update)
            else:
                done = intake.to_bucket(ready, bucket, step.update)
            step.result = f"{done.written} files written, {done.kept} there already"
    if as_json:
        told = {
            "admission": ready.record.id,
            "classification": ready.record.classification.value,
            "digest": ready.record.digest,
            "bytes": ready.manifest.size,
            "entered": asdict(done) if done else None,
        }
        print_json(told)
    elif done is None:
        tell.say("nothing was brought in: say where with --bucket or --folder")
