"""One VEN's view of its VTN, in the VEN role (OpenADR 3.1.0 and 3.0.1)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from app.openadr.auth import VenCredentials
from app.openadr.dialects import Dialect
from app.openadr.errors import (
    OutcomeUnknown,
    VtnRejected,
    VtnUnauthorised,
    VtnUnavailable,
    WireError,
)
from app.openadr.fields import Targets, Wire
from app.openadr.http import BrokerToken, VtnHttp
from app.openadr.lists import MAX_PAGES, Entries, SharedReadings, VtnLists, by_id
from app.openadr.notifiers import (
    Notifiers,
    VtnSubscription,
    read_notifiers,
    read_subscription,
    read_topics,
    subscription,
)
from app.openadr.object_id import is_object_id
from app.openadr.pages import Page
from app.openadr.wire import (
    Event,
    Program,
    VtnReport,
    VtnResource,
    VtnVen,
    read_event,
    read_program,
    read_report,
)
from app.platform import LogOnce

logger = logging.getLogger(__name__)

NOT_GIVEN = (400, 403, 404, 405, 501)
"""What VTNs answer about what they do not have, or not for VENs."""
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """A page of a list of reports."""

    reports: Sequence[VtnReport]
    """Those that can be read, in the VTN's order."""
    length: int
    """How many entries the page had."""
    ends_list: bool


class VtnClient:
    """The requests of one VEN. All methods raise the errors of `app.openadr.errors`."""

    def __init__(
        self,
        ven_name: str,
        *,
        http: VtnHttp,
        credentials: VenCredentials,
        dialect: Dialect,
        log_once: LogOnce,
        lists: VtnLists,
    ) -> None:
        self._lists = lists
        self._log_once = log_once
        self.ven_name = ven_name
        self._http = http
        self._dialect = dialect
        self._auth = credentials.auth(ven_name)

    @property
    def identity(self) -> object:
        """The same for VENs that are the same client of the VTN."""
        return self._auth

    @property
    def lists_all_resources(self) -> bool:
        """Whether there is a list of the resources of all its vens (3.1.0)."""
        return self._dialect.lists_all_resources

    @property
    def subscribes_by_program(self) -> bool:
        """Whether a subscription needs a program (3.0.1)."""
        return self._dialect.subscribes_by_program

    def ping(self) -> None:
        """One cheap request that proves address and credentials."""
        self._http.get("/programs", auth=self._auth, params={"limit": 1})

    def vens(self) -> list[VtnVen]:
        """The ven objects that this client may see."""
        return self._listed("/vens", {}, self._brief(self._dialect.read_ven))

    def ven(self, ven_id: str) -> VtnVen | None:
        """One ven object, or None when the VTN says that it is gone (404)."""
        return self._one(f"/vens/{ven_id}", self._dialect.read_ven)

    def resource(self, ven_id: str, resource_id: str) -> VtnResource | None:
        """One resource, or None when the VTN says that it is gone (404)."""
        path = f"{self._dialect.creates_resources_at(ven_id)}/{resource_id}"
        return self._one(path, self._dialect.read_resource)

    def is_ven_gone(self, ven_id: str) -> bool:
        """Whether the VTN says, in its own words, that it has no such ven object (404)."""
        return self._is_gone(f"/vens/{ven_id}")

    def is_resource_gone(self, ven_id: str, resource_id: str) -> bool:
        """The same of a resource."""
        return self._is_gone(f"{self._dialect.creates_resources_at(ven_id)}/{resource_id}")

    def _is_gone(self, path: str) -> bool:
        try:
            self._http.get(path, auth=self._auth)
        except VtnRejected as error:
            if error.status != 404:
                raise
            return error.has_problem
        return False

    def create_ven(self) -> VtnVen:
        """Create this VEN's own ven object; VtnRejected with 409 if the VTN refuses a second."""
        return self._create("/vens", self._dialect.ven(self.ven_name), self._dialect.read_ven)

    def resources(self, ven_id: str) -> list[VtnResource]:
        """The resources of a ven object."""
        path, query = self._dialect.resources_at(ven_id)
        return self._listed(path, query, self._brief(self._dialect.read_resource))

    def vens_listed(self, *, most_pages: int) -> tuple[list[VtnVen], bool]:
        """The ven objects that this client may see, in so many pages; whether those are all."""
        return self._counted("/vens", self._dialect.read_ven, most_pages)

    def resources_listed(self, *, most_pages: int) -> tuple[list[VtnResource], bool]:
        """The same of the resources of all these; where `lists_all_resources`."""
        return self._counted("/resources", self._dialect.read_resource, most_pages)

    def create_resource(
        self, ven_id: str, resource_name: str, attributes: Mapping[str, list[Any]]
    ) -> VtnResource:
        """Create a resource under this VEN's own ven object."""
        body = self._dialect.resource(ven_id, resource_name, attributes)
        path = self._dialect.creates_resources_at(ven_id)
        return self._create(path, body, self._dialect.read_resource)

    def update_resource(
        self, ven_id: str, resource_id: str, attributes: Mapping[str, list[Any]]
    ) -> bool:
        """Give a resource these attributes, where it has others; whether it had.

        A type without values is taken away; other types, and what business logic set, stay.
        WireError: the resource cannot be read.
        """
        path = f"{self._dialect.creates_resources_at(ven_id)}/{resource_id}"
        resource = self._http.get(path, auth=self._auth)
        body = self._dialect.changed_resource(resource, attributes)
        if body is None:
            return False
        self._http.put(path, auth=self._auth, body=body)
        return True

    def remove_resource(self, ven_id: str, resource_id: str) -> None:
        """Remove a resource; no error if it is gone already, in the VTN's own words."""
        self._remove_surely(f"{self._dialect.creates_resources_at(ven_id)}/{resource_id}")

    def remove_ven(self, ven_id: str) -> None:
        """Remove this VEN's own ven object; no error if it is gone already, in the same way."""
        self._remove_surely(f"/vens/{ven_id}")

    def programs(self, targets: Targets, shared: SharedReadings) -> Sequence[Page[Program]]:
        """The programs that a VEN with these targets may see (openadr.md, 'Targets').

        `shared`: what other VENs of the same client have read just now.
        """
        return self._seen_with("/programs", targets, shared, read_program)

    def events(self, targets: Targets, shared: SharedReadings) -> Sequence[Page[Event]]:
        """The same of events."""
        return self._seen_with("/events", targets, shared, read_event)

    def event(self, event_id: str) -> Event | None:
        """The event, or None when the VTN says that it is gone (404). WireError: not readable."""
        return self._one(f"/events/{event_id}", read_event)

    def post_report(self, body: bytes, program_id: str) -> str | None:
        """Create a report, given as 3.1.0 JSON; returns when the VTN has acknowledged it, with the
        id that it gave."""
        body = self._dialect.report(body, program_id)
        report_id = self._http.post_for_id("/reports", auth=self._auth, body=body)
        return report_id if is_object_id(report_id) else None

    def report(self, report_id: str) -> Mapping[str, Any]:
        """A report of this VEN as the VTN has it. VtnRejected: it has none, or does not show it."""
        wire = self._http.get(f"/reports/{report_id}", auth=self._auth)
        if not isinstance(wire, Mapping):
            raise WireError(f"report {report_id} is no object")
        return wire

    def replace_report(self, report_id: str, body: bytes, program_id: str) -> None:
        """Put another report, given as 3.1.0 JSON, in the place of one; may be repeated."""
        body = self._dialect.report(body, program_id)
        self._http.put(f"/reports/{report_id}", auth=self._auth, body=body)

    def reports(self, event_id: str, *, skip: int, limit: int) -> ReportPage:
        """One page of this VEN's reports to an event."""
        if skip and self._http.is_stopping:
            raise VtnUnavailable("GET /reports: ended, since the application stops")
        params = {"eventID": event_id, "clientName": self.ven_name, "skip": skip, "limit": limit}
        page = self._lists.page("/reports", params, self._brief(read_report), auth=self._auth)
        return ReportPage(
            reports=list(page.objects.values()),
            length=len(page.ids),
            ends_list=not page.ids,  # a VTN may give fewer than asked for, and a double is worse
        )

    def delete_report(self, report_id: str) -> None:
        """Remove one of this VEN's reports; no error if it is gone already."""
        self._remove(f"/reports/{report_id}")

    def _remove_surely(self, path: str) -> None:
        """A 404 counts only as the VTN's: what stands before it may not know the path."""
        try:
            self._http.delete(path, auth=self._auth)
        except VtnRejected as error:
            if error.status == 404 and not error.has_problem:
                raise VtnUnavailable(str(error), status=404) from None
            if error.status not in (404, 410):
                raise

    def _remove(self, path: str) -> None:
        try:
            self._http.delete(path, auth=self._auth)
        except VtnRejected as error:
            if error.status != 404:
                raise

    def notifiers(self) -> Notifiers:
        """How the VTN tells of changes; where it does not say so, not at all."""
        if self._dialect.subscribes_by_program:
            return Notifiers()  # 3.0.1 has no such path
        try:
            return read_notifiers(self._http.get("/notifiers", auth=self._auth))
        except (VtnRejected, VtnUnauthorised, VtnUnavailable) as error:
            if error.status not in NOT_GIVEN:
                raise
            return Notifiers()

    def topics(self, path: str) -> tuple[str, ...]:
        """The MQTT topics of `path`, such as vens/{id}/events; none where they are not given."""
        try:
            return read_topics(self._http.get(f"/notifiers/mqtt/topics/{path}", auth=self._auth))
        except (VtnRejected, VtnUnauthorised, VtnUnavailable) as error:
            if error.status not in NOT_GIVEN:
                raise
            return ()

    def subscriptions(self) -> list[VtnSubscription]:
        """The subscriptions that this client may see."""
        return list(
            by_id(self._pages("/subscriptions", {}, self._whole(read_subscription))).values()
        )

    def subscribe(
        self, *, callback_url: str, token: str, program_id: str | None, known: str | None
    ) -> str:
        """Create a subscription to all that concerns this VEN, or renew the `known` one; its id."""
        body = subscription(
            client_name=self.ven_name,
            callback_url=callback_url,
            token=token,
            program_id=program_id,
        )
        if known is None:
            return self._create("/subscriptions", body, read_subscription).subscription_id
        self._http.put(f"/subscriptions/{known}", auth=self._auth, body=body)
        return known

    def unsubscribe(self, subscription_id: str) -> None:
        """Remove a subscription; no error if it is gone already."""
        self._remove(f"/subscriptions/{subscription_id}")

    def broker_token(self) -> BrokerToken | None:
        """What this VEN shows to an MQTT broker; None where it has no token."""
        return self._auth.broker_token()

    def refuse_token(self, token: str) -> None:
        """A broker did not take it: a new one is fetched next."""
        self._auth.refused(f"Bearer {token}")

    def _one(self, path: str, read: Callable[[Wire], T]) -> T | None:
        try:
            answer = self._http.get(path, auth=self._auth)
        except VtnRejected as error:
            if error.status == 404:
                return None
            raise
        return read(answer if isinstance(answer, Mapping) else {})

    def _seen_with(
        self, path: str, targets: Targets, shared: SharedReadings, read: Callable[[Wire], T]
    ) -> Sequence[Page[T]]:
        """Listed without targets and with them: no VTN shows all in one list."""
        pages: list[Page[T]] = []
        for query in ({}, *self._dialect.target_queries(targets)):
            what = self.identity, path, *((name, tuple(of)) for name, of in query.items())
            pages += shared(what, partial(self._pages, path, query, self._whole(read)))
        return pages

    def _create(self, path: str, body: Mapping[str, Any], read: Callable[[Wire], T]) -> T:
        answer = self._http.post(path, auth=self._auth, body=body)
        try:
            return read(answer if isinstance(answer, Mapping) else {})
        except WireError as error:
            raise OutcomeUnknown(f"POST {path}: the VTN's answer is a {error}") from None

    def _listed(self, path: str, params: Mapping[str, Any], entries: Entries[T]) -> list[T]:
        """All that can be read of a list."""
        return list(by_id(self._pages(path, params, entries)).values())

    def _counted(
        self, path: str, read: Callable[[Wire], T], most_pages: int
    ) -> tuple[list[T], bool]:
        pages = self._pages(path, {}, self._brief(read), most=most_pages)
        return list(by_id(pages).values()), len(pages) < most_pages

    def _pages(
        self, path: str, params: Mapping[str, Any], entries: Entries[T], most: int = MAX_PAGES
    ) -> Sequence[Page[T]]:
        return self._lists.pages(path, params, entries, auth=self._auth, most=most)

    def _whole(self, read: Callable[[Wire], T]) -> Entries[T]:
        return Entries(read=read, refused=self._refused)

    def _brief(self, read: Callable[[Wire], T]) -> Entries[T]:
        return Entries(read=read, refused=self._refused, is_brief=True)

    def _refused(self, reason: str) -> None:
        # Once for all VENs that meet it.
        line = f"VEN {self.ven_name}: the VTN's {reason}; it is left out"
        self._log_once(logger, logging.WARNING, line, about=reason)


def ping_as(client_for: Callable[[str], VtnClient], ven_name: str) -> None:
    """`ping`, as this VEN."""
    client_for(ven_name).ping()
