"""Which reports are sent, where some VENs are held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from app.fleet import HeldVens
from app.fleet.held_vens import MIN_PAUSE_S
from app.observability.tracing import NoTracing
from app.openadr import Circuit, VtnUnauthorised
from app.platform import FanOut, Shutdown
from app.reporting.delivery import BatchSender, RefusedResources, RejectedReport
from app.reporting.delivery.outgoing import DeliveryOutcome, Fate, OutgoingReport
from app.reporting.delivery.sender import failed
from tests.support.fakes import FakeClock, held_vens

VENS = ["Aalborg", "Aarhus", "Esbjerg"]
REFUSED = VtnUnauthorised("POST /reports: 401", status=401)


class Sender:
    """Delivers all but the reports of VENs that fail."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.sent: list[str] = []

    def send(self, report: OutgoingReport, client: object) -> DeliveryOutcome:
        del client
        self.sent.append(report.name)
        if report.ven_name in self.failing:
            return failed(report, REFUSED)
        return DeliveryOutcome(report=report, fate=Fate.DELIVERED)

    def look_up(self, report: OutgoingReport, client: object) -> DeliveryOutcome:
        raise AssertionError(f"nobody looks for {report.name} as {client}")


@pytest.fixture
def held(clock: FakeClock) -> HeldVens:
    return held_vens(Circuit(monotonic=clock.monotonic), clock, VENS)


@pytest.fixture
def sender() -> Sender:
    return Sender()


@pytest.fixture
def batches(clock: FakeClock, held: HeldVens, sender: Sender) -> BatchSender:
    one_at_a_time = FanOut(max_workers=1, shutdown=Shutdown())
    return BatchSender(
        sender=sender,
        refused=RefusedResources(clock=clock),
        held=held,
        fan_out=one_at_a_time,
        tracing=NoTracing(),
    )


def report(clock: FakeClock, ven_name: str, name: str = "r") -> OutgoingReport:
    rejected = RejectedReport(
        set_aside_id=0,
        ven_name=ven_name,
        event_id="e",
        report_name=f"{ven_name} {name}",
        readings=1,
        problem="",
        refused_at=clock.now,
        to_send=True,
        in_doubt_us=None,
        body=b"{}",
    )
    return OutgoingReport.of_rejected(rejected)


def names(reports: Sequence[OutgoingReport]) -> list[str]:
    return [report.name for report in reports]


def send(batches: BatchSender, reports: Sequence[OutgoingReport]) -> list[DeliveryOutcome]:
    outcomes: list[DeliveryOutcome] = []
    client: Any = object()
    batches.send(reports, outcomes, client_for=lambda _: client)
    return outcomes


def test_of_a_held_ven_nothing_is_sent_before_its_pause_is_over(
    batches: BatchSender, held: HeldVens, clock: FakeClock
) -> None:
    held.failed("Aarhus", REFUSED)
    all_ = [report(clock, name) for name in VENS]

    assert names(batches.sendable(all_)) == ["Aalborg r", "Esbjerg r"]


def test_then_it_is_one_report(batches: BatchSender, held: HeldVens, clock: FakeClock) -> None:
    held.failed("Aarhus", REFUSED)
    clock.advance(seconds=MIN_PAUSE_S)
    two_of_each = [report(clock, name, number) for name in VENS for number in ("1", "2")]

    assert names(batches.sendable(two_of_each)) == [
        *("Aalborg 1", "Aalborg 2", "Aarhus 1", "Esbjerg 1", "Esbjerg 2")
    ]


def test_a_ven_that_comes_to_be_held_is_not_tried_again_in_the_same_batch(
    batches: BatchSender, sender: Sender, clock: FakeClock
) -> None:
    sender.failing.add("Aarhus")

    outcomes = send(
        batches, [report(clock, name, number) for number in "123" for name in ("Aarhus", "Esbjerg")]
    )

    assert [name for name in sender.sent if name.startswith("Aarhus")] == ["Aarhus 1"]
    assert [outcome.report.name for outcome in outcomes if outcome.is_delivered] == [
        *("Esbjerg 1", "Esbjerg 2", "Esbjerg 3")
    ]
