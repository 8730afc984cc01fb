"""How the fleet answers the events that are in force: orders, policies, limits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from app.control.model import Plant, Response, Situation
from app.control.policies import Group, Policy, flow_kw, reach_of_stores
from app.control.signals import SIMPLE, Orders, OrdersMaker
from app.events import EventBook, SeenEvent, by_precedence
from app.fleet import ResourceKind
from app.platform import SayOnce

logger = logging.getLogger(__name__)

Float32 = npt.NDArray[np.float32]
SETPOINTS = ("CONTROL_SETPOINT", "DISPATCH_SETPOINT")


class FleetAnswers:
    """Answers for all resources at once; what is asked is worked out when it may have changed.

    `policies`: one per kind of resource. Safe for several threads.
    """

    def __init__(
        self,
        *,
        book: EventBook,
        maker: OrdersMaker,
        policies: Mapping[ResourceKind, Policy],
        say_once: SayOnce,
    ) -> None:
        self._book = book
        self._say_once = say_once
        self._maker = maker
        self._policies = policies
        self.comfort_h: Mapping[ResourceKind, float] = {
            kind: policy.comfort_h for kind, policy in policies.items()
        }
        self._lock = threading.Lock()
        self._revision = -1
        self._events: dict[str, Sequence[SeenEvent]] = {}
        self._plant: Plant | None = None
        self._efficiency: tuple[Plant | None, Float32] = None, np.ones(0, dtype=np.float32)
        self._orders: Orders | None = None
        self._made_at: datetime | None = None
        self._in_force: dict[str, int] = {}

    def answer(self, plant: Plant, situation: Situation) -> Response:
        """What the resources of this plant do."""
        orders = self._orders_for(plant, situation.now)
        drain = np.zeros(plant.roster.size, dtype=np.float32)
        for kind, columns in plant.of_kind.items():
            drain[columns] = self._policies[kind].drain_kw(
                situation.shape_kw[columns], situation.mean_kw[columns]
            )
        efficiency = self._efficiency_of(plant)
        low, high = reach_of_stores(
            lowest_kw=plant.lowest_kw,
            highest_kw=plant.highest_kw,
            stored_kwh=situation.stored_kwh,
            store_min_kwh=plant.store_min_kwh,
            store_max_kwh=plant.store_max_kwh,
            drain_kw=drain,
            efficiency=efficiency,
            step_h=situation.step_h,
        )
        baseline = np.clip(situation.shape_kw, low, high)
        power = baseline.copy()
        for kind, columns in plant.of_kind.items():
            policy = self._policies[kind]
            low[columns], high[columns] = policy.reach_kw(
                baseline[columns], low[columns], high[columns]
            )
            told = {name: orders.by_type[name] for name in policy.follows & orders.by_type.keys()}
            group = Group(
                plant=plant,
                situation=situation,
                columns=columns,
                low=low,
                high=high,
                orders=told,
            )
            power[columns] = policy.wish_kw(group, baseline[columns])
        np.clip(power, low, high, out=power)
        _share_out(power, low, high, plant, orders.by_type)
        self._tell(plant, orders)
        stored = situation.stored_kwh + np.float32(situation.step_h) * (
            flow_kw(power, efficiency) - drain
        )
        np.clip(stored, plant.store_min_kwh, plant.store_max_kwh, out=stored)
        return Response(
            commanded_kw=power,
            baseline_kw=baseline,
            stored_kwh=stored.astype(np.float32),
            lowest_kw=low,
            highest_kw=high,
            level=np.nan_to_num(orders.of(SIMPLE)).astype(np.int8),
            setpoint_kw=_setpoints(orders),
        )

    def _efficiency_of(self, plant: Plant) -> Float32:
        """Of each resource's store, one way."""
        known, efficiency = self._efficiency
        if known is not plant:
            efficiency = np.ones(plant.roster.size, dtype=np.float32)
            for kind, columns in plant.of_kind.items():
                efficiency[columns] = self._policies[kind].efficiency
            if not plant.is_part:
                self._efficiency = plant, efficiency
        return efficiency

    def _orders_for(self, plant: Plant, now: datetime) -> Orders:
        with self._lock:
            if self._book.revision != self._revision:
                self._revision = self._book.revision
                self._events.clear()
                self._orders = None
            if plant.is_part:
                return self._maker.make(plant, self._events_of, now)
            if plant is not self._plant:
                self._plant, self._orders = plant, None
            orders = self._orders
            if orders is None or not self._holds(orders, now):
                orders = self._maker.make(plant, self._events_of, now)
                self._orders, self._made_at = orders, now
                self._say_what_changed(orders.in_force())
            return orders

    def _holds(self, orders: Orders, now: datetime) -> bool:
        """Whether these are of this instant, too; a clock may go back."""
        if self._made_at is None or now < self._made_at:
            return False
        return orders.holds_until is None or now < orders.holds_until

    def _events_of(self, ven_name: str) -> Sequence[SeenEvent]:
        if ven_name not in self._events:
            self._events[ven_name] = by_precedence(self._book.of_ven(ven_name))
        return self._events[ven_name]

    def _say_what_changed(self, now: dict[str, int]) -> None:
        """One line when something else is in force than before."""
        if now != self._in_force:
            told = "; ".join(f"{kind} for {count} resources" for kind, count in sorted(now.items()))
            logger.info("in force: %s", told or "nothing")
        self._in_force = now

    def _tell(self, plant: Plant, orders: Orders) -> None:
        """Each payload type that is in force and not followed, once per event."""
        for event_id, kind in orders.not_followed:
            self._tell_once(event_id, kind, "no kind of resource follows it")
        for kind, event_id in orders.asked_by.items():
            cannot = [name for name in plant.of_kind if kind not in self._policies[name].follows]
            if cannot:
                self._tell_once(event_id, kind, f"{', '.join(cannot)} cannot follow it")

    def _tell_once(self, event_id: str, kind: str, words: str) -> None:
        line = f"event {event_id}: {kind}: {words}"
        self._say_once(
            logger, logging.INFO, line, about=f"event {event_id}: {kind} is not followed"
        )


def _share_out(
    power: Float32, low: Float32, high: Float32, plant: Plant, orders: Mapping[str, Float32]
) -> None:
    """Hold each site to its capacity: all that can give way give way alike.

    A site is the resources of a VEN that the limit is meant for. A LIMIT prevails over what was
    subscribed and reserved (User Guide 8.10.1).
    """
    for way, give_way, sign in (("IMPORT", low, 1.0), ("EXPORT", high, -1.0)):
        limit = _limit(orders, way)
        if limit is None:
            continue
        held = ~np.isnan(limit)
        site = plant.ven_of[held]
        sites = int(plant.ven_of[-1]) + 1 if len(plant.ven_of) else 0
        net = sign * np.bincount(site, weights=power[held], minlength=sites)
        most = np.full(sites, np.inf)
        np.minimum.at(most, site, limit[held])
        room = np.abs(power[held] - give_way[held])
        rooms = np.bincount(site, weights=room, minlength=sites)
        excess = np.clip(net - most, 0, None)
        share = np.divide(excess, rooms, out=np.zeros(sites), where=rooms > 0)
        change = sign * np.minimum(share, 1.0)[site] * room
        power[held] = (power[held] - change).astype(np.float32)


def _limit(orders: Mapping[str, Float32], way: str) -> Float32 | None:
    limit = orders.get(f"{way}_CAPACITY_LIMIT")
    subscribed = orders.get(f"{way}_CAPACITY_SUBSCRIPTION")
    if subscribed is not None:
        reserved = orders.get(f"{way}_CAPACITY_RESERVATION")
        if reserved is not None:
            subscribed = subscribed + np.nan_to_num(reserved)
        limit = subscribed if limit is None else np.where(np.isnan(limit), subscribed, limit)
    return limit


def _setpoints(orders: Orders) -> Float32:
    control, dispatch = (orders.of(name) for name in SETPOINTS)
    return np.where(np.isnan(dispatch), control, dispatch)
