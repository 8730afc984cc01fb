"""Opt-outs and orders as columns: what a tick stores beside the power."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt

from app.actuation.book import OrderBook
from app.actuation.order import Order, OrderStatus
from app.actuation.ports import KnowsWhoTakesPart
from app.control import IDLE_KW
from app.fleet import THE_VEN, WhoTakesPart
from app.metering import OrderColumns
from app.readings import OrderState, Roster

MAX_AGE_S = 5.0
"""Of what forecasts know of opt-outs: they are made VEN by VEN."""


class OrdersInForce:
    """Lays out what the book of orders has. Safe for several threads."""

    def __init__(self, *, book: OrderBook, participation: KnowsWhoTakesPart) -> None:
        self._book = book
        self._participation = participation

    def of(self, roster: Roster, now: datetime) -> OrderColumns | None:
        """None: nobody has opted out, and no device is given orders."""
        out = _out(roster, self._participation.current(), now)
        orders = [order for order in self._book.orders() if not order.is_over]
        if out is None and not orders:
            return None
        found = OrderColumns.none(roster.size)
        places: dict[str, dict[str, int]] = {}
        for order in orders:
            ven_name = order.key.ven_name
            if ven_name not in places:
                first, names = roster.columns(ven_name).start, roster.names(ven_name)
                places[ven_name] = {name: first + place for place, name in enumerate(names)}
            column = places[ven_name].get(order.key.resource_name)
            if column is not None:
                _lay_out(found, column, order)
        if out is not None:
            found.is_opted_out[:] = out
            found.state[out] = OrderState.OPTED_OUT
        return found

    def opted_out(self, roster: Roster, now: datetime) -> npt.NDArray[np.bool_] | None:
        """Who takes no part; None: nobody."""
        return _out(roster, self._participation.current(MAX_AGE_S), now)


def _out(roster: Roster, who: WhoTakesPart, now: datetime) -> npt.NDArray[np.bool_] | None:
    found: npt.NDArray[np.bool_] | None = None
    for (ven_name, resource_name), opt_outs in who.opt_outs.items():
        columns = roster.columns(ven_name)
        if columns.stop == columns.start or not any(each.holds(now) for each in opt_outs):
            continue
        if found is None:
            found = np.zeros(roster.size, dtype=np.bool_)
        if resource_name == THE_VEN:
            found[columns] = True
        elif resource_name in roster.names(ven_name):
            found[columns.start + roster.names(ven_name).index(resource_name)] = True
    return found


def _lay_out(found: OrderColumns, column: int, order: Order) -> None:
    desired = order.desired
    if order.is_unanswered:
        found.state[column] = OrderState.UNANSWERED
    if desired is None:
        return
    found.baseline_kw[column] = order.baseline_kw
    if order.status is not OrderStatus.ACCEPTED:
        return
    if desired.setpoint_kw is not None:
        found.setpoint_kw[column] = desired.setpoint_kw
    found.level[column] = desired.level or 0
    asked_kw = order.baseline_kw if desired.setpoint_kw is None else desired.setpoint_kw
    if desired.import_limit_kw is not None:
        asked_kw = min(asked_kw, desired.import_limit_kw)
    if desired.export_limit_kw is not None:
        asked_kw = max(asked_kw, -desired.export_limit_kw)
    if asked_kw < order.baseline_kw - IDLE_KW:
        found.state[column] = OrderState.CURTAILED
    elif asked_kw > order.baseline_kw + IDLE_KW:
        found.state[column] = OrderState.HEIGHTENED
