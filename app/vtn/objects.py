"""The VTN's objects: who may read and write which, and what hangs together.

Definition, Object Privacy: business logic sees everything. A VEN sees the vens, resources, reports
and subscriptions of its own client id; programs and events without targets; and those with targets
that were granted to it, in a search only where it asks for them, and of their targets just these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from app.openadr import slug
from app.vtn.activity import has_transpired
from app.vtn.errors import Conflict, Refused
from app.vtn.queries import MAX_PAGE_SIZE
from app.vtn.store import VtnStore
from app.vtn.tokens import READ_SCOPES, WRITE_SCOPES, Client
from app.vtn.versions import Version, flat_targets
from app.vtn.wire import Wire

BY_TARGETS = ("PROGRAM", "EVENT")
"""What targets make private. All else belongs to a client."""
NAMES = {"PROGRAM": "programName", "VEN": "venName", "RESOURCE": "resourceName"}
PARENTS = {"EVENT": "programID", "REPORT": "eventID", "RESOURCE": "venID"}
HANGING = {"VEN": ("RESOURCE",), "PROGRAM": ("EVENT",)}
"""What is removed with it."""
FIELDS = ("programID", "eventID", "venID", "clientName", "venName", "resourceName")
"""What searches compare."""
MAX_CHILDREN = 100_000


@dataclass(frozen=True, kw_only=True)
class Change:
    """Something happened to an object."""

    operation: Literal["CREATE", "UPDATE", "DELETE"]
    body: Wire
    """As it is kept; of a DELETE, as it was."""
    before: Wire | None = None
    """Of an UPDATE, as it was: who could see it then and cannot now is told that it is gone."""

    @property
    def kind(self) -> str:
        return str(self.body["objectType"])


class Objects:
    """The operations of the API on the objects of `store`.

    `verify` is asked before a subscription is kept: are its callbacks there, and its client's
    (Definition, Webhooks)? `changed` is told of every change, when it is stored. Refused: 400, 403,
    404; Conflict: 409.
    """

    def __init__(
        self,
        store: VtnStore,
        *,
        verify: Callable[[Wire], None],
        changed: Callable[[Change], None],
    ) -> None:
        self._store = store
        self._verify = verify
        self._changed = changed

    def search(
        self, version: Version, kind: str, query: Mapping[str, Any], client: Client
    ) -> list[Wire]:
        """A page of the objects that the client may see and asks for."""
        may_read(kind, client)
        wanted = version.targets(query)
        active_at = datetime.now(UTC) if query.get("active") else None
        objects = frozenset(query.get("objects") or ())
        fields = {name: query[name] for name in FIELDS if name in query}
        parent = fields.pop(PARENTS.get(kind, ""), None)
        # What is one client's is asked of the database; what targets decide is decided here.
        own = client.client_id if client.is_ven and kind not in BY_TARGETS else None
        by_targets = client.is_ven and kind in BY_TARGETS
        see = self._sight(version, client, wanted or frozenset()) if by_targets else _all

        def accept(body: Wire) -> bool:
            if by_targets and see(body) is None:
                return False
            if wanted is not None and wanted.isdisjoint(flat_targets(body.get("targets"))):
                return False
            if active_at is not None and has_transpired(body, active_at):
                return False
            return not objects or any(
                not objects.isdisjoint(operation["objects"])
                for operation in body["objectOperations"]
            )

        page = self._store.select(
            kind,
            client_id=own,
            parent=parent,
            fields=fields,
            accept=accept if by_targets or wanted or active_at or objects else None,
            skip=query.get("skip", 0),
            limit=query.get("limit", MAX_PAGE_SIZE),
        )
        return [version.shown(_without_secrets(see(body) or body, client)) for body in page]

    def read(self, version: Version, kind: str, object_id: str, client: Client) -> Wire:
        may_read(kind, client)
        stored = self.find(version, kind, object_id, client)
        return version.shown(_without_secrets(stored, client))

    def create(self, version: Version, kind: str, body: Wire, client: Client) -> Wire:
        _require(WRITE_SCOPES[kind], client)
        body = self._complete(version, kind, body, client, {})
        made = self._store.add(
            kind,
            body,
            client_id=body.get("clientID"),
            parent=body.get(PARENTS.get(kind, "")),
            name=body.get(NAMES.get(kind, "")),
            unique=kind in NAMES,
        )
        self._changed(Change(operation="CREATE", body=made))
        return version.shown(made)

    def update(
        self, version: Version, kind: str, object_id: str, body: Wire, client: Client
    ) -> Wire:
        _require(WRITE_SCOPES[kind], client)
        old = self._owned(version, kind, object_id, client)
        body = self._complete(version, kind, body, client, old)
        changes = []
        with self._store.together():
            made = self._store.replace(
                kind,
                old,
                body,
                client_id=body.get("clientID"),
                parent=body.get(PARENTS.get(kind, "")),
                name=body.get(NAMES.get(kind, "")),
            )
            changes.append(Change(operation="UPDATE", body=made, before=old))
            if kind == "VEN" and made["clientID"] != old.get("clientID"):
                for child in self._children("RESOURCE", object_id):
                    given = {**child, "clientID": made["clientID"]}
                    moved = self._store.replace(
                        "RESOURCE", child, given, client_id=made["clientID"]
                    )
                    changes.append(Change(operation="UPDATE", body=moved, before=child))
        for change in changes:
            self._changed(change)
        return version.shown(made)

    def delete(self, version: Version, kind: str, object_id: str, client: Client) -> Wire:
        """Remove it, and what hangs on it: a ven's resources, a program's events."""
        _require(WRITE_SCOPES[kind], client)
        stored = self._owned(version, kind, object_id, client)
        with self._store.together():
            removed = [
                owned
                for child in HANGING.get(kind, ())
                for owned in self._children(child, object_id)
            ]
            for removed_object in (*removed, stored):
                self._store.remove(removed_object["objectType"], removed_object["id"])
        for removed_object in (*removed, stored):
            self._changed(Change(operation="DELETE", body=removed_object))
        return version.shown(stored)

    def find(self, version: Version, kind: str, object_id: str, client: Client) -> Wire:
        """The object as it is kept, and this client sees it; 404. It needs no scope."""
        stored = self._store.get(kind, object_id)
        if stored is not None and kind in BY_TARGETS:
            stored = self._sight(version, client, None)(stored)
        elif stored is not None and client.is_ven and stored.get("clientID") != client.client_id:
            stored = None
        if stored is None:
            raise Refused(404, f"no such {kind}")
        return stored

    def seen_by(self, version: Version, body: Wire, client_id: str) -> Wire | None:
        """An object as a VEN may be told of it by a notification; None: not at all."""
        if body["objectType"] not in BY_TARGETS:
            return body if body.get("clientID") == client_id else None
        return _seen(version, body, self._granted(client_id))

    def _granted(self, client_id: str) -> frozenset[str]:
        """The targets of a client's ven object and of its resources."""
        owned = [
            body
            for kind in ("VEN", "RESOURCE")
            for body in self._store.select(kind, client_id=client_id, limit=MAX_CHILDREN)
        ]
        return frozenset(target for body in owned for target in flat_targets(body.get("targets")))

    def _children(self, kind: str, parent: str) -> list[Wire]:
        return self._store.select(kind, parent=parent, limit=MAX_CHILDREN)

    def _owned(self, version: Version, kind: str, object_id: str, client: Client) -> Wire:
        """The object, if the client may change it; 404, 403."""
        stored = self.find(version, kind, object_id, client)
        if kind == "SUBSCRIPTION" and stored["clientID"] != client.client_id:
            raise Refused(403, "a subscription is changed by its client only")
        return stored

    def _sight(
        self, version: Version, client: Client, wanted: frozenset[str] | None
    ) -> Callable[[Wire], Wire | None]:
        """What a client sees of programs and events.

        `wanted`: the targets that a search names; None: all that were granted.
        """
        if not client.is_ven:
            return _all
        granted = self._granted(client.client_id)

        return lambda body: _seen(version, body, granted, wanted)

    def _complete(
        self, version: Version, kind: str, body: Wire, client: Client, old: Mapping[str, Any]
    ) -> Wire:
        """What is kept of a write: with its owner, its program, and targets that may be set."""
        if kind == "EVENT" and self._store.get("PROGRAM", body["programID"]) is None:
            raise Conflict("the event names a program that is not there")
        if kind == "REPORT":
            event = self._store.get("EVENT", body["eventID"])
            if event is None or self._sight(version, client, None)(event) is None:
                raise Conflict("the report names an event that is not there")
            body = {**body, "programID": event["programID"]}  # searches may name it
        if kind == "SUBSCRIPTION":
            self._check_subscription(version, body, client)
            body = {**body, "version": version.name}  # its notifications are written in it
        if kind in ("REPORT", "SUBSCRIPTION"):
            return {**body, "clientID": client.client_id}
        if kind in BY_TARGETS:
            return body
        if client.is_ven:
            body = {name: value for name, value in body.items() if name != "targets"}
            if old.get("targets"):
                body["targets"] = old["targets"]
        return self._ven(body, client, old) if kind == "VEN" else self._resource(body, client)

    def _check_subscription(self, version: Version, body: Wire, client: Client) -> None:
        for kind in {
            kind for operation in body["objectOperations"] for kind in operation["objects"]
        }:
            may_read(kind, client)
        self._check_program(version, body, client)
        self._verify(body)
        self._check_program(version, body, client)  # the callbacks took their time

    def _check_program(self, version: Version, body: Wire, client: Client) -> None:
        program_id = body.get("programID")
        if program_id is not None:
            try:
                self.find(version, "PROGRAM", program_id, client)
            except Refused:
                raise Conflict("the subscription names a program that is not there") from None

    def _ven(self, body: Wire, client: Client, old: Mapping[str, Any]) -> Wire:
        """One ven object per client id (openadr.md, 'Roles, credentials, enrolment')."""
        owner = client.client_id if client.is_ven else body.get("clientID") or old.get("clientID")
        # 3.0.1 has no clientID: business logic's ven is that of the client named like it.
        owner = owner or slug(body["venName"])
        if owner != old.get("clientID") and self._store.select("VEN", client_id=owner, limit=1):
            raise Conflict(f"client {owner!r} has a ven object already")
        return {**body, "clientID": owner}

    def _resource(self, body: Wire, client: Client) -> Wire:
        ven = self._store.get("VEN", body["venID"])
        if ven is None or (client.is_ven and ven.get("clientID") != client.client_id):
            raise Refused(404, "no such ven")
        if not client.is_ven and body.get("clientID") not in (None, ven["clientID"]):
            raise Conflict(f"clientID is not that of the ven, which is {ven['clientID']!r}")
        return {**body, "clientID": ven["clientID"]}


def _all(body: Wire) -> Wire | None:
    return body


def may_read(kind: str, client: Client) -> None:
    """403 where this client may not read such objects."""
    _require(READ_SCOPES[kind], client)


def _require(scopes: tuple[str, ...], client: Client) -> None:
    if client.scopes.isdisjoint(scopes):
        raise Refused(403, f"this needs the scope {' or '.join(scopes)}")


def _seen(
    version: Version, body: Wire, granted: frozenset[str], wanted: frozenset[str] | None = None
) -> Wire | None:
    """With the targets that were granted only (Definition, 'Target hiding').

    `wanted`: of these, the ones that a search names; None: all.
    """
    if not version.is_public(body):
        met = flat_targets(body["targets"]) & (granted if wanted is None else granted & wanted)
        if not met:
            return None
        body = {**body, "targets": sorted(met)}
    return _without_descriptors_of_others(version, body, granted)


def _without_descriptors_of_others(version: Version, body: Wire, granted: frozenset[str]) -> Wire:
    """A report descriptor for others asks this VEN for nothing; its targets are theirs."""
    descriptors = body.get("reportDescriptors")
    if not descriptors or not any(descriptor.get("targets") for descriptor in descriptors):
        return body
    shown = []
    for descriptor in descriptors:
        targets = descriptor.get("targets") or []
        own = [
            target
            for target in targets
            if version.is_public({"targets": [target]}) or flat_targets([target]) & granted
        ]
        if own or not targets:
            shown.append({**descriptor, "targets": own} if targets else descriptor)
    return {**body, "reportDescriptors": shown}


def _without_secrets(body: Wire, client: Client) -> Wire:
    """A subscription's tokens are shown to its own client only."""
    own = body.get("clientID") == client.client_id
    return body if own else without_tokens(body)


def without_tokens(body: Wire) -> Wire:
    """A subscription without the tokens of its callbacks; anything else as it is."""
    if body["objectType"] != "SUBSCRIPTION":
        return body
    operations = [{**operation, "bearerToken": None} for operation in body["objectOperations"]]
    return {**body, "objectOperations": operations}
