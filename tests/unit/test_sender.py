"""Which reports are sent, where some VENs are held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from app.fleet import HeldVens
from app.fleet.held_vens import MIN_PAUSE_S
from app.observability.tracing import NoTracing
from app.openadr import Circuit, VtnUnauthorised
from app.platform import FanOut, Stopping
from app.reporting.delivery import RefusedResources, ReportSender
from app.reporting.delivery.lookup import Sought
from app.reporting.delivery.parcels import parcel_of
from app.reporting.delivery.post import Fate, Parcel
from app.reporting.delivery.rejected import SetAside
from app.reporting.delivery.under_way import Outcome
from tests.support.fakes import FakeClock, held_vens

VENS = ["Aalborg", "Aarhus", "Esbjerg"]
REFUSED = VtnUnauthorised("POST /reports: 401", status=401)


class Post:
    """Delivers all but the reports of VENs that fail."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.sent: list[str] = []

    def send(self, parcel: Parcel, client: object) -> Fate:
        del client
        self.sent.append(parcel.report.name)
        if parcel.ven_name in self.failing:
            raise REFUSED
        return Fate.DELIVERED

    def find_of_gone_event(self, parcel: Parcel, client: object) -> bool:
        raise AssertionError(f"nobody looks for {parcel.report.name} as {client}")


@pytest.fixture
def held(clock: FakeClock) -> HeldVens:
    return held_vens(Circuit(monotonic=clock.monotonic), clock, VENS)


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def sender(clock: FakeClock, held: HeldVens, post: Post) -> ReportSender:
    one_at_a_time = FanOut(max_workers=1, stopping=Stopping())
    return ReportSender(
        post=post,
        refused=RefusedResources(clock=clock),
        held=held,
        fan_out=one_at_a_time,
        tracing=NoTracing(),
    )


def parcel(clock: FakeClock, ven_name: str, name: str = "r") -> Parcel:
    aside = SetAside(
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
    made = parcel_of(aside)
    assert isinstance(made.sought, Sought)
    return made


def names(parcels: Sequence[Parcel]) -> list[str]:
    return [each.report.name for each in parcels]


def send(sender: ReportSender, parcels: Sequence[Parcel]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    client: Any = object()
    sender.send(parcels, outcomes, client_for=lambda _: client)
    return outcomes


def test_of_a_held_ven_nothing_is_sent_before_its_pause_is_over(
    sender: ReportSender, held: HeldVens, clock: FakeClock
) -> None:
    held.failed("Aarhus", REFUSED)
    all_ = [parcel(clock, name) for name in VENS]

    assert names(sender.sendable(all_)) == ["Aalborg r", "Esbjerg r"]


def test_then_it_is_one_report(sender: ReportSender, held: HeldVens, clock: FakeClock) -> None:
    held.failed("Aarhus", REFUSED)
    clock.advance(seconds=MIN_PAUSE_S)
    two_of_each = [parcel(clock, name, number) for name in VENS for number in ("1", "2")]

    assert names(sender.sendable(two_of_each)) == [
        *("Aalborg 1", "Aalborg 2", "Aarhus 1", "Esbjerg 1", "Esbjerg 2")
    ]


def test_a_ven_that_comes_to_be_held_is_not_tried_again_in_the_same_round(
    sender: ReportSender, post: Post, clock: FakeClock
) -> None:
    post.failing.add("Aarhus")

    outcomes = send(
        sender, [parcel(clock, name, number) for number in "123" for name in ("Aarhus", "Esbjerg")]
    )

    assert [name for name in post.sent if name.startswith("Aarhus")] == ["Aarhus 1"]
    assert [each.report.name for each, fate, _ in outcomes if fate is Fate.DELIVERED] == [
        *("Esbjerg 1", "Esbjerg 2", "Esbjerg 3")
    ]
