"""What OpenADR 3.1.0 and 3.0.1 write differently (openadr.md, 'What 3.0.1 does not have')."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import quote

import orjson

from app.openadr.errors import WireError
from app.openadr.fields import Targets, Wire, given_objects, given_text, text, typed_target
from app.openadr.wire import VtnResource, VtnVen, read_resource, read_ven

MAX_QUERY_CHARACTERS = 4_000
"""Of targets: servers and proxies take URLs of 8,000 characters (RFC 9110, 4.1)."""
NAME_IN_QUERY = len("&targetValues=")
Query = Mapping[str, Any]
Attributes = Mapping[str, list[Any]]
"""Values by type; none: there is to be no such attribute."""


class Dialect(Protocol):
    """How one version of OpenADR is written, and what it reads differently."""

    subscribes_by_program: bool
    """Whether a subscription needs a program."""

    def ven(self, ven_name: str) -> Wire:
        """The body that creates a VEN's own ven object."""

    def resource(self, ven_id: str, resource_name: str, attributes: Attributes) -> Wire:
        """The body that creates a resource of a VEN."""

    def changed_resource(self, found: Any, attributes: Attributes) -> Wire | None:
        """The body that gives a resource, as it was found, these attributes; None: it has them.

        WireError: it cannot be read.
        """

    lists_all_resources: bool
    """Whether there is a list of the resources of all VENs of a client, at /resources."""

    def resources_at(self, ven_id: str) -> tuple[str, Query]:
        """The path and the query of a VEN's resources."""

    def creates_resources_at(self, ven_id: str) -> str:
        """The path that creates one."""

    def report(self, body: bytes, program_id: str) -> bytes:
        """A report as this version wants it; `body`: a reportRequest of 3.1.0 as JSON."""

    def target_queries(self, targets: Targets) -> Iterable[Query]:
        """The queries that, together with one without targets, find all that a VEN may see."""

    def read_ven(self, wire: Wire) -> VtnVen: ...

    def read_resource(self, wire: Wire) -> VtnResource: ...


class Dialect310:
    """OpenADR 3.1.0."""

    subscribes_by_program = False
    lists_all_resources = True

    def ven(self, ven_name: str) -> Wire:
        return {"objectType": "VEN_VEN_REQUEST", "venName": ven_name}

    def resource(self, ven_id: str, resource_name: str, attributes: Attributes) -> Wire:
        return {
            "objectType": "VEN_RESOURCE_REQUEST",
            "resourceName": resource_name,
            "venID": ven_id,
            "attributes": _values_maps(attributes),
        }

    def changed_resource(self, found: Any, attributes: Attributes) -> Wire | None:
        return _changed_resource(found, attributes, {"objectType": "VEN_RESOURCE_REQUEST"})

    def resources_at(self, ven_id: str) -> tuple[str, Query]:
        return "/resources", {"venID": ven_id}

    def creates_resources_at(self, ven_id: str) -> str:  # noqa: ARG002 - the body names it
        return "/resources"

    def report(self, body: bytes, program_id: str) -> bytes:  # noqa: ARG002 - the event has it
        return body

    def target_queries(self, targets: Targets) -> Iterable[Query]:
        return [{"targets": some} for some in _batches(sorted(targets))]

    def read_ven(self, wire: Wire) -> VtnVen:
        return read_ven(wire)

    def read_resource(self, wire: Wire) -> VtnResource:
        return read_resource(wire)


class Dialect301:
    """OpenADR 3.0.1: resources under their ven, targets by type, reports that name the program."""

    subscribes_by_program = True
    lists_all_resources = False

    def ven(self, ven_name: str) -> Wire:
        return {"objectType": "VEN", "venName": ven_name}

    def resource(self, ven_id: str, resource_name: str, attributes: Attributes) -> Wire:
        return {
            "objectType": "RESOURCE",
            "resourceName": resource_name,
            "venID": ven_id,
            "attributes": _values_maps(attributes),
        }

    def changed_resource(self, found: Any, attributes: Attributes) -> Wire | None:
        """Here who writes it writes its targets, too."""
        targets = {"targets": found["targets"]} if _has(found, "targets") else {}
        return _changed_resource(found, attributes, {"objectType": "RESOURCE", **targets})

    def resources_at(self, ven_id: str) -> tuple[str, Query]:
        return f"/vens/{ven_id}/resources", {}

    def creates_resources_at(self, ven_id: str) -> str:
        return f"/vens/{ven_id}/resources"

    def report(self, body: bytes, program_id: str) -> bytes:
        return b'{"programID":%b,%b' % (orjson.dumps(program_id), body[1:])

    def target_queries(self, targets: Targets) -> Iterable[Query]:
        """A query of 3.0.1 names one type only."""
        by_type = defaultdict[str, list[str]](list)
        for target in sorted(targets):
            kind, found, value = target.partition("=")
            if found:
                by_type[kind].append(value)
        return [
            {"targetType": kind, "targetValues": some}
            for kind, values in by_type.items()
            for some in _batches(values)
        ]

    def read_ven(self, wire: Wire) -> VtnVen:
        """A VEN is a target by its name, without being granted it."""
        ven = read_ven(wire)
        return replace(ven, targets=_and(ven.targets, "VEN_NAME", ven.ven_name))

    def read_resource(self, wire: Wire) -> VtnResource:
        """And so is a resource."""
        resource = read_resource(wire)
        targets = _and(resource.targets, "RESOURCE_NAME", resource.resource_name)
        return replace(resource, targets=targets)


def _batches(values: Sequence[str]) -> Iterator[list[str]]:
    """So many at a time as go into one URL."""
    batch: list[str] = []
    length = 0
    for value in values:
        quoted = len(quote(value)) + NAME_IN_QUERY
        if batch and length + quoted > MAX_QUERY_CHARACTERS:
            yield batch
            batch, length = [], 0
        batch.append(value)
        length += quoted
    if batch:
        yield batch


def _and(targets: Targets | None, kind: str, value: str) -> Targets | None:
    return None if targets is None else targets | {typed_target(kind, value)}


def _values_maps(attributes: Attributes) -> list[Wire]:
    return [{"type": kind, "values": values} for kind, values in attributes.items() if values]


def _has(wire: Any, name: str) -> bool:
    return isinstance(wire, Mapping) and wire.get(name) is not None


def _changed_resource(found: Any, attributes: Attributes, body: Wire) -> Wire | None:
    resource = found if isinstance(found, Mapping) else {}
    name, ven_id = given_text(resource, "resourceName"), given_text(resource, "venID")
    if name is None or ven_id is None:
        raise WireError("a resource without resourceName or venID cannot be changed")
    before = given_objects(resource, "attributes")
    others = [attribute for attribute in before if text(attribute, "type") not in attributes]
    own = {
        attribute["type"]: attribute.get("values")
        for attribute in before
        if attribute not in others
    }
    now = _values_maps(attributes)
    if own == {attribute["type"]: attribute["values"] for attribute in now}:
        return None
    return {**body, "resourceName": name, "venID": ven_id, "attributes": [*now, *others]}
