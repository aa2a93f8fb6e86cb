"""The provider that the engine talks to: Pulumi's ResourceProvider service for `aws`.

The plain servicer is used, not `pulumi.provider.experimental`: that one keeps the engine's
addresses in the globals of the Pulumi runtime, which would break a program that runs in the same
process, and needs an event loop of its own.
"""

# ruff: noqa: N802, ARG002  the service's methods have the names and arguments of its protocol

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2

from landfall.errors import Problem
from stacks.offline import (
    check,
    configuration,
    constraints,
    invokes,
    outputs,
    prepare,
    schema,
    semantics,
)
from stacks.offline.compare import Change, Sides, blank
from stacks.offline.constraints import Planned, View
from stacks.offline.diff import Difference, diff
from stacks.offline.prepare import FILLED, Surroundings
from stacks.offline.schema import ResourceSchema, UnknownType
from stacks.offline.service import Attached, checked, failures, refuse, token_of
from stacks.offline.service import Session as Connection
from stacks.offline.wire import Properties, decode, encode, reveal

VERSION = version("pulumi_aws")
"""The release of pulumi-aws whose place this provider takes: the installed one."""


def _unconfigured() -> Surroundings:
    return Surroundings(account=configuration.ACCOUNT, region="")


@dataclass(slots=True, kw_only=True)
class Session(Connection):
    """One connection of an engine: its configuration, and what its program has declared so far."""

    around: Surroundings = field(default_factory=_unconfigured)
    declared: dict[str, Planned] = field(default_factory=dict)


class OfflineProvider(Attached[Session]):
    """Answers an engine from the SDK's signatures and AWS's rules. Threads may share it."""

    def __init__(self) -> None:
        super().__init__(VERSION, Session)
        self._known: dict[str, Properties] = {}
        self._replaced: dict[str, tuple[str, str]] = {}
        """Resources that are to be replaced, by URN: their automatic name and their id."""

    # -- the provider itself -----------------------------------------------------------------

    def CheckConfig(self, request: Any, context: Any) -> Any:
        """Complete the provider's configuration and mark it as offline."""
        inputs, problems = configuration.complete(decode(request.olds), decode(request.news))
        return checked(inputs, problems)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        """A change of configuration never replaces the provider: resources have a region each."""
        olds = decode(request.old_inputs) or decode(request.olds)
        if not configuration.is_offline(olds):
            refuse(context, configuration.REFUSAL)
        names = configuration.changed(olds, decode(request.news))
        kind = provider_pb2.DiffResponse
        return kind(changes=kind.DIFF_SOME if names else kind.DIFF_NONE, diffs=names)

    def Configure(self, request: Any, context: Any) -> Any:
        """Take the configuration over for this connection."""
        inputs = decode(request.args)
        if reveal(inputs.get(configuration.MARK)) != configuration.MARKED:
            refuse(context, configuration.REFUSAL)
        self._session(context).around = configuration.surroundings(inputs)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    # -- resources ---------------------------------------------------------------------------

    def Check(self, request: Any, context: Any) -> Any:
        """Refuse what the SDK does not have, and fill in what the real provider fills in."""
        token, news, olds = token_of(request.urn), decode(request.news), decode(request.olds)
        try:
            found = schema.resource(token)
        except UnknownType:
            return checked(news, [_no_such_type(token)])
        rules = semantics.rules(token)
        name, _ = self._replaced.get(request.urn, ("", "")) if not olds else ("", "")
        session = self._session(context)
        inputs = prepare.fill(
            news,
            olds,
            urn=request.urn,
            schema=found,
            rules=rules,
            around=session.around,
            replaced=name,
        )
        problems = check.problems(inputs, found.inputs, free=_filled_only(found))
        return checked(inputs, problems or self._refused(session, request.urn, inputs))

    def Diff(self, request: Any, context: Any) -> Any:
        """What a change does to the resource; unknown rules are said in the engine's log."""
        sides = self._sides(request, context)
        found = diff(sides)
        self._remember(request.id, sides.state)
        self._note_id(request.urn, request.id, context)
        self._note_replacement(request, sides)
        for note in found.notes:
            self._warn(context, request.urn, note)
        return _diffed(found, sides)

    def Create(self, request: Any, context: Any) -> Any:
        """Plan or make a resource. Made ones exist in the engine's state only."""
        subject, inputs = self._subject(request.urn, context), decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(outputs.planned(subject, inputs)))
        _, replaced = self._replaced.pop(request.urn, ("", ""))
        identity, made = outputs.made(subject, inputs, replaced=replaced)
        self._remember(identity, made)
        self._note_id(request.urn, identity, context)
        return provider_pb2.CreateResponse(id=identity, properties=encode(made))

    def Update(self, request: Any, context: Any) -> Any:
        """Plan or make an update in place."""
        subject, sides = self._subject(request.urn, context), self._sides(request, context)
        change = outputs.planned_update if request.preview else outputs.updated
        made = change(subject, sides, decode(request.olds), decode(request.news))
        if not request.preview:
            self._remember(request.id, made)
        return provider_pb2.UpdateResponse(properties=encode(made))

    def Read(self, request: Any, context: Any) -> Any:
        """What is in the state is what exists; anything else cannot be read without an account."""
        state = decode(request.properties)
        if not state:
            refuse(context, f"{request.id} cannot be read offline: there is no account to ask")
        self._remember(request.id, state)
        return provider_pb2.ReadResponse(
            id=request.id, properties=request.properties, inputs=request.inputs
        )

    def Delete(self, request: Any, context: Any) -> Any:
        """Forget the resource."""
        with self._lock:
            self._known.pop(request.id, None)
            self._replaced.pop(request.urn, None)
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        """Answer a function from the table."""
        around = self._session(context).around
        result, problems = invokes.invoke(request.tok, decode(request.args), around)
        return provider_pb2.InvokeResponse(
            **{"return": encode(result)}, failures=failures(problems)
        )

    # -- parts of the above ------------------------------------------------------------------

    def _sides(self, request: Any, context: Any) -> Sides:
        state, old_inputs = decode(request.olds), decode(request.old_inputs)
        return Sides(
            rules=semantics.rules(token_of(request.urn)),
            state=reveal(state),
            old_inputs=reveal(old_inputs or state),
            new_inputs=reveal(decode(request.news)),
            account=self._session(context).around.account,
        )

    def _subject(self, urn: str, context: Any) -> outputs.Subject:
        token = token_of(urn)
        with self._lock:
            known = dict(self._known)
        return outputs.Subject(
            urn=urn,
            schema=schema.resource(token),
            rules=semantics.rules(token),
            around=self._session(context).around,
            known=known,
        )

    def _remember(self, identity: str, state: Properties) -> None:
        with self._lock:
            self._known[identity] = reveal(state)

    def _refused(self, session: Session, urn: str, inputs: Properties) -> list[Problem]:
        """What AWS would refuse, by the rules that need no account."""
        token, plain = token_of(urn), reveal(inputs)
        if not constraints.rules_of(token):
            return []
        with self._lock:
            others = {each: found for each, found in session.declared.items() if each != urn}
            session.declared[urn] = Planned(token=token, inputs=plain)
        region = plain.get("region") or session.around.region
        view = View(token=token, inputs=plain, region=str(region), others=others)
        return constraints.problems(view)

    def _note_id(self, urn: str, identity: str, context: Any) -> None:
        declared = self._session(context).declared.get(urn)
        if declared is not None:
            declared.id = identity

    def _note_replacement(self, request: Any, sides: Sides) -> None:
        """Keep what the replacement must not share with the old resource: its name and its id."""
        autoname = sides.rules.autoname
        filled = sides.old_inputs.get(FILLED, ())
        named = autoname is not None and autoname.prop in filled
        name = str(sides.old_inputs.get(autoname.prop, "")) if autoname and named else ""
        with self._lock:
            self._replaced[request.urn] = (name, request.id)


def _filled_only(found: ResourceSchema) -> set[str]:
    """Inputs that Check writes and that no program may set."""
    return {"tagsAll"} - found.inputs.keys()


def _no_such_type(token: str) -> Problem:
    near = check.meant(token, schema.tokens())
    return Problem(path="", message=f"the installed pulumi_aws has no resource type {token}{near}")


def _diffed(found: Difference, sides: Sides) -> Any:
    kind = provider_pb2.DiffResponse
    return kind(
        changes=kind.DIFF_SOME if found.effects else kind.DIFF_NONE,
        replaces=found.replaces,
        stables=found.stable,
        deleteBeforeReplace=found.delete_first,
        diffs=found.changed,
        hasDetailedDiff=True,
        detailedDiff={
            effect.change.path: provider_pb2.PropertyDiff(
                kind=_kind(effect.change, sides, replaces=effect.replaces),
                inputDiff=effect.change.from_inputs,
            )
            for effect in sorted(found.effects, key=lambda effect: effect.replaces)
        },
    )


def _kind(change: Change, sides: Sides, *, replaces: bool) -> Any:
    """ADD, DELETE or UPDATE, each with its variant that replaces."""
    kind = provider_pb2.PropertyDiff
    if change.old is None or (blank(change.old, sides.rules) and not change.from_inputs):
        return kind.ADD_REPLACE if replaces else kind.ADD
    if change.new is None:
        return kind.DELETE_REPLACE if replaces else kind.DELETE
    return kind.UPDATE_REPLACE if replaces else kind.UPDATE
