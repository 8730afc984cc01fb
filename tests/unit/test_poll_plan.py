"""Which VENs are polled, and when push is trusted to tell of every change (openadr.md, 'Push')."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.platform import LogOnce
from app.vens import PollPlan, PushTrust
from tests.support.fakes import FakeClock

SAFETY_S = 300.0
VENS = ["Aalborg", "Aarhus"]
CHANGE = ("event-1", "2026-06-01T12:00:00Z")
TOPICS = frozenset({"vens/1/events", "programs/1/events"})


@pytest.fixture
def trust(clock: FakeClock) -> PushTrust:
    return PushTrust(monotonic=clock.monotonic, safety_s=SAFETY_S, log_once=LogOnce())


@pytest.fixture
def plan(trust: PushTrust, clock: FakeClock) -> PollPlan:
    return PollPlan(trust=trust, monotonic=clock.monotonic, safety_s=SAFETY_S)


def poll(plan: PollPlan, *ven_names: str, finds: set[tuple[str, str]] | None = None) -> None:
    polls = plan.begins(ven_names)
    plan.ends(polls, dict.fromkeys(ven_names, finds or set()))


def begin(trust: PushTrust, source: str = "MQTT") -> list[str]:
    """Push of this kind covers Aalborg."""
    trust.require(source, {"Aalborg": TOPICS})
    return trust.confirmed(source, ["Aalborg"], TOPICS)


@pytest.fixture
def pushed(plan: PollPlan, trust: PushTrust) -> PollPlan:
    """Push works for Aalborg, and a poll has seen what was missed before."""
    begin(trust)
    poll(plan, *VENS)
    return plan


def test_without_push_every_ven_is_polled_each_time(plan: PollPlan) -> None:
    poll(plan, *VENS)

    assert plan.due(VENS) == VENS


def test_where_push_works_a_ven_is_left_alone(pushed: PollPlan, trust: PushTrust) -> None:
    assert pushed.due(VENS) == ["Aarhus"]
    assert trust.count() == 1


def test_push_works_when_all_that_the_ven_wants_is_confirmed(
    plan: PollPlan, trust: PushTrust
) -> None:
    trust.require("MQTT", {"Aalborg": TOPICS})
    one = frozenset({"vens/1/events"})

    assert trust.confirmed("MQTT", ["Aalborg"], one) == []
    poll(plan, "Aalborg")
    assert plan.due(["Aalborg"]) == ["Aalborg"]

    assert trust.confirmed("MQTT", ["Aalborg"], TOPICS) == ["Aalborg"]
    assert trust.confirmed("MQTT", ["Aalborg"], TOPICS | {"other"}) == [], "it was before"
    poll(plan, "Aalborg")
    assert plan.due(["Aalborg"]) == []


def test_a_ven_that_wants_more_is_polled_until_that_is_confirmed(
    pushed: PollPlan, trust: PushTrust
) -> None:
    trust.require("MQTT", {"Aalborg": TOPICS | {"programs/2/events"}})

    assert pushed.due(["Aalborg"]) == ["Aalborg"]


def test_push_works_only_after_a_poll_that_began_later(plan: PollPlan, trust: PushTrust) -> None:
    in_progress = plan.begins(["Aalborg"])
    begin(trust)
    plan.ends(in_progress, {})

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


@pytest.mark.parametrize("how", ["interrupted", "lost"])
def test_when_push_ends_polling_is_as_before(pushed: PollPlan, trust: PushTrust, how: str) -> None:
    getattr(trust, how)("MQTT", ["Aalborg"])

    assert pushed.due(VENS) == VENS


def test_one_kind_of_push_is_enough(pushed: PollPlan, trust: PushTrust) -> None:
    begin(trust, "webhooks")
    poll(pushed, "Aalborg")

    trust.lost("MQTT", ["Aalborg"])

    assert pushed.due(["Aalborg"]) == []


def test_when_it_works_again_what_was_missed_is_polled(pushed: PollPlan, trust: PushTrust) -> None:
    trust.interrupted("MQTT", ["Aalborg"])

    assert trust.confirmed("MQTT", ["Aalborg"], TOPICS) == ["Aalborg"]
    assert pushed.due(["Aalborg"]) == ["Aalborg"]


def test_its_beginning_and_its_end_are_said_once(
    pushed: PollPlan, trust: PushTrust, caplog: pytest.LogCaptureFixture
) -> None:
    del pushed
    caplog.set_level("INFO", logger="app")
    for _ in range(2):
        trust.log_changes()
    trust.lost("MQTT", ["Aalborg"])
    for _ in range(2):
        trust.log_changes()

    assert caplog.messages == [
        "push works; polling is every 300 s where it does",
        "push no longer works; polling as before",
    ]


@given(
    st.lists(
        st.sampled_from(["wants", "confirmed", "interrupted", "lost", "poll begins", "poll ends"]),
        max_size=30,
    )
)
def test_a_ven_is_left_alone_only_if_a_whole_poll_came_after_push_covered_it(
    steps: list[str],
) -> None:
    clock = FakeClock()
    trust = PushTrust(monotonic=clock.monotonic, safety_s=SAFETY_S, log_once=LogOnce())
    plan = PollPlan(trust=trust, monotonic=clock.monotonic, safety_s=SAFETY_S)
    wanted = covered = polled_since = False
    begun, began_covered = None, False
    for step in steps:
        clock.advance(seconds=1)
        if step == "wants":
            trust.require("MQTT", {"Aalborg": TOPICS})
            wanted, covered, polled_since, began_covered = True, False, False, False
        elif step == "confirmed":
            trust.confirmed("MQTT", ["Aalborg"], TOPICS)
            covered = wanted
        elif step in ("interrupted", "lost"):
            getattr(trust, step)("MQTT", ["Aalborg"])
            wanted = wanted and step == "interrupted"
            covered = polled_since = began_covered = False
        elif step == "poll begins":
            begun, began_covered = plan.begins(["Aalborg"]), covered
        elif begun is not None:
            plan.ends(begun, {})
            polled_since, begun = began_covered, None
        assert (plan.due(["Aalborg"]) == []) == (covered and polled_since), step


class TestDoubt:
    """A poll finds a change that push should have brought."""

    def test_push_is_doubted_when_it_does_not_bring_it_within_10_s(
        self, pushed: PollPlan, trust: PushTrust, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        poll(pushed, "Aalborg", finds={CHANGE})
        clock.advance(seconds=9)
        assert pushed.due(["Aalborg"]) == []

        clock.advance(seconds=1)

        assert pushed.due(["Aalborg"]) == ["Aalborg"]
        assert "VEN Aalborg: a poll found a change that push did not bring" in caplog.text
        assert trust.count() == 0

    def test_it_is_not_when_it_brings_it_late(
        self, pushed: PollPlan, trust: PushTrust, clock: FakeClock
    ) -> None:
        poll(pushed, "Aalborg", finds={CHANGE})
        clock.advance(seconds=9)

        trust.brought("Aalborg", CHANGE, first=False)

        clock.advance(seconds=20)
        assert pushed.due(["Aalborg"]) == []

    def test_it_is_not_when_it_had_brought_it_before(
        self, pushed: PollPlan, trust: PushTrust, clock: FakeClock
    ) -> None:
        trust.brought("Aalborg", CHANGE, first=True)
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
    def test_it_ends_when(
        self, pushed: PollPlan, trust: PushTrust, clock: FakeClock, how: str
    ) -> None:
        poll(pushed, "Aalborg", finds={CHANGE})
        clock.advance(seconds=10)
        assert pushed.due(["Aalborg"]) == ["Aalborg"]

        if how == "it begins anew":
            trust.require("MQTT", {"Aalborg": TOPICS})
            trust.confirmed("MQTT", ["Aalborg"], TOPICS)
        else:
            trust.brought("Aalborg", ("event-2", "later"), first=True)
        poll(pushed, "Aalborg")

        assert pushed.due(["Aalborg"]) == []
