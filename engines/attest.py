"""What a manifest says of every build: the plan, the host, the materials, who and when."""

from __future__ import annotations

import datetime as dt
import os
import platform

from engines import manifest
from engines.facts import Facts
from engines.limits import Parallelism
from engines.plan import Plan

BUILDER = "landfall engines/1"


def predicate(plan: Plan, host: Facts, version: str) -> manifest.Predicate:
    """A predicate before anything was measured. `version`: of the backend that built it."""
    built = os.environ.get("SOURCE_DATE_EPOCH")
    moment = dt.datetime.fromtimestamp(int(built), dt.UTC) if built else dt.datetime.now(dt.UTC)
    return manifest.Predicate(
        engine=plan.engine,
        key=plan.key,
        parts=plan.parts,
        backend=plan.backend,
        backend_version=version,
        precision=plan.precision,
        target=plan.target,
        classification=plan.classification,
        slots=plan.slots,
        room=plan.room,
        builder=BUILDER,
        built=moment.replace(microsecond=0),
        host=host,
        materials=manifest.Materials(
            model=plan.source.name,
            version=plan.source.version,
            files=plan.source.files,
            training_data=plan.source.data_digest,
            classification=plan.source.classification,
            run=plan.source.run,
            commit=plan.source.commit,
        ),
        kind=plan.kind,
        mode=plan.mode,
        container=plan.container,
        parallelism=Parallelism(tensor=plan.tensor, pipeline=plan.pipeline),
        timing_cache=plan.timing_cache,
        built_by=platform.node(),
        serve=plan.serve,
    )
