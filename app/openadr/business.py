"""Business logic's view of a VTN (openadr.md, 'Events from the command line')."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.openadr.auth import VenCredentials
from app.openadr.credentials import normalized_name
from app.openadr.errors import VtnUnavailable
from app.openadr.fields import Wire, given_targets
from app.openadr.http import VtnHttp
from app.openadr.lists import Entries, VtnLists, by_id

BUSINESS_LOGIC = "business logic"
"""What stands in the place of a VEN's name where credentials are asked for."""
PROGRAM = "ven-fleet"
"""The program that events are put under where the VTN has none."""
MAX_NAME_CHARACTERS = 60
WORDS = ("ALERT_", "DISPATCH_INSTRUCTION")
WHOLE = frozenset({"SIMPLE", "CONTROL_LEVEL_OFFSET"})
"""Payload types whose values are whole numbers (3.1.0 Definition, enumerations)."""
RANGES: dict[str, tuple[float, float]] = {
    "SIMPLE": (0, 3),
    "CONTROL_LEVEL_OFFSET": (-10, 10),
    "CONTROL_LEVEL_OFFSET_PERCENT": (-1, 1),
    **dict.fromkeys(
        (
            "CHARGE_STATE_SETPOINT",
            "GHG",
            "IMPORT_CAPACITY_SUBSCRIPTION",
            "IMPORT_CAPACITY_RESERVATION",
            "IMPORT_CAPACITY_LIMIT",
            "EXPORT_CAPACITY_RESERVATION",
            "EXPORT_CAPACITY_LIMIT",
        ),
        (0, math.inf),
    ),
}
"""The least and the greatest value of a payload type (3.1.0 enumerations). Their `minimum: 0` of
DISPATCH_SETPOINT and DISPATCH_SETPOINT_RELATIVE is not kept: a battery is told to feed in, and a
load to consume less."""
CANCELLED = {"start": "0001-01-01T00:00:00Z", "duration": "PT0S"}


class BusinessLogic:
    """The requests of a business-logic client. Methods raise the errors of `app.openadr.errors`.

    `is_301`: whether the VTN speaks 3.0.1, where targets have types and need no grant.
    """

    def __init__(
        self, *, http: VtnHttp, credentials: VenCredentials, is_301: bool, lists: VtnLists
    ) -> None:
        self._lists = lists
        self._http = http
        self._credentials = credentials
        self._is_301 = is_301

    def send(
        self,
        *,
        kind: str,
        value: str,
        start: datetime,
        duration: str,
        ven_name: str | None = None,
        program_name: str | None = None,
        priority: int | None = None,
    ) -> Wire:
        """Create an event of one interval, for all VENs or for one; the event as the VTN has it.

        ValueError: the value is no number where one is needed, or the VTN has no such VEN, or one
        whose targets cannot be read, or several programs to choose from.
        """
        payload = {"type": kind, "values": [typed(kind, value)]}
        event: dict[str, Any] = {
            "programID": self._program_id(program_name),
            "eventName": f"{kind} {value}"[:MAX_NAME_CHARACTERS],
            "intervalPeriod": {"start": _written(start), "duration": duration},
            "intervals": [{"id": 0, "payloads": [payload]}],
        }
        if priority is not None:
            event["priority"] = priority
        if ven_name is not None:
            event["targets"] = self._granted(ven_name)
        return self._object(self._post("/events", event))

    def events(self) -> Sequence[Wire]:
        """All events."""
        return self._list("/events")

    def cancel(self, event_id: str) -> None:
        """Take an event's time from it, so that VENs end it (User Guide 7.9). VtnRejected: 404."""
        event = self._object(self._get(f"/events/{event_id}"))
        if not event.get("intervals"):  # the marker is for events with intervals
            self.delete(event_id)
            return
        kept = {
            name: each
            for name, each in event.items()
            if name not in _METADATA and each is not None and each != []
        }
        intervals = [
            {name: value for name, value in interval.items() if name != "intervalPeriod"}
            for interval in event["intervals"]
        ]
        self._put(
            f"/events/{event_id}", {**kept, "intervalPeriod": CANCELLED, "intervals": intervals}
        )

    def delete(self, event_id: str) -> None:
        """Remove an event."""
        self._http.delete(f"/events/{event_id}", auth=self._auth())

    def _program_id(self, name: str | None) -> str:
        """Of the program of this name, or of the only one; one is made where there is none."""
        programs = self._list("/programs")
        if not programs and name is None:
            made = self._object(self._post("/programs", {"programName": PROGRAM}))
            return str(made["id"])
        fitting = [program for program in programs if name in (None, program.get("programName"))]
        if len(fitting) == 1:
            return str(fitting[0]["id"])
        if name is not None:
            raise ValueError(f"the VTN has no program named {name!r}")
        names = ", ".join(str(program.get("programName")) for program in programs[:5])
        raise ValueError(f"the VTN has {len(programs)} programs ({names}); choose with --program")

    def _granted(self, ven_name: str) -> list[Any]:
        """Targets that reach this VEN only; 3.1.0 wants them granted to its ven object before."""
        if self._is_301:
            return [{"type": "VEN_NAME", "values": [ven_name]}]
        vens = self._list("/vens", {"venName": ven_name})
        wanted = normalized_name(ven_name)
        named = [ven for ven in vens if normalized_name(str(ven.get("venName"))) == wanted]
        if not named:
            raise ValueError(f"the VTN has no VEN named {ven_name!r}")
        ven = named[0]
        target = f"ven-{ven['id']}"[:128]
        given_targets(ven)  # what cannot be read is not written over
        given = ven.get("targets") or ()
        entries = [given] if isinstance(given, str) else given
        targets = [entry for entry in entries if isinstance(entry, str)]  # what can be written back
        if target not in targets:
            body = {
                "objectType": "BL_VEN_REQUEST",
                "venName": ven_name,
                "clientID": ven.get("clientID"),
                "targets": [*targets, target],
            }
            if ven.get("attributes"):
                body["attributes"] = ven["attributes"]
            self._put(f"/vens/{ven['id']}", body)
        return [target]

    def _auth(self) -> Any:
        return self._credentials.auth(BUSINESS_LOGIC)

    def _get(self, path: str) -> Any:
        return self._http.get(path, auth=self._auth())

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._http.post(path, auth=self._auth(), body=body)

    def _put(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._http.put(path, auth=self._auth(), body=body)

    def _object(self, answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict) or not answer.get("id"):
            raise VtnUnavailable("the VTN answers no object with an id")
        return answer

    def _list(self, path: str, query: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        pages = self._lists.pages(path, query or {}, OBJECTS, auth=self._auth())
        return [entry for entry in by_id(pages).values() if entry.get("id")]


OBJECTS = Entries[dict[str, Any]](read=dict, refused=lambda _: None)
"""As they are."""
_METADATA = ("id", "createdDateTime", "modificationDateTime", "objectType")


def typed(kind: str, value: str) -> int | float | str:
    """A value as its payload type wants it: whole, decimal, or words. ValueError."""
    if kind.startswith(WORDS):
        return value
    whole = kind in WHOLE
    least, greatest = RANGES.get(kind, (-math.inf, math.inf))
    try:
        number = int(value) if whole else float(value)
        if not math.isfinite(number) or not least <= number <= greatest:
            raise ValueError
        return number
    except ValueError:
        needed = "a whole number" if whole else "a number"
        if math.isfinite(greatest):
            needed += f" from {least:g} to {greatest:g}"
        elif math.isfinite(least):
            needed += f" of at least {least:g}"
        raise ValueError(f"{kind} needs {needed}, not {value!r}") from None


def _written(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
