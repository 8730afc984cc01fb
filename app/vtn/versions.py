"""What the two versions of OpenADR accept and show of the same objects.

An object is kept in the form that wrote it, with `objectType` as its kind, and `clientID` where it
has an owner. What differs are `targets`: strings in 3.1.0, values by type in 3.0.1. The other
version shows them converted: 'GROUP=a' and {"type": "GROUP", "values": ["a"]}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import orjson
from pydantic import TypeAdapter, ValidationError

from app.openadr import typed_target
from app.vtn import requests_301 as r301
from app.vtn import requests_310 as r310
from app.vtn.errors import Refused
from app.vtn.tokens import Client
from app.vtn.wire import Wire

KINDS = {
    "programs": "PROGRAM",
    "events": "EVENT",
    "reports": "REPORT",
    "subscriptions": "SUBSCRIPTION",
    "vens": "VEN",
    "resources": "RESOURCE",
}
"""By collection, as paths name it."""
TARGET = "TARGET"
"""The type that 3.0.1 sees of a target that has none."""
OWN_FIELDS = {"SUBSCRIPTION": ("version",)}
"""What is kept and not shown."""
NULL_IS_ABSENT = frozenset(
    ("intervalPeriod", "duration", "randomizeStart", "timeZoneOffset", "intervals", "programID")
)
"""Optional fields that the files do not mark as nullable, since what stands beside a $ref does not
count, and that clients write as null all the same (openadr3-client)."""


class Version(Protocol):
    """One version of OpenADR, as the VTN speaks it."""

    name: str
    operations: Mapping[str, str]
    """How a notification names what happened."""

    def read(self, kind: str, raw: bytes, client: Client) -> Wire:
        """The body of a write as it is kept; Refused with 400."""

    def shown(self, body: Wire) -> Wire:
        """An object as this version shows it."""

    def targets(self, query: Mapping[str, Any]) -> frozenset[str] | None:
        """The targets that a search names; None where it names none."""

    def is_public(self, body: Wire) -> bool:
        """Whether every VEN sees a program or an event, whatever was granted to it."""


class Version310:
    """OpenADR 3.1.0."""

    name = "3.1.0"
    operations: Mapping[str, str] = {"CREATE": "CREATE", "UPDATE": "UPDATE", "DELETE": "DELETE"}
    _requests: Mapping[str, TypeAdapter[Any]] = {
        "PROGRAM": TypeAdapter(r310.ProgramRequest),
        "EVENT": TypeAdapter(r310.EventRequest),
        "REPORT": TypeAdapter(r310.ReportRequest),
        "SUBSCRIPTION": TypeAdapter(r310.SubscriptionRequest),
        "VEN_VEN_REQUEST": TypeAdapter(r310.VenVenRequest),
        "BL_VEN_REQUEST": TypeAdapter(r310.BlVenRequest),
        "VEN_RESOURCE_REQUEST": TypeAdapter(r310.VenResourceRequest),
        "BL_RESOURCE_REQUEST": TypeAdapter(r310.BlResourceRequest),
    }

    def read(self, kind: str, raw: bytes, client: Client) -> Wire:
        body = _json(raw)
        if kind in ("VEN", "RESOURCE"):
            kind = f"{'VEN' if client.is_ven else 'BL'}_{kind}_REQUEST"
            if body.get("objectType") != kind:
                raise Refused(400, f"objectType must be {kind} for this client")
        return _valid(self._requests[kind], body)

    def shown(self, body: Wire) -> Wire:
        shown = _with_targets(body, lambda targets: sorted(flat_targets(targets)))
        return _without(shown, OWN_FIELDS.get(body["objectType"], ()))

    def targets(self, query: Mapping[str, Any]) -> frozenset[str] | None:
        named = query.get("targets")
        return frozenset(named) if named else None

    def is_public(self, body: Wire) -> bool:
        return not body.get("targets")


class Version301:
    """OpenADR 3.0.1 (openadr.md, 'What 3.0.1 does not have')."""

    name = "3.0.1"
    operations: Mapping[str, str] = {"CREATE": "POST", "UPDATE": "PUT", "DELETE": "DELETE"}
    _requests: Mapping[str, TypeAdapter[Any]] = {
        "PROGRAM": TypeAdapter(r301.Program),
        "EVENT": TypeAdapter(r301.Event),
        "REPORT": TypeAdapter(r301.Report),
        "SUBSCRIPTION": TypeAdapter(r301.Subscription),
        "VEN": TypeAdapter(r301.Ven),
        "RESOURCE": TypeAdapter(r301.Resource),
    }

    def read(self, kind: str, raw: bytes, client: Client) -> Wire:  # noqa: ARG002 - one form for all
        valid = _valid(self._requests[kind], _json(raw))
        return _without(valid, ("resources",)) if kind == "VEN" else valid

    def shown(self, body: Wire) -> Wire:
        kind = body["objectType"]
        absent = ("clientID", *OWN_FIELDS.get(kind, ()))
        shown = _without(_with_targets(body, _typed_targets), absent)
        return {"intervals": [], **shown} if kind == "EVENT" else shown

    def targets(self, query: Mapping[str, Any]) -> frozenset[str] | None:
        kind, values = query.get("targetType"), query.get("targetValues")
        return frozenset(f"{kind}={value}" for value in values) if kind and values else None

    def is_public(self, body: Wire) -> bool:
        """3.0.1 has no object privacy; what 3.1.0 targets stays with those whom it was granted."""
        return all(isinstance(target, dict) for target in body.get("targets") or ())


def notification(version: Version, operation: str, body: Wire) -> Wire:
    """What a client is told of a change (schema `notification`)."""
    return {
        "objectType": body["objectType"],
        "operation": version.operations[operation],
        "object": version.shown(body),
    }


def _without(body: Wire, names: Sequence[str]) -> Wire:
    return {name: value for name, value in body.items() if name not in names} if names else body


def flat_targets(targets: Any) -> frozenset[str]:
    """Targets of either version as strings, which is how they are compared."""
    values = set[str]()
    for target in targets or ():
        if isinstance(target, str):
            values.add(target)
        elif _is_typed(target):
            values.update(typed_target(target["type"], value) for value in target["values"])
    return frozenset(values)


def _is_typed(target: Any) -> bool:
    """Earlier versions of this VTN kept what they were given; what is no target is none."""
    return isinstance(target, dict) and "type" in target and isinstance(target.get("values"), list)


def _typed_targets(targets: Any) -> list[Wire]:
    typed = [target for target in targets or () if _is_typed(target)]
    for target in targets or ():
        if isinstance(target, str):
            kind, found, value = target.partition("=")
            pair = (kind, value) if found and kind else (TARGET, target)
            typed.append({"type": pair[0], "values": [pair[1]]})
    return typed


def _with_targets(body: Wire, convert: Callable[[Any], Any]) -> Wire:
    """The object with its targets, and those of its report descriptors, in another form."""
    shown = {**body, "targets": convert(body["targets"])} if body.get("targets") else body
    descriptors = body.get("reportDescriptors")
    if descriptors and any(descriptor.get("targets") for descriptor in descriptors):
        converted = [
            {**descriptor, "targets": convert(descriptor["targets"])}
            if descriptor.get("targets")
            else descriptor
            for descriptor in descriptors
        ]
        shown = {**shown, "reportDescriptors": converted}
    return shown


def _json(raw: bytes) -> Wire:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Refused(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "the body is not an object")
    try:
        present: Wire = _present(body)
    except RecursionError:
        raise Refused(400, "the body is nested too deep") from None
    return present


def _present(value: Any) -> Any:
    """Without the nulls that clients write for what is absent (see NULL_IS_ABSENT)."""
    if isinstance(value, dict):
        return {
            name: _present(each)
            for name, each in value.items()
            if each is not None or name not in NULL_IS_ABSENT
        }
    return [_present(entry) for entry in value] if isinstance(value, list) else value


def _valid(shape: TypeAdapter[Any], body: Wire) -> Wire:
    try:
        valid: Wire = shape.validate_python(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Refused(400, f"{where}: {first['msg']}"[:500]) from None
    return valid
