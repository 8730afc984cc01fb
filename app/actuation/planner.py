"""What each resource is to be asked now: by events, policies, limits, and who takes part."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from app.actuation.order import DesiredState, Key, Order, OrderStatus, Stored, Wanted
from app.actuation.pace import paced
from app.actuation.ports import KnowsEvents, KnowsFrames, KnowsWhoTakesPart, MeasuresPower
from app.actuation.sites import Sites, SitesOfFleet
from app.actuation.states import AskedStates
from app.actuation.transitions import stored_before
from app.control import (
    LIMITS,
    ControlInput,
    ControlSignals,
    ResourceArrays,
    Responder,
    SignalResolver,
    half_full,
)
from app.events import SeenEvent, by_precedence
from app.fleet import SetBy
from app.platform import LogOnce
from app.readings import Roster, column_map, realign

logger = logging.getLogger(__name__)
Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

BASELINE_SPAN = timedelta(minutes=15)
MIN_BASELINE_SPAN = timedelta(minutes=3)
"""Less than this since the last order: what it did before that one is its baseline still."""
STEP = timedelta(minutes=5)
"""For so long a store must allow what is asked; then it is looked at again."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be asked."""

    wanted: Mapping[Key, Wanted]
    next_change: datetime | None
    """When it may be something else; None: not before an event changes."""
    actuators: Mapping[Key, str] = field(default_factory=dict)
    """Of every resource that may be given orders."""
    opted_out: Collection[tuple[str, str]] = ()
    """Whose devices have opted out."""


class OrderPlanner:
    """Works out what each resource is to be asked. For one thread.

    `usual_kw` is what resources do by the load shapes of their kinds.
    """

    def __init__(
        self,
        *,
        sites: SitesOfFleet,
        frames: KnowsFrames,
        measured: MeasuresPower,
        usual_kw: Callable[[ResourceArrays, datetime], Float32],
        events: KnowsEvents,
        resolver: SignalResolver,
        responder: Responder,
        participation: KnowsWhoTakesPart,
        log_once: LogOnce,
    ) -> None:
        self._sites = sites
        self._frames = frames
        self._measured = measured
        self._usual_kw = usual_kw
        self._events = events
        self._resolver = resolver
        self._responder = responder
        self._participation = participation
        self._log_once = log_once
        self._map: tuple[Roster | None, Roster | None, npt.NDArray[np.intp] | None]
        self._map = None, None, None

    def plan(self, orders: Mapping[Key, Order], now: datetime) -> Plan:
        """What is to be asked at this instant. `orders`: the last order of each resource."""
        sites = self._sites.current()
        if not sites.actuators:
            return Plan(wanted={}, next_change=None)
        who = self._participation.current()
        signals = self._resolver.make(sites.resources, self._events_of, now)
        changes = [signals.holds_until, who.next_end(now)]
        asked = AskedStates(sites, signals, self._responder.policies, now)
        if not asked.any and all(order.is_release for order in orders.values()):
            return Plan(
                wanted={},
                next_change=_earliest(changes),
                actuators=sites.actuator_of,
                opted_out=who.opted_out_by(SetBy.DEVICE, now),
            )
        takes_part = _flags(
            not (who.is_opted_out(*key, now) or who.is_released(*key)) for key in sites.keys
        )
        refuses = _flags(
            _is_refused(orders.get(key), asked, column) for column, key in enumerate(sites.keys)
        )
        candidates = asked.columns & sites.ordered & takes_part
        baseline_kw = self._baselines(sites, orders, candidates, now)
        stored_kwh, counted = self._stored(sites, orders, baseline_kw, candidates, now)
        inputs = ControlInput(
            now=now,
            step_h=STEP / timedelta(hours=1),
            shape_kw=baseline_kw,
            mean_kw=baseline_kw,
            stored_kwh=stored_kwh,
            # Who is given no orders does what it does, if it is real.
            is_fixed=~takes_part | refuses | (sites.resources.is_metered & ~sites.ordered),
        )
        before = {
            column: orders.get(sites.keys[column]) for column in np.flatnonzero(candidates).tolist()
        }
        stays = {  # until the event changes
            column: order.desired
            for column, order in before.items()
            if refuses[column] and order is not None and order.desired is not None
        }
        desired, next_step = self._desired(sites, signals, asked, inputs, before, stays)
        changes.append(next_step)
        wanted = {
            sites.keys[column]: Wanted(
                actuator=sites.actuators[column],
                desired=state,
                baseline_kw=float(baseline_kw[column]),
                stored=Stored(float(stored_kwh[column]), now) if counted[column] else None,
            )
            for column, state in desired.items()
        }
        if any(sites.resources.has_store[sites.columns[key]] for key in wanted):
            changes.append(now + STEP)
        return Plan(
            wanted=wanted,
            next_change=_earliest(changes),
            actuators=sites.actuator_of,
            opted_out=who.opted_out_by(SetBy.DEVICE, now),
        )

    def _desired(
        self,
        sites: Sites,
        signals: ControlSignals,
        asked: AskedStates,
        inputs: ControlInput,
        before: Mapping[int, Order | None],
        stays: Mapping[int, DesiredState],
    ) -> tuple[Mapping[int, DesiredState], datetime | None]:
        """What is to be asked of each, by column, and when one that changes slowly takes its next
        step. `before`: the last orders; `stays`: who is asked the same as before.

        Who cannot change at once is asked for what it can, and the others of its site, if that is
        limited, give way for it; some of them may then be among the slow ones, too.
        """
        slow: dict[int, DesiredState] = {}
        steps: list[datetime | None] = []
        while True:
            states = asked.states(self._responder.respond(sites.resources, inputs, signals))
            desired, slower = {**stays, **slow}, dict(slow)
            for column in [each for each in before if each not in desired]:
                state = states(column)
                if state is None:
                    continue
                desired[column] = state
                if column in sites.paces:
                    usual_kw = float(inputs.mean_kw[column])
                    held, step = paced(
                        state, before[column], sites.paces[column], usual_kw, inputs.now
                    )
                    steps.append(step)
                    desired[column] = held
                    if held.setpoint_kw != state.setpoint_kw:
                        slower[column] = held
            if slower.keys() == slow.keys() or LIMITS.isdisjoint(signals.by_type):
                return desired, _earliest(steps)
            slow = slower
            inputs = _with_fixed(inputs, slow)

    def _events_of(self, ven_name: str) -> Sequence[SeenEvent]:
        return by_precedence(self._events.of_ven(ven_name))

    def _baselines(
        self, sites: Sites, orders: Mapping[Key, Order], candidates: Bools, now: datetime
    ) -> Float32:
        """What each would do without events: never what was measured under an order."""
        resources, last = sites.resources, self._frames.last()
        usual_kw = self._usual_kw(resources, now)
        there = usual_kw
        if last is not None:
            there = realign(last.baseline_kw, self._mapped(last.roster, sites), usual_kw)
        baseline_kw = np.clip(there, resources.lowest_kw, resources.highest_kw).astype(np.float32)
        spans: dict[tuple[str, str], tuple[datetime, datetime]] = {}
        for column in np.flatnonzero(sites.ordered).tolist():
            key, order = sites.keys[column], orders.get(sites.keys[column])
            if order is not None and not order.is_over:
                baseline_kw[column] = order.baseline_kw
            elif candidates[column]:
                since = now - BASELINE_SPAN
                if order is not None and order.until > since:
                    since = order.until
                if order is not None and now - since < MIN_BASELINE_SPAN:
                    baseline_kw[column] = order.baseline_kw
                else:
                    spans[key] = since, now
        means = self._measured.mean_kw(spans)
        for (ven_name, resource_name), mean_kw in means.items():
            baseline_kw[sites.columns[Key(ven_name, resource_name)]] = mean_kw
        without = [key for key in spans if key not in means and _is_metered(sites, key)]
        if without:
            self._log_once(
                logger,
                logging.INFO,
                f"{len(without)} resources that are asked were not measured of late,"
                f" such as {Key(*without[0])}: their baseline is what was known last, or usual",
                about=f"baseline of {without[0]}",
            )
        return baseline_kw

    def _stored(
        self,
        sites: Sites,
        orders: Mapping[Key, Order],
        baseline_kw: Float32,
        candidates: Bools,
        now: datetime,
    ) -> tuple[Float32, Bools]:
        """What is in each store, kWh, and for whom that is counted, from plan to plan, from the
        power since the first order; for others it is measured, or half of what can be."""
        resources, last = sites.resources, self._frames.last()
        stored, counted = half_full(resources), candidates & resources.has_store
        if last is not None and last.detail.stored_kwh is not None:
            where = self._mapped(last.roster, sites)
            known = realign(last.detail.stored_kwh, where, np.full_like(stored, np.nan))
            stored = np.where(np.isnan(known), stored, known).astype(np.float32)
            counted &= np.isnan(known)
        spans: dict[tuple[str, str], tuple[datetime, datetime]] = {}
        for column in np.flatnonzero(counted).tolist():
            key = sites.keys[column]
            before = stored_before(orders.get(key), now)
            if before is not None:
                stored[column] = before.kwh
                if before.at < now:
                    spans[key] = before.at, now
        if spans:
            stored += self._flowed_kwh(sites, orders, baseline_kw, spans)
            np.clip(stored, resources.store_min_kwh, resources.store_max_kwh, out=stored)
        return stored, counted

    def _flowed_kwh(
        self,
        sites: Sites,
        orders: Mapping[Key, Order],
        baseline_kw: Float32,
        spans: Mapping[tuple[str, str], tuple[datetime, datetime]],
    ) -> Float32:
        """What each store has gained in its span, by measured power, else by what was asked."""
        means = self._measured.mean_kw(spans)
        power_kw, hours = baseline_kw.copy(), np.zeros(len(baseline_kw), dtype=np.float32)
        for (ven_name, resource_name), (start, end) in spans.items():
            key = Key(ven_name, resource_name)
            column, desired = sites.columns[key], orders[key].desired
            hours[column] = (end - start) / timedelta(hours=1)
            if key in means:
                power_kw[column] = means[key]
            elif desired is not None and desired.setpoint_kw is not None:
                power_kw[column] = desired.setpoint_kw
        return hours * self._responder.into_stores_kw(
            sites.resources, power_kw, shape_kw=baseline_kw, mean_kw=baseline_kw
        )

    def _mapped(self, roster: Roster, sites: Sites) -> npt.NDArray[np.intp] | None:
        """Where the columns of the sites stand in a frame."""
        source, target, found = self._map
        if source is not roster or target is not sites.resources.roster:
            found = column_map(roster, sites.resources.roster)
            self._map = roster, sites.resources.roster, found
        return found


def _with_fixed(inputs: ControlInput, slow: Mapping[int, DesiredState]) -> ControlInput:
    """Where these do what they are asked, whatever that leaves to the others."""
    shape_kw, fixed = inputs.shape_kw.copy(), np.zeros(len(inputs.shape_kw), dtype=np.bool_)
    for column, state in slow.items():
        shape_kw[column], fixed[column] = state.setpoint_kw or 0.0, True
    if inputs.is_fixed is not None:
        fixed |= inputs.is_fixed
    return replace(inputs, shape_kw=shape_kw, is_fixed=fixed)


def _flags(values: Iterable[bool]) -> Bools:
    return np.fromiter(values, dtype=np.bool_)


def _is_refused(order: Order | None, asked: AskedStates, column: int) -> bool:
    """Whether its device refused what an event asks, which has not changed since."""
    if order is None or order.status is not OrderStatus.REFUSED or order.desired is None:
        return False
    return (order.desired.event_id, order.desired.event_version) == asked.deciding(column)


def _is_metered(sites: Sites, key: tuple[str, str]) -> bool:
    return bool(sites.resources.is_metered[sites.columns[Key(*key)]])


def _earliest(instants: Iterable[datetime | None]) -> datetime | None:
    return min((each for each in instants if each is not None), default=None)
