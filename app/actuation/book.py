"""The orders that are in force: issued when what is asked changes, written again while they hold.

One owner of the state machine of an order. Times of the wall clock say until when an order holds;
the monotonic clock says when it is to be written again.
"""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from datetime import datetime, timedelta
from typing import Protocol

from app.actuation.actuators import MAX_VALID_FOR, Actuator
from app.actuation.order import (
    Answer,
    Key,
    Order,
    OrderCounts,
    OrderStatus,
    OutcomeStatus,
    Wanted,
    Written,
)
from app.actuation.transitions import RECOVERY, answered, is_to_be_released, until_of
from app.platform import to_us

SPREAD = 0.7, 1.0
"""The share of half of `valid_for` after which an order is written again: drawn, so that those
that were issued at once are not renewed at once."""
MAX_TIME_SINCE_TICK = timedelta(hours=1)
"""For so long the application may have run on, and renewed orders, after its last tick."""


class KeepsOrders(Protocol):
    """The OrderStore, or what stands in for it."""

    def run(self) -> str: ...

    def load(self) -> list[Order]: ...

    def issue(self, orders: list[Order], now_us: int) -> None: ...

    def keep(self, orders: Collection[Order]) -> None: ...

    def forget(self, keys: Collection[Key]) -> None: ...


class OrderBook:
    """What each resource is asked, and what came of it. Safe for several threads.

    `clock` is aware UTC, `monotonic` in seconds. `drawn`: between 0 and 1, for spreading.
    """

    def __init__(
        self,
        *,
        store: KeepsOrders,
        actuators: Callable[[], Mapping[str, Actuator]],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        drawn: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._actuators = actuators
        self._clock = clock
        self._monotonic = monotonic
        self._drawn = drawn
        self._changing = threading.Lock()
        """Held while something is stored; what is in memory is not locked meanwhile."""
        self._lock = threading.RLock()
        self._orders: dict[Key, Order] = {}
        self._due: list[tuple[float, int, Key]] = []
        self.due_changed = threading.Event()
        """Set when something is due before all else that was due."""
        self._run = ""
        self.counts = OrderCounts()

    def open(self, *, ticked_at: datetime | None = None) -> None:
        """Read what was issued before; all that holds is due, and to be answered. DatabaseError.

        `ticked_at`: when the last tick was; None: there was none. Orders may have been renewed for
        a while after that; what every device has ended by itself since then is over.
        """
        run, orders = self._store.run(), self._store.load()
        ended = []
        for order in orders:
            last_at = order.issued_at if ticked_at is None else max(ticked_at, order.issued_at)
            ended_at = last_at + MAX_TIME_SINCE_TICK + 2 * MAX_VALID_FOR
            if order.desired is not None and self._clock() >= ended_at:
                order.status, order.desired, order.until = OrderStatus.RELEASED, None, ended_at
                ended.append(order)
        if ended:
            self._store.keep(ended)
        with self._lock:
            self._run = run
            self._orders = {order.key: order for order in orders}
            self._due = []
            for order in orders:
                self._plan(order, self._monotonic())

    def change(self, wanted: Mapping[Key, Wanted]) -> None:
        """Issue what is asked otherwise than before, and release what is not asked any more.

        DatabaseError: nothing has changed. Where the actuator of a resource is another one, it is
        released at the old one first.
        """
        with self._changing:
            now = self._clock()
            with self._lock:
                self._end_what_is_over(now)
                issued = [
                    order
                    for key, asked in wanted.items()
                    if (order := self._asked(key, asked, now)) is not None
                ]
                issued += [
                    self._release(order, now)
                    for key, order in self._orders.items()
                    if not order.is_release and is_to_be_released(order, wanted.get(key))
                ]
            if issued:
                self._store.issue(issued, to_us(now))
            with self._lock:
                self.counts.issued += len(issued)
                for order in issued:
                    self._orders[order.key] = order
                for key in [*(order.key for order in issued), *self._go_on_with(wanted)]:
                    self._plan(self._orders[key], self._monotonic())

    def _end_what_is_over(self, now: datetime) -> None:
        """Releases whose devices are their own by now, though nothing could be written there."""
        for order in self._orders.values():
            if order.is_release and not order.is_over and now >= order.until:
                self._lapse(order)

    def _lapse(self, order: Order) -> None:
        order.status, order.is_retained = OrderStatus.RELEASED, True
        self.counts.lapsed += 1

    def forget(self, keys: Iterable[Key]) -> None:
        """Resources that are gone, once their last order says nothing of what they would do
        without it. DatabaseError."""
        with self._changing:
            latest = self._clock() - RECOVERY
            with self._lock:
                known = {key: order for key in keys if (order := self._orders.get(key)) is not None}
                gone = [
                    key for key, order in known.items() if order.is_over and order.until <= latest
                ]
            if gone:
                self._store.forget(gone)
            with self._lock:
                for key in gone:
                    del self._orders[key]

    @property
    def run(self) -> str:
        """The id of the store; blank before it was opened."""
        return self._run

    def take_due(self, *, most: int) -> dict[str, list[Key]]:
        """By actuator, whose orders are to be written now; so many at most."""
        with self._lock:
            now_s = self._monotonic()
            keys: dict[str, list[Key]] = {}
            taken = 0
            while self._due and self._due[0][0] <= now_s and taken < most:
                due_s, seq, key = heapq.heappop(self._due)
                order = self._orders.get(key)
                if order is None or (order.due_s, order.seq) != (due_s, seq) or order.is_settled:
                    continue  # it was planned anew, or nothing is to be written any more
                keys.setdefault(order.actuator, []).append(key)
                taken += 1
            return keys

    def next_due_s(self) -> float | None:
        """When something is to be written, by the monotonic clock; None: nothing is."""
        with self._lock:
            return self._due[0][0] if self._due else None

    def written(self, key: Key) -> Written | None:
        """The order of a resource as it is to be written now; None: there is none.

        Called when it goes out, since what is left of it is counted from then. An empty body ends
        what a broker retains of a release that is over.
        """
        with self._lock:
            order = self._orders.get(key)
            actuator = None if order is None else self._actuators().get(order.actuator)
            if order is None or actuator is None:
                return None
            now, now_s = self._clock(), self._monotonic()
            if order.is_release and now >= order.until and not order.is_over:
                self._lapse(order)
            if order.is_over:
                was_retained, order.is_retained = order.is_retained, False
                return self._as_written(order, b"", now) if was_retained else None
            if order.is_settled:
                return None
            if not order.is_release:
                order.valid_for = max(order.valid_for, actuator.valid_for)
                order.until = until_of(order, actuator, now)
            if order.left_s(now) <= 0:
                self._plan(order, now_s + actuator.ack_timeout.total_seconds())
                return None  # it ends, and is planned anew
            if order.writes and order.status is OrderStatus.ACCEPTED:
                order.status = OrderStatus.WAITING  # the last one was not answered
            self.counts.unanswered += order.writes > 0
            self.counts.written += 1
            order.writes += 1
            self._plan(order, now_s + self._pause_s(order, actuator))
            return self._as_written(order, order.body(self._run, now), now)

    def _as_written(self, order: Order, body: bytes, now: datetime) -> Written:
        return Written(
            key=order.key,
            actuator=order.actuator,
            seq=order.seq,
            body=body,
            left_s=order.left_s(now),
        )

    def follow(self, answers: Iterable[Answer]) -> list[Order]:
        """What devices answer: the orders that are refused or over by that, stored together.

        An answer counts only for the resources of its own actuator, and for the order in force; who
        opts out or in always means it, and is not looked at here. That a device accepts is kept in
        memory only: it is asked again after a restart. DatabaseError: nothing else is taken.
        """
        ended: dict[Key, Order] = {}
        with self._changing:
            now = self._clock()
            with self._lock:
                for answer in answers:
                    order = ended.get(answer.key) or self._orders.get(answer.key)
                    after = self._after(answer, order, now)
                    if after is not None:
                        ended[answer.key] = after
            if ended:
                self._store.keep(ended.values())
            with self._lock:
                self._orders.update(ended)
                for order in ended.values():
                    self.counts.refused += order.status is OrderStatus.REFUSED
                    self.counts.accepted += order.is_over
        return list(ended.values())

    def _after(self, answer: Answer, order: Order | None, now: datetime) -> Order | None:
        """The order after an answer; None: there is nothing to be stored."""
        actuator, _, outcome = answer
        if outcome.is_about_taking_part and (order is None or outcome.seq != order.seq):
            return None  # it means what it says, whatever it is an answer to
        if order is None or order.actuator != actuator or outcome.seq > order.seq:
            self.counts.unknown += 1
            return None
        if outcome.seq < order.seq:
            self.counts.late += 1
            return None
        if outcome.status is OutcomeStatus.ACCEPTED and not order.is_release:
            self._accept(order)
            return None
        return answered(order, outcome, now)

    def _accept(self, order: Order) -> None:
        order.writes = 0
        if order.status is not OrderStatus.WAITING:
            return
        order.status = OrderStatus.ACCEPTED
        self.counts.accepted += 1
        actuator = self._actuators().get(order.actuator)
        if actuator is not None:
            self._plan(order, self._monotonic() + self._pause_s(order, actuator))

    def of_actuator(self, name: str) -> list[Key]:
        """Whose orders go there and hold: all of them are written anew after a connection broke."""
        with self._lock:
            return [
                key
                for key, order in self._orders.items()
                if order.actuator == name and not order.is_over
            ]

    def waiting(self) -> int:
        """How many orders are not answered."""
        with self._lock:
            return sum(order.status is OrderStatus.WAITING for order in self._orders.values())

    def orders(self) -> Iterator[Order]:
        """A copy of each, as it is now; also of those that are over."""
        with self._lock:
            copies = [copy(order) for order in self._orders.values()]
        return iter(copies)

    def get(self, key: Key) -> Order | None:
        """A copy of the last order of a resource."""
        with self._lock:
            order = self._orders.get(key)
            return None if order is None else copy(order)

    def _asked(self, key: Key, asked: Wanted, now: datetime) -> Order | None:
        """A new order; None: what is in force asks the same, or the old actuator comes first."""
        before = self._orders.get(key)
        actuator = self._actuators().get(asked.actuator)
        if actuator is None:
            return None
        if before is not None and not before.is_over:
            if before.actuator != asked.actuator:
                return None
            if before.desired is not None and before.desired.asks_the_same(asked.desired):
                is_refused = before.status is OrderStatus.REFUSED
                if not is_refused or before.desired.is_of_the_same_event(asked.desired):
                    return None
        follows = before is not None and not before.is_release
        order = Order(
            key=key,
            actuator=asked.actuator,
            seq=0,
            desired=asked.desired,
            status=OrderStatus.WAITING,
            baseline_kw=before.baseline_kw if follows and before else asked.baseline_kw,
            stored=asked.stored,
            issued_at=now,
            switched_at=now,
            valid_for=actuator.valid_for,
            until=now,
        )
        if follows and before and before.is_on == order.is_on:
            order.switched_at = before.switched_at
        order.until = until_of(order, actuator, now)
        return order

    def _release(self, order: Order, now: datetime) -> Order:
        """`until`: whatever was written before, and however late a broker tells it, no device holds
        it any longer then (device-contract.md)."""
        released = copy(order)
        released.desired, released.status, released.reason = None, OrderStatus.WAITING, ""
        released.issued_at, released.writes = now, 0
        released.until = now + 2 * order.valid_for
        return released

    def _go_on_with(self, wanted: Mapping[Key, Wanted]) -> list[Key]:
        """Keep what is known of orders that ask the same; those that end at another time than the
        device was told."""
        keys = []
        for key, asked in wanted.items():
            order = self._orders.get(key)
            if order is None or order.desired is None:
                continue
            order.stored = asked.stored
            if (
                not order.desired.asks_the_same(asked.desired)
                or order.desired.ends_at == asked.desired.ends_at
            ):
                continue
            was_capped = order.until == order.desired.ends_at
            order.desired = asked.desired
            ends_at = asked.desired.ends_at
            if was_capped or (ends_at is not None and ends_at < order.until):
                keys.append(key)
        return keys

    def _pause_s(self, order: Order, actuator: Actuator) -> float:
        """After an order was written, until it is written again."""
        renewal_s = actuator.half_s * (SPREAD[0] + (SPREAD[1] - SPREAD[0]) * self._drawn())
        if order.status is not OrderStatus.WAITING:
            return renewal_s
        back_off_s = actuator.ack_timeout.total_seconds() * 2 ** min(order.writes - 1, 16)
        return float(min(back_off_s, renewal_s))

    def _plan(self, order: Order, due_s: float) -> None:
        if order.is_settled:
            return
        order.due_s = due_s
        heapq.heappush(self._due, (due_s, order.seq, order.key))
        if self._due[0][2] is order.key:
            self.due_changed.set()
