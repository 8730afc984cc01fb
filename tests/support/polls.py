"""Polls without a network: VENs, their events in a database, and a VTN that lists in memory."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from app.events import EventReader, EventStore, EventSync, Grants, SeenEvent
from app.fleet import VEN, HeldVens
from app.openadr import (
    Answer,
    Circuit,
    Dialect310,
    Event,
    Page,
    Program,
    VtnClient,
    VtnClock,
    VtnHttp,
    VtnLists,
)
from app.openadr.http import VenAuth
from app.platform import Database, FanOut, LockPerName, LogOnce, Shutdown
from tests.support.fakes import FakeClock

JSON = {"Content-Type": "application/json"}
MAX_AGE_S = 300.0
"""Of targets."""


def pages_of(objects: Iterable[Event] | Iterable[Program]) -> list[Page[Any]]:
    """A list in one page."""
    found = {getattr(each, "event_id", getattr(each, "program_id", "")): each for each in objects}
    return [Page(ids=tuple(found), objects=found)]


class ListingVtn:
    """SendsRequests: a VTN as the specification says, which shows every client all that there is
    but what has targets: that it lists for those who name one.

    Counts what it is asked for.
    """

    def __init__(self) -> None:
        self.vens: dict[str, dict[str, Any]] = {}
        """By id."""
        self.resources: dict[str, dict[str, Any]] = {}
        self.events: dict[str, dict[str, Any]] = {}
        self.unlisted: set[str] = set()
        """Ids of what only its id finds."""
        self.answers: dict[str, int] = {}
        """By path and query: the status that is answered instead."""
        self.shows_all = False
        """Whether it lists all that a client may see, whatever the query says of targets."""
        self.meanwhile: Callable[[str], object] = lambda _: None
        """Called with path and query while it is asked."""
        self.asked: Counter[str] = Counter()
        """By path, and query without skip and limit."""
        self._lock = threading.Lock()

    def add_ven(
        self, name: str, *targets: str, resources: Mapping[str, Collection[str]] | None = None
    ) -> VEN:
        """A VEN with these targets, and the targets of its resources."""
        ven_id = f"v-{name}".replace(" ", "-")
        self.vens[ven_id] = {"id": ven_id, "venName": name, "targets": list(targets)}
        for resource, own in (resources or {}).items():
            made = {"id": f"{ven_id}-{resource}", "resourceName": resource, "venID": ven_id}
            self.resources[made["id"]] = {**made, "targets": list(own)}
        return VEN(ven_name=name, vtn_ven_id=ven_id)

    def add_event(self, event_id: str, *targets: str, **fields: Any) -> None:
        own = {"targets": list(targets)} if targets else {}
        self.events[event_id] = {"id": event_id, "programID": "p", **own, **fields}

    def send(
        self,
        method: str,  # noqa: ARG002
        url: str,
        *,
        headers: Mapping[str, str],  # noqa: ARG002
        body: bytes | None = None,  # noqa: ARG002
    ) -> Answer:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        skip, limit = int(query.pop("skip", ["0"])[0]), int(query.pop("limit", ["50"])[0])
        where = parts.path + "".join(f"?{name}={','.join(of)}" for name, of in query.items())
        with self._lock:
            self.asked[where] += 1
        self.meanwhile(where)
        status = self.answers.get(where, 200)
        if status != 200:
            return Answer(status=status, headers=JSON, content=b'{"title": "no", "status": 0}')
        found = self._found(parts.path, query)
        if found is None:
            return Answer(status=404, headers=JSON, content=b'{"title": "gone", "status": 404}')
        if isinstance(found, list):
            found = found[skip : skip + limit]
        return Answer(status=200, headers=JSON, content=orjson.dumps(found))

    def close(self) -> None:
        """There is nothing to close."""

    def _found(self, path: str, query: Mapping[str, list[str]]) -> Any:
        kind, _, object_id = path[1:].partition("/")
        of_kind = {"vens": self.vens, "resources": self.resources, "events": self.events}
        objects = of_kind.get(kind, {})
        if object_id:
            return objects.get(object_id)
        listed = [each for key, each in objects.items() if key not in self.unlisted]
        if kind == "resources":
            wanted = query.get("venID")
            return [each for each in listed if wanted is None or each["venID"] in wanted]
        if kind != "events" or self.shows_all:
            return listed
        targets = set(query.get("targets", ()))
        return [
            each
            for each in listed
            if (targets & set(each.get("targets", ())) if targets else not each.get("targets"))
        ]


class OneClient:
    """VenCredentials: these VENs are one client of the VTN, or as many as they are told to be."""

    def __init__(self) -> None:
        self.client_of: Callable[[str], str] = lambda _: "one"
        self._auths: dict[str, VenAuth] = {}

    @property
    def per_ven(self) -> bool:
        return False

    def auth(self, ven_name: str) -> VenAuth:
        return self._auths.setdefault(self.client_of(ven_name), VenAuth())

    def check(self, ven_names: Iterable[str]) -> None:
        """Nothing is wrong with them."""


class ManyVens:
    """So many that a few that fail are no outage."""

    def count(self) -> int:
        return 1_000

    def ven_names(self) -> list[str]:
        return [f"VEN {number}" for number in range(self.count())]


def fleet(bench: EventsBench, *targets: str, count: int = 4) -> list[VEN]:
    """VENs of one client, each with one of these targets, in turn."""
    return [
        bench.vtn.add_ven(f"VEN {number}", *([targets[number % len(targets)]] if targets else []))
        for number in range(count)
    ]


class CountedDatabase(Database):
    """Counts its write transactions."""

    writes = 0

    @contextmanager
    def write(self, *, durable: bool = True) -> Any:
        with super().write(durable=durable) as connection:
            self.writes += 1
            yield connection


class EventsBench:
    """The events that a database has, and polls, with the VTN and time in a test's hands.

    `few`, `max_age_s`: see EventSync and Grants.
    """

    def __init__(
        self,
        database: Database,
        clock: FakeClock,
        *,
        few: int = 1_000,
        max_age_s: float = MAX_AGE_S,
    ) -> None:
        log_once = LogOnce()
        self.vtn, self.credentials = ListingVtn(), OneClient()
        self.clients: dict[str, Any] = {}
        """Who asks the VTN for a VEN, where a test brings its own."""
        self.enrolled: dict[str, list[str]] = {}
        """The resources that each VEN has enrolled."""
        self.shown: dict[str, tuple[bool, list[str]]] = {}
        """By VEN: whether the VTN shows its ven object, and which resources it does not show."""
        self.followed: list[str] = []
        self.locks = LockPerName()
        self._http = VtnHttp(
            transport=self.vtn,
            base_url="http://vtn",
            shutdown=Shutdown(),
            circuit=Circuit(monotonic=clock.monotonic),
            writes=Circuit(monotonic=clock.monotonic),
            vtn_clock=VtnClock(clock=clock, monotonic=clock.monotonic),
            backoff_s=0.0,
        )
        self._lists = VtnLists(self._http)
        self._log_once = log_once
        self.grants = Grants(
            log_once=log_once,
            enrolled=lambda names: {name: self.enrolled.get(name, []) for name in names},
            shown=self._shown,
            max_age_s=max_age_s,
            monotonic=clock.monotonic,
            drawn=lambda: 1.0,
        )
        self.reader = EventReader(clock=clock, log_once=log_once, grants=self.grants)
        self.store = EventStore(
            database=database,
            reader=self.reader,
            clock=clock,
            log_once=log_once,
            on_change=lambda: None,
        )
        self.held = HeldVens(
            what="requests",
            circuit=Circuit(monotonic=clock.monotonic),
            fleet=ManyVens(),
            retries=threading.Semaphore(2),
            monotonic=clock.monotonic,
        )
        self.sync_all = EventSync(
            store=self.store,
            reader=self.reader,
            grants=self.grants,
            client_for=self.client,
            fan_out=FanOut(max_workers=4, shutdown=Shutdown()),
            held=self.held,
            ven_locks=self.locks,
            monotonic=clock.monotonic,
            few=few,
            waits_s=0.05,
        )

    def client(self, ven_name: str) -> Any:
        return self.clients.get(ven_name) or VtnClient(
            ven_name,
            http=self._http,
            credentials=self.credentials,
            dialect=Dialect310(),
            log_once=self._log_once,
            lists=self._lists,
        )

    def poll(self, *vens: VEN, anew: Collection[str] = ()) -> Counter[str]:
        """Poll these VENs; what the VTN was asked for that."""
        self.vtn.asked.clear()
        self.sync_all(vens, follow=self.followed.extend, anew=anew)
        return Counter(self.vtn.asked)

    def sync(self, ven: VEN, client: Any) -> Sequence[SeenEvent]:
        """Poll one VEN by this client; VtnError."""
        self.clients[ven.ven_name] = client
        synced = self.sync_all([ven], follow=lambda _: None)
        for error in synced.failed.values():
            raise error
        return self.store.of_ven(ven.ven_name)

    def events_of(self, ven: VEN) -> list[str]:
        return sorted(seen.event.event_id for seen in self.store.of_ven(ven.ven_name))

    def _shown(self, ven: VEN, is_there: bool, missing: Collection[str]) -> None:
        self.shown[ven.ven_name] = is_there, list(missing)
