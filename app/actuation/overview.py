"""How orders are: for the page, the metrics and readiness."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.actuation.book import OrderBook
from app.actuation.order import Key, Order, OrderStatus
from app.actuation.outcomes import OutcomeInbox
from app.actuation.ports import KnowsFrames, KnowsWhoTakesPart
from app.actuation.status import ActuatorStats, ActuatorStatus
from app.fleet import EVERYBODY, THE_VEN, WhoTakesPart
from app.platform import LogOnce

logger = logging.getLogger(__name__)
DO_NOT_ANSWER, DO_NOT_FOLLOW = "do not answer their orders", "do not follow what they accepted"
ALL_IS_WELL = {
    DO_NOT_ANSWER: "all devices answer again",
    DO_NOT_FOLLOW: "all devices follow what they accepted again",
}
FOLLOWS_WITHIN = timedelta(minutes=5)
MIN_TOLERANCE_KW, TOLERANCE = 0.1, 0.1
"""What is measured may differ from what is asked by so much, and by this share of it."""
MAX_AGE_S = 2.0
"""Of what is known of opt-outs: who looks, looks every two seconds."""


@dataclass(frozen=True, kw_only=True)
class OrderRow:
    """What one resource is asked, and what it does."""

    order: Order
    measured_kw: float | None
    """As of the last tick; None: nothing fresh."""
    follows: bool
    """False where what is measured has differed from what is asked for five minutes."""


class OrdersOverview:
    """Looks at the orders when asked. Safe for several threads."""

    def __init__(
        self,
        *,
        book: OrderBook,
        stats: ActuatorStats,
        inbox: OutcomeInbox,
        participation: KnowsWhoTakesPart,
        frames: KnowsFrames,
        clock: Callable[[], datetime],
        log_once: LogOnce,
    ) -> None:
        self._book = book
        self._stats = stats
        self._inbox = inbox
        self._participation = participation
        self._frames = frames
        self._clock = clock
        self._log_once = log_once

    def rows(self) -> list[OrderRow]:
        """The orders that are not over, by VEN and resource."""
        orders = sorted(
            (order for order in self._book.orders() if not order.is_over),
            key=lambda order: order.key,
        )
        measured = self._measured({order.key for order in orders})
        now = self._clock()
        return [
            OrderRow(
                order=order,
                measured_kw=measured.get(order.key),
                follows=_follows(order, measured.get(order.key), now),
            )
            for order in orders
        ]

    def by_status(self) -> Mapping[OrderStatus, int]:
        """How many orders are in force, and how they stand."""
        return Counter(order.status for order in self._book.orders() if not order.is_over)

    def counts(self) -> Mapping[str, int]:
        """Since the application started."""
        counts = self._book.counts
        return {
            "issued": counts.issued,
            "written": counts.written,
            "accepted": counts.accepted,
            "refused": counts.refused,
            "unanswered": counts.unanswered,
            "late": counts.late,
            "lapsed": counts.lapsed,
            "unknown_answers": counts.unknown + self._inbox.refused,
        }

    def actuators(self) -> Mapping[str, ActuatorStatus]:
        """By name."""
        return self._stats.all()

    def who(self) -> WhoTakesPart:
        """Who has opted out, and what an operator has released."""
        return self._participation.current(MAX_AGE_S)

    def warnings(self) -> Iterator[str]:
        """What an operator should know, one line each."""
        for name, status in sorted(self.actuators().items()):
            if status.away is not None:
                yield f"no order reaches actuator {name}: {status.away}"
        for name, count in sorted(self._stats.missing.items()):
            yield f"{count} resources name the actuator {name}, which SOURCES_FILE does not have"
        for words, keys in self.troubles().items():
            if keys:
                yield f"{len(keys)} devices {words}, such as {keys[0]}"
        released = sorted(self.who().released)
        if released:
            yield f"orders are released until they are resumed: {_named(released)}"

    def troubles(self) -> Mapping[str, Sequence[Key]]:
        """In words, and whose devices they are."""
        rows = self.rows()
        silent = [row.order.key for row in rows if row.order.is_unanswered]
        deviating = [row.order.key for row in rows if not row.follows]
        return {DO_NOT_ANSWER: silent, DO_NOT_FOLLOW: deviating}

    def say_troubles(self) -> None:
        """To be called every minute: in the log, when some begin and when all are over."""
        for words, keys in self.troubles().items():
            self._log_once.problem(
                logger,
                f"devices that {words}",
                words if keys else None,
                line=f"orders: devices {words}, such as {next(iter(keys), '')};"
                " the page and /readyz have more",
                recovered=f"orders: {ALL_IS_WELL[words]}",
            )

    def _measured(self, keys: set[Key]) -> dict[Key, float]:
        frame = self._frames.last() if keys else None
        if frame is None:
            return {}
        found: dict[Key, float] = {}
        for ven_name in {key.ven_name for key in keys}:
            for name, power_kw in frame.powers(ven_name):
                if Key(ven_name, name) in keys and power_kw == power_kw:
                    found[Key(ven_name, name)] = power_kw
        return found


def _follows(order: Order, measured_kw: float | None, now: datetime) -> bool:
    desired = order.desired
    if (
        desired is None
        or measured_kw is None
        or order.status is not OrderStatus.ACCEPTED
        or now - order.issued_at < FOLLOWS_WITHIN
    ):
        return True
    if desired.setpoint_kw is not None:
        tolerance_kw = max(MIN_TOLERANCE_KW, TOLERANCE * abs(desired.setpoint_kw))
        if abs(measured_kw - desired.setpoint_kw) > tolerance_kw:
            return False
    most_kw, least_kw = desired.import_limit_kw, desired.export_limit_kw
    if most_kw is not None and measured_kw > most_kw * (1 + TOLERANCE) + MIN_TOLERANCE_KW:
        return False
    return least_kw is None or -measured_kw <= least_kw * (1 + TOLERANCE) + MIN_TOLERANCE_KW


def _named(released: Sequence[tuple[str, str]]) -> str:
    if (EVERYBODY, THE_VEN) in released:
        return "the whole fleet"
    ven_name, resource_name = released[0]
    first = f"VEN {ven_name}" if resource_name == THE_VEN else str(Key(ven_name, resource_name))
    return first + (f" and {len(released) - 1} others" if len(released) > 1 else "")
