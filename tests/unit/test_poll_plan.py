"""Which VENs are polled, and when (rules.md, 'Push')."""

from __future__ import annotations

import pytest

from app.vens import PollPlan
from tests.support.fakes import FakeClock

SAFETY_S = 300.0
VENS = ["Aalborg", "Aarhus"]
CHANGE = ("event-1", "2026-06-01T12:00:00Z")


@pytest.fixture
def plan(clock: FakeClock) -> PollPlan:
    return PollPlan(monotonic=clock.monotonic, safety_s=SAFETY_S)


def poll(plan: PollPlan, *ven_names: str, finds: set[tuple[str, str]] | None = None) -> None:
    for name in ven_names:
        plan.ends(name, plan.begins(name), finds or set())


@pytest.fixture
def pushed(plan: PollPlan) -> PollPlan:
    """Push works for Aalborg, and a poll has seen what was missed before."""
    plan.works("MQTT", ["Aalborg"])
    poll(plan, *VENS)
    return plan


def test_without_push_every_ven_is_polled_each_time(plan: PollPlan) -> None:
    poll(plan, *VENS)

    assert plan.due(VENS) == VENS


def test_where_push_works_a_ven_is_left_alone(pushed: PollPlan) -> None:
    assert pushed.due(VENS) == ["Aarhus"]
    assert pushed.trusted() == 1


def test_push_works_only_after_a_poll_that_began_later(plan: PollPlan) -> None:
    under_way = plan.begins("Aalborg")
    plan.works("MQTT", ["Aalborg"])
    plan.ends("Aalborg", under_way, set())

    assert plan.due(["Aalborg"]) == ["Aalborg"], "what was missed before is not known"


def test_a_safety_net_polls_all_the_same(pushed: PollPlan, clock: FakeClock) -> None:
    clock.advance(seconds=SAFETY_S - 1)
    assert pushed.due(["Aalborg"]) == []

    clock.advance(seconds=1)
    assert pushed.due(["Aalborg"]) == ["Aalborg"]


def test_what_push_asks_for_is_polled_once(pushed: PollPlan) -> None:
    pushed.ask(["Aalborg"])
    assert pushed.asked() == ["Aalborg"]
    assert pushed.due(["Aalborg"]) == ["Aalborg"]

    poll(pushed, "Aalborg")

    assert pushed.asked() == pushed.due(["Aalborg"]) == []


def test_when_push_ends_polling_is_as_before(pushed: PollPlan) -> None:
    pushed.fails("MQTT", ["Aalborg"])

    assert pushed.due(VENS) == VENS


def test_one_kind_of_push_is_enough(pushed: PollPlan) -> None:
    pushed.works("webhooks", ["Aalborg"])
    poll(pushed, "Aalborg")

    pushed.fails("MQTT", ["Aalborg"])

    assert pushed.due(["Aalborg"]) == []


def test_when_it_works_again_what_was_missed_is_polled(pushed: PollPlan) -> None:
    pushed.fails("MQTT", ["Aalborg"])
    pushed.works("MQTT", ["Aalborg"])

    assert pushed.due(["Aalborg"]) == ["Aalborg"]


class TestDoubt:
    """A poll finds a change that push should have brought."""

    def test_push_is_doubted_when_it_does_not_bring_it_within_10_s(
        self, pushed: PollPlan, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        poll(pushed, "Aalborg", finds={CHANGE})
        clock.advance(seconds=9)
        assert pushed.due(["Aalborg"]) == []

        clock.advance(seconds=1)

        assert pushed.due(["Aalborg"]) == ["Aalborg"]
        assert "VEN Aalborg: a poll found a change that push did not bring" in caplog.text
        assert pushed.trusted() == 0

    def test_it_is_not_when_it_brings_it_late(self, pushed: PollPlan, clock: FakeClock) -> None:
        poll(pushed, "Aalborg", finds={CHANGE})
        clock.advance(seconds=9)

        pushed.brought("Aalborg", CHANGE, first=False)

        clock.advance(seconds=20)
        assert pushed.due(["Aalborg"]) == []

    def test_it_is_not_when_it_had_brought_it_before(
        self, pushed: PollPlan, clock: FakeClock
    ) -> None:
        pushed.brought("Aalborg", CHANGE, first=True)
        poll(pushed, "Aalborg", finds={CHANGE})

        clock.advance(seconds=20)
        assert pushed.due(["Aalborg"]) == []

    def test_a_poll_that_push_asked_for_proves_nothing(
        self, pushed: PollPlan, clock: FakeClock
    ) -> None:
        pushed.ask(["Aalborg"])
        poll(pushed, "Aalborg", finds={CHANGE})

        clock.advance(seconds=20)
        assert pushed.due(["Aalborg"]) == []

    @pytest.mark.parametrize("how", ["it brings a change", "it begins anew"])
    def test_it_ends_when(self, pushed: PollPlan, clock: FakeClock, how: str) -> None:
        poll(pushed, "Aalborg", finds={CHANGE})
        clock.advance(seconds=10)
        assert pushed.due(["Aalborg"]) == ["Aalborg"]

        if how == "it begins anew":
            pushed.works("MQTT", ["Aalborg"])
        else:
            pushed.brought("Aalborg", ("event-2", "later"), first=True)
        poll(pushed, "Aalborg")

        assert pushed.due(["Aalborg"]) == []
