"""When orders are planned, and when they are written: woken by changes, and by nothing else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from app.actuation.actuators import Actuator
from app.actuation.book import OrderBook
from app.actuation.order import Answer, Key, Order, OrderStatus, OutcomeStatus, Wanted
from app.actuation.outcomes import OutcomeInbox
from app.actuation.planner import Plan
from app.actuation.ports import Audits
from app.actuation.signal import OrderSignal
from app.actuation.status import ActuatorStats
from app.actuation.trusted_clock import TrustedClock
from app.fleet import SetBy
from app.platform import LogOnce, OperationalError

logger = logging.getLogger(__name__)
AT_ONCE = 500
"""Orders that are handed on at a time."""
MAX_PER_S = 5_000
"""Of them: after a start all are due at once."""
MIN_PAUSE_S = 0.001
TRY_AGAIN_S = 2.0
"""After the database could not be used."""


class Plans(Protocol):
    """The OrderPlanner, or what stands in for it."""

    def plan(self, orders: Mapping[Key, Order], now: datetime) -> Plan: ...


class Delivers(Protocol):
    """The channels to devices."""

    def write(self, actuator: str, keys: Sequence[Key]) -> None: ...

    def show(
        self, actuators: Mapping[Key, str], opted_out: Collection[tuple[str, str]]
    ) -> None: ...


class TakesOptOuts(Protocol):
    """Who keeps opt-outs."""

    def opt_out(
        self,
        ven_name: str,
        resource_name: str,
        *,
        set_by: SetBy,
        reason: str,
        until: datetime | None,
    ) -> bool: ...

    def opt_in(self, ven_name: str, resource_name: str, *, set_by: SetBy) -> bool: ...


class Dispatcher:
    """Two threads: one plans, follows answers and stores; the other one hands on what is due.

    So orders are renewed while the database is silent. Neither does anything while nothing changes.
    """

    def __init__(
        self,
        *,
        book: OrderBook,
        planner: Plans,
        inbox: OutcomeInbox,
        signal: OrderSignal,
        channels: Delivers,
        participation: TakesOptOuts,
        audit: Audits,
        actuator_of: Callable[[str, str], str | None],
        actuators: Callable[[], Mapping[str, Actuator]],
        stats: ActuatorStats,
        clock: TrustedClock,
        monotonic: Callable[[], float],
        log_once: LogOnce,
    ) -> None:
        self._book = book
        self._planner = planner
        self._inbox = inbox
        self._signal = signal
        self._channels = channels
        self._participation = participation
        self._audit = audit
        self._actuator_of = actuator_of
        self._actuators = actuators
        self._stats = stats
        self._clock = clock
        self._monotonic = monotonic
        self._log_once = log_once
        self.plan_at_s = float("inf")
        """When it is planned next, by the monotonic clock, unless something changes before."""
        self._share_at_s = float("-inf")
        """Not before: what a refuser leaves was shared a moment ago."""
        self._owners: Mapping[Key, str] = {}
        self._knows_owners = False
        self.is_planned = False
        """Whether what was asked at the start is issued."""
        self._ends_all = False
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Go on with what was in force before; the book is open."""
        self._signal.changed()
        for name, work in (("orders", self._plan_each), ("orders-write", self._write_each)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def release_all(self) -> None:
        """End every order at once; from here on nothing is asked of any device."""
        self._ends_all, self.is_planned = True, False
        self._signal.changed()

    def close(self, timeout_s: float = 1.0) -> None:
        """Write nothing more: orders run out. May be called again."""
        self._over.set()
        self._signal.answered()
        self._book.due_changed.set()
        for thread in self._threads:
            thread.join(timeout_s)
        self._threads = []

    def follow_answers(self) -> None:
        """What devices have answered. DatabaseError: what is left is followed later."""
        if not self._knows_owners:
            return  # whose device is whose is not known yet
        answers = self._inbox.take()
        try:
            answers = [answer for answer in answers if self._is_own(answer)]
            self._let_take_part(answers)
            ended = self._book.follow(answers)
        except OperationalError:
            self._inbox.put_back(answers)
            raise
        self._write([order for order in ended if order.is_over])
        for order in ended:
            if order.status is OrderStatus.REFUSED:
                logger.info(
                    "%s refuses its order: %s", order.key, order.reason or "it does not say why"
                )
                self._share_what_is_left(order.actuator)

    def plan(self) -> None:
        """Work out what is asked now, and issue what has changed. DatabaseError."""
        in_doubt = self._clock.look()
        now = self._clock()
        orders = {order.key: order for order in self._book.orders()}
        plan, ends_all = self._planner.plan(orders, now), self._ends_all
        self._owners, self._knows_owners = plan.actuators, True
        self._say_missing()
        self._channels.show(plan.actuators, plan.opted_out)
        wanted = plan.wanted if not in_doubt else _only_what_holds(plan.wanted, orders)
        self._say_doubt(in_doubt)
        self._book.change({} if ends_all else wanted)
        self.is_planned = ends_all == self._ends_all
        self._book.forget(key for key in orders if key not in plan.actuators)
        changes = [
            plan.next_change,
            # An actuator that cannot be reached: its releases end by themselves.
            *(
                order.until
                for order in self._book.orders()
                if order.is_release and not order.is_over
            ),
        ]
        upcoming = min((each for each in changes if each is not None), default=None)
        left_s = float("inf")
        if upcoming is not None:
            left_s = max((upcoming - now) / timedelta(seconds=1), MIN_PAUSE_S)
        self.plan_at_s = self._monotonic() + left_s

    def write_due(self) -> float | None:
        """Hand on what is due. After so many seconds there is more; None: not before something
        changes."""
        due = self._book.take_due(most=AT_ONCE)
        for actuator, keys in due.items():
            self._channels.write(actuator, keys)
        if sum(map(len, due.values())) == AT_ONCE:
            return AT_ONCE / MAX_PER_S
        due_s = self._book.next_due_s()
        return None if due_s is None else max(due_s - self._monotonic(), 0.0)

    def _is_own(self, answer: Answer) -> bool:
        """Whether it is about a resource of the actuator that it came from."""
        order = self._book.get(answer.key)
        own = {self._owners.get(answer.key), None if order is None else order.actuator}
        if answer.actuator not in own and answer.outcome.is_about_taking_part:
            own.add(self._actuator_of(*answer.key))  # it may be given no orders now
        if answer.actuator not in own:
            self._inbox.refuse()
            return False
        return True

    def _let_take_part(self, answers: Sequence[Answer]) -> None:
        """Or not, as owners say. One that cannot be followed keeps no other from being heard."""
        for answer in [each for each in answers if each.outcome.is_about_taking_part]:
            try:
                self._follow_owner(answer)
            except OperationalError:
                raise
            except Exception:
                self._inbox.put_back([each for each in answers if each is not answer])
                raise

    def _follow_owner(self, answer: Answer) -> None:
        """Nothing is done where it is known."""
        _, key, outcome = answer
        until = outcome.until
        if until is not None and until <= self._clock():
            until = None  # by a clock that is wrong: a veto counts all the same
        if outcome.status is OutcomeStatus.OPTED_OUT:
            is_new = self._participation.opt_out(
                *key, set_by=SetBy.DEVICE, reason=outcome.reason, until=until
            )
        else:
            is_new = self._participation.opt_in(*key, set_by=SetBy.DEVICE)
        if is_new:
            logger.info("%s: its device has %s", key, outcome.status.replace("_", " ").lower())
            self._signal.changed()
            self._write_down(answer, until)

    def _write_down(self, answer: Answer, until: datetime | None) -> None:
        """A veto holds although it cannot be written down."""
        actuator, (ven_name, resource_name), outcome = answer
        action = "opt out" if outcome.status is OutcomeStatus.OPTED_OUT else "opt in"
        values = {"ven": ven_name, "reason": outcome.reason, "until": until}
        try:
            self._audit.note(f"a device of {actuator}", action, resource_name, "done", values)
        except OSError as error:
            logger.warning("%s: its %s is not in the audit log: %s", answer.key, action, error)

    def _write(self, over: Sequence[Order]) -> None:
        """What a broker still retains of these."""
        by_actuator: dict[str, list[Key]] = {}
        for order in over:
            by_actuator.setdefault(order.actuator, []).append(order.key)
            if self._owners.get(order.key) != order.actuator:
                self._signal.changed()  # another actuator waits for the end of this one
        for actuator, keys in by_actuator.items():
            self._channels.write(actuator, keys)

    def _share_what_is_left(self, actuator: str) -> None:
        """Ask the others of the site for more, once per `ack_timeout`: more may refuse."""
        now_s = self._monotonic()
        self._share_at_s = max(self._share_at_s, now_s)
        self.plan_at_s = min(self.plan_at_s, self._share_at_s)
        known = self._actuators().get(actuator)
        pause_s = 0.0 if known is None else known.ack_timeout.total_seconds()
        self._share_at_s = max(self._share_at_s, now_s + pause_s)

    def _plan_each(self) -> None:
        while not self._over.is_set():
            try:
                self.follow_answers()
                if self._signal.take_changed() or self._monotonic() >= self.plan_at_s:
                    self.plan()
                    self._log_once.problem(
                        logger, "orders", None, recovered="orders are planned again"
                    )
            except OperationalError as error:
                self._log_once.problem(
                    logger, "orders", f"orders are not planned: {error}; what was issued holds"
                )
                self.plan_at_s = self._monotonic() + TRY_AGAIN_S
            except Exception:
                logger.exception("orders: a defect; they are planned again in a moment")
                self.plan_at_s = self._monotonic() + TRY_AGAIN_S
            left_s = self.plan_at_s - self._monotonic()
            self._signal.wait(None if left_s == float("inf") else max(left_s, 0.0))

    def _write_each(self) -> None:
        while not self._over.is_set():
            self._book.due_changed.clear()
            try:
                pause_s = self.write_due()
            except Exception:
                logger.exception("orders: a defect; what is due is written in a moment")
                pause_s = TRY_AGAIN_S
            self._book.due_changed.wait(pause_s)

    def _say_missing(self) -> None:
        """Of which resources the actuator is in no file."""
        self._stats.resources(self._owners.values(), self._actuators().keys())
        first = next(iter(sorted(self._stats.missing)), None)
        self._log_once.problem(
            logger,
            "missing actuators",
            None
            if first is None
            else f"orders: {self._stats.missing[first]} resources name the actuator {first}, which"
            " SOURCES_FILE does not have",
        )

    def _say_doubt(self, in_doubt: bool) -> None:
        self._log_once.problem(
            logger,
            "the clock of orders",
            "orders: the clock is in doubt, and no new one begins" if in_doubt else None,
            recovered="orders: the clock is right again",
        )


def _only_what_holds(
    wanted: Mapping[Key, Wanted], orders: Mapping[Key, Order]
) -> dict[Key, Wanted]:
    """While nobody knows what time it is: what is in force and would be asked now, unchanged."""
    kept = {}
    for key, asked in wanted.items():
        order = orders.get(key)
        if order is not None and order.desired is not None:
            kept[key] = Wanted(
                actuator=asked.actuator, desired=order.desired, baseline_kw=order.baseline_kw
            )
    return kept
