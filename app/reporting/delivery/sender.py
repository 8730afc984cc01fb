"""Sends reports of many VENs, and tells apart a VEN's trouble from a report's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from app.fleet import HoldsVens
from app.observability import Tracing, about
from app.openadr import OutcomeUnknown, VtnClient, VtnError
from app.platform import FanOut
from app.reporting.delivery.parts import RefusedResources
from app.reporting.delivery.post import Fate, Parcel, fate_of, is_trouble
from app.reporting.delivery.under_way import Outcome
from app.reporting.streams import Stream


class SendsReports(Protocol):
    """Sends one report, or looks for it."""

    def send(self, parcel: Parcel, client: VtnClient) -> Fate: ...

    def find_of_gone_event(self, parcel: Parcel, client: VtnClient) -> bool: ...


class ReportSender:
    """Sends reports, several at a time; `held` is told of VENs whose reports the VTN fails."""

    def __init__(
        self,
        *,
        post: SendsReports,
        refused: RefusedResources,
        held: HoldsVens,
        fan_out: FanOut,
        tracing: Tracing,
    ) -> None:
        self._refused = refused
        self._post = post
        self._held = held
        self._fan_out = fan_out
        self._tracing = tracing

    def send(
        self,
        parcels: Sequence[Parcel],
        outcomes: list[Outcome],
        *,
        client_for: Callable[[str], VtnClient],
    ) -> None:
        """Send these, in the given order; what came of each that was tried goes to `outcomes`.

        Of a VEN that comes to be held meanwhile, no other one is tried.
        """
        names = {parcel.ven_name for parcel in parcels}
        held_before = {name for name in names if self._held.is_held(name)}

        def attempt(parcel: Parcel) -> None:
            error: VtnError | None = None
            ven_name = parcel.ven_name
            if self._held.is_held(ven_name) and ven_name not in held_before:
                return
            if isinstance(parcel.source, Stream) and self._refused.without_refused(parcel):
                outcomes.append((parcel, Fate.DIVIDED, None))
                return
            try:
                fate = self._send(parcel, client_for(parcel.ven_name))
            except VtnError as raised:
                error, fate = raised, fate_of(raised, parcel)
            except BaseException as defect:
                unknown = OutcomeUnknown(
                    f"report {parcel.report.name} may have been sent: {type(defect).__name__}"
                )
                outcomes.append((parcel, Fate.IN_DOUBT, unknown))
                raise
            outcomes.append((parcel, fate, error))
            if error is not None and is_trouble(error, fate):
                self._held.failed(parcel.ven_name, error)
                raise error
            self._held.succeeded(parcel.ven_name)

        self._fan_out(parcels, attempt, failure=VtnError)

    def find_of_gone_events(
        self, parcels: Sequence[Parcel], client_for: Callable[[str], VtnClient]
    ) -> list[tuple[Parcel, bool]]:
        """Of these reports, whose events were deleted: is it at the VTN, where that is known."""
        known: list[tuple[Parcel, bool]] = []

        def attempt(parcel: Parcel) -> None:
            try:
                client = client_for(parcel.ven_name)
                known.append((parcel, self._post.find_of_gone_event(parcel, client)))
            except VtnError as error:
                if is_trouble(error, Fate.STILL_IN_DOUBT):
                    self._held.failed(parcel.ven_name, error)
                raise
            self._held.succeeded(parcel.ven_name)

        to_find = self.sendable(parcels)
        try:
            self._fan_out(to_find, attempt, failure=VtnError)
        finally:
            for parcel in to_find:
                self._held.give_back(parcel.ven_name)
        return known

    def sendable(self, parcels: Iterable[Parcel]) -> list[Parcel]:
        """Those of VENs that are not held, and of each held one that may be tried now, the first.

        Each has to be tried, or given back.
        """
        parcels = list(parcels)
        free = set(self._held.free(parcel.ven_name for parcel in parcels))
        return [
            parcel
            for parcel in parcels
            if parcel.ven_name in free or self._held.claim(parcel.ven_name)
        ]

    def _send(self, parcel: Parcel, client: VtnClient) -> Fate:
        name, stream = parcel.report.name, parcel.source
        frames = None
        if isinstance(stream, Stream) and stream.in_flight is not None:
            frames = stream.cursor.seq, stream.in_flight.through.seq
        told = {"ven": parcel.ven_name, "report": name}
        with (
            about(**told),
            self._tracing.span(
                "send report", frames=frames, readings=parcel.report.readings, **told
            ) as span,
        ):
            fate = self._post.send(parcel, client)
            span.set("fate", fate.name)
            return fate
