"""The fleet as the page shows it, as plain data. Asking changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.control import Policy
from app.events import ActivePayload, EventStore, active_payloads, by_precedence
from app.fleet import FleetRepository, Resource, ResourceKind, Status, VenSummary
from app.ops.events_view import payload_words
from app.readings import ReadingLog
from app.reporting.delivery import DeliveryStats, VenDelivery

MAX_PROBLEMS = 1_000
"""VENs that are looked for when only those with problems are asked for."""


@dataclass(frozen=True, kw_only=True)
class VenRow:
    """A VEN of the fleet."""

    summary: VenSummary
    power_kw: float | None
    """None before its first reading."""
    delivery: VenDelivery


@dataclass(frozen=True, kw_only=True)
class ResourceRow:
    """A resource of a VEN, at the newest reading."""

    resource: Resource
    power_kw: float | None
    stored_kwh: float | None
    """None for what has no store."""
    follows: Sequence[str]
    """What it is asked now and understands, in words."""

    @property
    def state_of_charge(self) -> float | None:
        """From 0 to 1; only of what people charge."""
        room = self.resource.energy_max_kwh - self.resource.energy_min_kwh
        if self.stored_kwh is None or room <= 0:
            return None
        return (self.stored_kwh - self.resource.energy_min_kwh) / room


class FleetView:
    """VENs and their resources, a page at a time. `policy_of`: what each kind follows."""

    def __init__(
        self,
        *,
        repository: FleetRepository,
        frames: ReadingLog,
        delivery_stats: DeliveryStats,
        events: EventStore,
        policy_of: Mapping[ResourceKind, Policy],
        clock: Callable[[], datetime],
    ) -> None:
        self._repository = repository
        self._frames = frames
        self._delivery_stats = delivery_stats
        self._events = events
        self._policy_of = policy_of
        self._clock = clock

    def count(self) -> int:
        """How many VENs there are."""
        return self._repository.count()

    def ven(self, ven_name: str) -> VenRow | None:
        """One VEN; None where there is none of this name."""
        rows, _ = self._rows(skip=0, limit=1, only=[ven_name])
        return rows[0] if rows else None

    def vens(
        self, *, skip: int, limit: int, search: str = "", only_problems: bool = False
    ) -> tuple[list[VenRow], int]:
        """Some of the VENs, by name, and how many there are of these."""
        only = None
        if only_problems:
            only = [name for name, _ in self._delivery_stats.first_problems(MAX_PROBLEMS)]
        return self._rows(skip=skip, limit=limit, search=search, only=only)

    def _rows(self, **which: Any) -> tuple[list[VenRow], int]:
        found, total = self._repository.page_of_summaries(**which)
        frame = self._frames.last()
        rows = []
        for summary in found:
            name = summary.ven.ven_name
            own = None if frame is None else frame.power_kw[frame.roster.columns(name)]
            power_kw = None if own is None or not len(own) else float(own[own == own].sum())
            rows.append(
                VenRow(summary=summary, power_kw=power_kw, delivery=self._delivery_stats.of(name))
            )
        return rows, total

    def resources(self, ven_name: str, *, skip: int, limit: int) -> tuple[list[ResourceRow], int]:
        """Some of a VEN's resources, by name, and how many it has."""
        found, total = self._repository.page_of_resources(ven_name, skip=skip, limit=limit)
        powers, stored = self._newest(ven_name)
        asked = list(active_payloads(by_precedence(self._events.of_ven(ven_name)), self._clock()))
        rows = [
            ResourceRow(
                resource=resource,
                power_kw=None if _rests(resource) else powers.get(resource.resource_name),
                stored_kwh=stored.get(resource.resource_name) if resource.energy_max_kwh else None,
                follows=[] if _rests(resource) else self._follows(resource, asked),
            )
            for resource in found
        ]
        return rows, total

    def _newest(self, ven_name: str) -> tuple[dict[str, float], dict[str, float]]:
        frame = self._frames.last()
        if frame is None:
            return {}, {}
        columns = frame.roster.columns(ven_name)
        names = frame.roster.names(ven_name)
        powers = frame.power_kw[columns].tolist()
        stored = frame.detail.stored_kwh
        stored_kwh = [math.nan] * len(names) if stored is None else stored[columns].tolist()
        return (
            {name: power for name, power in zip(names, powers, strict=True) if power == power},
            {name: kwh for name, kwh in zip(names, stored_kwh, strict=True) if kwh == kwh},
        )

    def _follows(self, resource: Resource, asked: Sequence[ActivePayload]) -> list[str]:
        """Of each payload type what prevails, if it is meant for this resource."""
        understood = self._policy_of[resource.kind].follows
        followed: dict[str, str] = {}
        for payload in asked:
            scope = payload.seen.scope
            concerned = scope is None or resource.resource_name in scope
            if concerned and (payload.type in understood or payload.type.startswith("ALERT_")):
                followed[payload.type] = payload_words(payload.type, payload.value)
        return list(followed.values())


def _rests(resource: Resource) -> bool:
    """Whether it is taken out, and its last reading is none of now."""
    return resource.status is Status.SUSPENDED
