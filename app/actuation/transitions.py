"""What becomes of an order: by an answer, by what is asked next, and by time."""

from __future__ import annotations

from copy import copy
from datetime import datetime, timedelta

from app.actuation.actuators import Actuator
from app.actuation.order import Order, OrderStatus, Outcome, OutcomeStatus, Stored, Wanted
from app.control import RECOVERY_H

RECOVERY = timedelta(hours=RECOVERY_H)


def is_to_be_released(order: Order, asked: Wanted | None) -> bool:
    """Whether nothing is asked any more, or by another actuator."""
    return asked is None or asked.actuator != order.actuator


def stored_before(before: Order | None, now: datetime) -> Stored | None:
    """What was put off counts on, also after a release, until it was made good."""
    if before is None or (before.is_over and before.until + RECOVERY < now):
        return None
    return before.stored


def answered(order: Order, outcome: Outcome, now: datetime) -> Order | None:
    """The order after an answer that has to be remembered; None: nothing has changed."""
    after = copy(order)
    if order.is_release:
        if order.is_over or outcome.status is OutcomeStatus.REFUSED:
            return None
        after.status, after.is_retained, after.until = OrderStatus.RELEASED, True, now
    elif outcome.status is OutcomeStatus.REFUSED and order.status is not OrderStatus.REFUSED:
        after.status, after.reason = OrderStatus.REFUSED, outcome.reason
    else:
        return None
    return after


def until_of(order: Order, actuator: Actuator, now: datetime) -> datetime:
    """Until when an order holds that is written now."""
    until = now + actuator.valid_for
    ends_at = None if order.desired is None else order.desired.ends_at
    return until if ends_at is None else min(until, ends_at)
