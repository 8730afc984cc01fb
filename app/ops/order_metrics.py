"""What Prometheus reads of orders to devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.actuation import OrdersOverview, OrderStatus

COUNTED = {
    "issued": "Orders and releases that were issued.",
    "written": "Orders that were written, with those that were written again.",
    "accepted": "Orders that a device acknowledged.",
    "refused": "Orders that a device refused.",
    "unanswered": "Orders that were written again since nothing came back in time.",
    "late": "Answers to an order that another one had replaced.",
    "lapsed": "Releases that no device acknowledged in time.",
    "unknown_answers": "Answers to what was never issued, or that are none.",
}


def of_orders(orders: OrdersOverview) -> Iterator[Any]:
    """Samples of all that is counted."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    in_force = GaugeMetricFamily(
        "ven_orders", "Orders that are in force, by how they stand.", labels=["status"]
    )
    by_status = orders.by_status()
    for status in (OrderStatus.WAITING, OrderStatus.ACCEPTED, OrderStatus.REFUSED):
        in_force.add_metric([status.value.lower()], by_status.get(status, 0))
    yield in_force
    counts = orders.counts()
    for key, words in COUNTED.items():
        yield CounterMetricFamily(f"ven_orders_{key}", words, value=counts[key])
    yield GaugeMetricFamily(
        "ven_orders_deviating",
        "Devices whose power differs from what they accepted for five minutes.",
        value=sum(not row.follows for row in orders.rows()),
    )
    yield GaugeMetricFamily(
        "ven_opt_outs",
        "VENs and resources that have opted out.",
        value=len(orders.who().opt_outs),
    )
    away = GaugeMetricFamily(
        "ven_actuator_away", "Whether no order reaches an actuator.", labels=["actuator"]
    )
    for name, actuator in orders.actuators().items():
        away.add_metric([name], actuator.away is not None)
    yield away
