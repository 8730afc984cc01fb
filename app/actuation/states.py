"""What signals come to for single resources: the state that each device is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from app.actuation.order import DesiredState
from app.actuation.sites import Sites
from app.control import (
    BY_STRENGTH,
    IDLE_KW,
    LIMITS,
    ControlResult,
    ControlSignals,
    Policy,
)
from app.events import SeenEvent, active_until
from app.fleet import ResourceKind

Float32 = npt.NDArray[np.float32]
SOFT = frozenset(BY_STRENGTH[: BY_STRENGTH.index("CHARGE_STATE_SETPOINT")])
"""What may ask for no change, such as a level 0 or a price that is the mean."""

LATE = timedelta(minutes=2)
"""By so much a plan may be late."""


class AskedStates:
    """Who is asked for what at one instant."""

    def __init__(
        self,
        sites: Sites,
        signals: ControlSignals,
        policies: Mapping[ResourceKind, Policy],
        now: datetime,
    ) -> None:
        self._sites = sites
        self._signals = signals
        self._now = now
        self._ends: dict[int, datetime | None] = {}
        self._follows: dict[int, Sequence[str]] = {}
        """By place of the kind: of what is asked of anybody, what its policy follows."""
        self.columns = np.zeros(len(sites.keys), dtype=np.bool_)
        """Who is asked for anything that its policy follows."""
        for place, kind in enumerate(ResourceKind):
            columns = sites.resources.of_kind.get(kind)
            if columns is None:
                continue
            self._follows[place] = sorted(policies[kind].follows & signals.by_type.keys())
            for name in self._follows[place]:
                self.columns[columns] |= ~np.isnan(signals.by_type[name][columns])

    @property
    def any(self) -> bool:
        """Whether anybody is asked for anything."""
        return bool(self.columns.any())

    def deciding(self, column: int) -> tuple[str, str] | None:
        """The id and the version of the event that decides for a resource."""
        events = self._events(column)
        name = _strongest(events) or _limiting(events)
        return None if name is None else (events[name].event.event_id, _version(events[name]))

    def states(self, result: ControlResult) -> Callable[[int], DesiredState | None]:
        """By column; None: nothing that differs from what the resource does by itself."""
        import_kw, export_kw = (
            _shares(self._sites, result, self._signals, way) for way in ("IMPORT", "EXPORT")
        )
        levels = self._signals.of("SIMPLE")

        def of(column: int) -> DesiredState | None:
            events = self._events(column)
            power_kw = float(result.commanded_kw[column])
            is_usual = abs(power_kw - float(result.baseline_kw[column])) < IDLE_KW
            deciding = _strongest(events)
            if deciding in SOFT and is_usual:
                deciding = None
            most, most_export = _cap(import_kw, column), _cap(export_kw, column)
            reason = deciding or _limiting(events)
            if reason is None:
                return None
            seen = events[reason]
            level = levels[column]
            return DesiredState(
                setpoint_kw=None if deciding is None else round(power_kw, 3) + 0.0,
                import_limit_kw=most,
                export_limit_kw=most_export,
                level=None if deciding is None or np.isnan(level) else int(level),
                event_id=seen.event.event_id,
                event_version=_version(seen),
                reason=reason,
                ends_at=self._end(events),
            )

        return of

    def _events(self, column: int) -> dict[str, SeenEvent]:
        """By payload type, what asks a resource for what it can follow."""
        follows = self._follows[int(self._sites.resources.kinds[column])]
        places = {
            name: int(self._signals.event_of[name][column])
            for name in follows
            if not np.isnan(self._signals.by_type[name][column])
        }
        return {name: self._signals.events[place] for name, place in places.items()}

    def _end(self, events: Mapping[str, SeenEvent]) -> datetime | None:
        """When the first of these asks for nothing more."""
        ends = [self._end_of(seen) for seen in events.values()]
        return min((end for end in ends if end is not None), default=None)

    def _end_of(self, seen: SeenEvent) -> datetime | None:
        """What is asked next may be something else: it is planned then, but for trouble."""
        known = id(seen)
        if known not in self._ends:
            change = seen.timeline.next_change(self._now)
            ends = active_until(seen, self._now), None if change is None else change + LATE
            self._ends[known] = min((end for end in ends if end is not None), default=None)
        return self._ends[known]


def _strongest(events: Mapping[str, SeenEvent]) -> str | None:
    """The payload type that decides about the power; None: none asks for one."""
    return next((name for name in reversed(BY_STRENGTH) if name in events), None)


def _limiting(events: Mapping[str, SeenEvent]) -> str | None:
    """A payload type that limits the capacity of the site; None: none does."""
    return next((name for name in events if name in LIMITS), None)


def _shares(
    sites: Sites, result: ControlResult, signals: ControlSignals, way: str
) -> Float32 | None:
    """The part of its site's capacity that each may use, kW; NaN: it is not limited.

    What others leave is shared out by what each could use by its limits of power. Who gives power
    back to its site lends nothing to others: it may stop.
    """
    rated = sites.resources
    sign, bound = (1.0, rated.highest_kw) if way == "IMPORT" else (-1.0, -rated.lowest_kw)
    used = sign * result.commanded_kw
    shares: Float32 | None = None
    for capacity in signals.capacities.get(way, ()):
        held, site, count = capacity.columns, capacity.site, len(capacity.most_kw)
        net = np.bincount(site, weights=np.clip(used[held], 0, None), minlength=count)
        could = np.where(sites.ordered[held], np.clip(bound[held] - used[held], 0, None), 0)
        wish = np.bincount(site, weights=could, minlength=count)
        room = np.clip(capacity.most_kw - net, 0, None)
        share = np.divide(room, wish, out=np.zeros(count), where=wish > 0)
        own = np.full(len(used), np.nan, dtype=np.float32)
        own[held] = np.clip(used[held] + np.minimum(share, 1.0)[site] * could, 0, None)
        shares = own if shares is None else np.fmin(shares, own)
    return shares


def _cap(shares: Float32 | None, column: int) -> float | None:
    if shares is None or np.isnan(shares[column]):
        return None
    return round(float(shares[column]), 3)


def _version(seen: SeenEvent) -> str:
    return "" if seen.event.modified_at is None else seen.event.modified_at.isoformat()
