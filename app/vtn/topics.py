"""MQTT topics of the embedded VTN (3.1.0, Definition, 'Notifications via Additional Protocols').

They are cut so that a broker can keep them apart by the name a client connects with:

- `openadr3/vens/{clientID}/…`: what one VEN may see; for it, and business logic
- `openadr3/programs/…`: programs and events that have no targets anywhere; for all
- `openadr3/all/…`: everything; for business logic
"""

from __future__ import annotations

import re

from app.vtn.objects import BY_TARGETS
from app.vtn.wire import Wire

PREFIX = "openadr3"
ALL = f"{PREFIX}/all"
_COLLECTIONS = {
    "PROGRAM": "programs",
    "EVENT": "events",
    "REPORT": "reports",
    "SUBSCRIPTION": "subscriptions",
    "VEN": "vens",
    "RESOURCE": "resources",
}
OF_A_VEN = {"EVENT": "/events", "PROGRAM": "/programs", "RESOURCE": "/resources", "VEN": ""}
"""What a VEN is told of, below its own topic."""


def of_client(client_id: str) -> str | None:
    """Where a VEN's own topics begin; None where its id cannot be part of a topic."""
    usable = re.fullmatch(r"[A-Za-z0-9_.@:-]{1,128}", client_id)
    return f"{PREFIX}/vens/{client_id}" if usable else None


def operations(path: str, *, create: bool = True) -> Wire:
    """The answer of a topic endpoint (schema `notifierTopicsResponse`)."""
    names = ("CREATE", "UPDATE", "DELETE") if create else ("UPDATE", "DELETE")
    return {"topics": {**{name: f"{path}/{name.lower()}" for name in names}, "ALL": f"{path}/+"}}


def for_everyone(body: Wire) -> frozenset[str]:
    """Where changes of an object are told that is not a VEN's own: topics but for the operation."""
    kind = body["objectType"]
    topics = {f"{ALL}/{_COLLECTIONS[kind]}"}
    if kind in BY_TARGETS:
        objects = (body, *(body.get("reportDescriptors") or ()))
        roots = (ALL,) if any(shown.get("targets") for shown in objects) else (ALL, PREFIX)
        for root in roots:
            if kind == "EVENT":
                topics.add(f"{root}/programs/{body['programID']}/events")
            else:
                topics |= {f"{root}/programs", f"{root}/programs/{body['id']}"}
    return frozenset(topics)


def for_client(kind: str, client_id: str) -> str | None:
    """Where one VEN learns of such objects that it may see; None: it does not."""
    root = of_client(client_id)
    return None if root is None or kind not in OF_A_VEN else root + OF_A_VEN[kind]
