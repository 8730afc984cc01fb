"""What OpenADR 3.1.0 and 3.0.1 write differently (rules.md, '3.0.1 has not')."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import orjson

from app.openadr.fields import Targets, Wire, typed_target
from app.openadr.wire import VtnResource, VtnVen, read_resource, read_ven

Query = Mapping[str, Any]
Attributes = Mapping[str, list[Any]]


class Dialect(Protocol):
    """How one version of OpenADR is written, and what it reads differently."""

    subscribes_by_program: bool
    """Whether a subscription needs a program."""

    def ven(self, ven_name: str) -> Wire:
        """The body that creates a VEN's own ven object."""

    def resource(self, ven_id: str, resource_name: str, attributes: Attributes) -> Wire:
        """The body that creates a resource of a VEN."""

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

    def ven(self, ven_name: str) -> Wire:
        return {"objectType": "VEN_VEN_REQUEST", "venName": ven_name}

    def resource(self, ven_id: str, resource_name: str, attributes: Attributes) -> Wire:
        return {
            "objectType": "VEN_RESOURCE_REQUEST",
            "resourceName": resource_name,
            "venID": ven_id,
            "attributes": _values_maps(attributes),
        }

    def resources_at(self, ven_id: str) -> tuple[str, Query]:
        return "/resources", {"venID": ven_id}

    def creates_resources_at(self, ven_id: str) -> str:  # noqa: ARG002 - the body names it
        return "/resources"

    def report(self, body: bytes, program_id: str) -> bytes:  # noqa: ARG002 - the event has it
        return body

    def target_queries(self, targets: Targets) -> Iterable[Query]:
        return [{"targets": sorted(targets)}] if targets else []

    def read_ven(self, wire: Wire) -> VtnVen:
        return read_ven(wire)

    def read_resource(self, wire: Wire) -> VtnResource:
        return read_resource(wire)


class Dialect301:
    """OpenADR 3.0.1: resources under their ven, targets by type, reports that name the program."""

    subscribes_by_program = True

    def ven(self, ven_name: str) -> Wire:
        return {"objectType": "VEN", "venName": ven_name}

    def resource(self, ven_id: str, resource_name: str, attributes: Attributes) -> Wire:
        return {
            "objectType": "RESOURCE",
            "resourceName": resource_name,
            "venID": ven_id,
            "attributes": _values_maps(attributes),
        }

    def resources_at(self, ven_id: str) -> tuple[str, Query]:
        return f"/vens/{ven_id}/resources", {}

    def creates_resources_at(self, ven_id: str) -> str:
        return f"/vens/{ven_id}/resources"

    def report(self, body: bytes, program_id: str) -> bytes:
        return b'{"programID":%b,%b' % (orjson.dumps(program_id), body[1:])

    def target_queries(self, targets: Targets) -> Iterable[Query]:
        """One per type: a query of 3.0.1 names one type only."""
        by_type = defaultdict[str, list[str]](list)
        for target in sorted(targets):
            kind, found, value = target.partition("=")
            if found:
                by_type[kind].append(value)
        return [{"targetType": kind, "targetValues": values} for kind, values in by_type.items()]

    def read_ven(self, wire: Wire) -> VtnVen:
        """A VEN is a target by its name, without being granted it."""
        ven = read_ven(wire)
        return replace(ven, targets=_and(ven.targets, "VEN_NAME", ven.ven_name))

    def read_resource(self, wire: Wire) -> VtnResource:
        """And so is a resource."""
        resource = read_resource(wire)
        targets = _and(resource.targets, "RESOURCE_NAME", resource.resource_name)
        return replace(resource, targets=targets)


def _and(targets: Targets | None, kind: str, value: str) -> Targets | None:
    return None if targets is None else targets | {typed_target(kind, value)}


def _values_maps(attributes: Attributes) -> list[Wire]:
    return [{"type": kind, "values": values} for kind, values in attributes.items()]
