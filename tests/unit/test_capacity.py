"""Who shares the capacity of a site, where several events limit it or parts of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.control import ControlInput, ResourceArrays, Responder, SignalResolver, half_full
from app.control.policies import OF_KIND
from app.events import Granted, SeenEvent, by_precedence
from app.fleet import ResourceKind
from tests.support.events import NOW, in_force
from tests.support.fakes import resource

CHARGERS = ("a", "b", "c")
USUAL_KW, RATED_KW = 4.0, 10.0
LIMIT, SUBSCRIPTION = "IMPORT_CAPACITY_LIMIT", "IMPORT_CAPACITY_SUBSCRIPTION"


def limited(kw: float, to: str = "", *, kind: str = LIMIT, **event: Any) -> SeenEvent:
    """An event for these chargers, named by their letters; for all of the VEN's without any."""
    targets = [f"t-{to}"] if to else []
    made = in_force((kind, kw), id=f"{kind}-{to}-{round(kw * 1000)}", targets=targets, **event)
    if not to:
        return made
    return replace(made, granted=Granted(resources={name: frozenset({f"t-{to}"}) for name in to}))


def in_percent(event: SeenEvent) -> SeenEvent:
    """The same, of what each resource can do at most."""
    return replace(event, units={LIMIT: "PERCENT"})


def powers(*events: SeenEvent, **most_kw: float) -> dict[str, float]:
    """Of three chargers, each of which usually charges with 4 kW, can with 10 kW unless told."""
    return powers_of({"Aarhus": events}, **most_kw)["Aarhus"]


def powers_of(
    asked: Mapping[str, Sequence[SeenEvent]], **most_kw: float
) -> dict[str, dict[str, float]]:
    """The same of several VENs, each with three chargers."""
    responder = Responder({kind: policy() for kind, policy in OF_KIND.items()})
    members = [
        (
            ven_name,
            resource(name, ResourceKind.EV_CHARGER, power_max_kw=most_kw.get(name, RATED_KW)),
        )
        for ven_name in asked
        for name in CHARGERS
    ]
    of = ResourceArrays.of(members, responder.comfort_h)
    resolver = SignalResolver(alert_level=3, percent_sign=1)
    usual = np.full(len(members), USUAL_KW, dtype=np.float32)
    result = responder.respond(
        of,
        ControlInput(now=NOW, step_h=0.0, shape_kw=usual, mean_kw=usual, stored_kwh=half_full(of)),
        resolver.make(
            of, lambda ven_name: by_precedence(asked[ven_name]), NOW + timedelta(minutes=1)
        ),
    )
    found = result.commanded_kw.reshape(len(asked), len(CHARGERS)).tolist()
    return {
        ven_name: dict(zip(CHARGERS, own, strict=True))
        for ven_name, own in zip(asked, found, strict=True)
    }


def test_a_limit_of_one_ven_binds_no_other() -> None:
    found = powers_of({"Aarhus": [limited(6.0)], "Odense": [limited(9.0)], "Ribe": []})

    assert {ven_name: sum(own.values()) for ven_name, own in found.items()} == {
        "Aarhus": pytest.approx(6.0),
        "Odense": pytest.approx(9.0),
        "Ribe": 12.0,
    }


def test_a_limit_for_one_binds_nobody_else() -> None:
    assert powers(limited(1.0, "a")) == {"a": 1.0, "b": USUAL_KW, "c": USUAL_KW}


def test_each_of_several_binds_whom_it_is_meant_for() -> None:
    assert powers(limited(1.0, "a"), limited(3.0, "b")) == {"a": 1.0, "b": 3.0, "c": USUAL_KW}


def test_those_whom_one_limit_is_meant_for_share_it() -> None:
    assert powers(limited(4.0, "ab")) == {"a": 2.0, "b": 2.0, "c": USUAL_KW}


def test_a_part_of_a_site_counts_within_the_whole() -> None:
    found = powers(limited(9.0, priority=2), limited(1.0, "a", priority=1))

    assert found["a"] <= 1.0
    assert sum(found.values()) == pytest.approx(9.0)


def test_parts_of_parts_count_within_all_of_them() -> None:
    found = powers(
        limited(6.0, priority=3), limited(3.0, "ab", priority=2), limited(2.0, "a", priority=1)
    )

    assert found["a"] <= 2.0
    assert found["a"] + found["b"] <= 3.0
    assert sum(found.values()) == pytest.approx(6.0)


def test_parts_that_are_all_there_is_count_within_the_whole() -> None:
    parts = [limited(4.0, name, priority=1) for name in CHARGERS]

    assert sum(powers(limited(5.0, priority=2), *parts).values()) == pytest.approx(5.0)


def test_the_whole_of_higher_precedence_takes_the_place_of_its_parts() -> None:
    found = powers(limited(9.0, priority=1), limited(1.0, "a", priority=2))

    assert found == {name: pytest.approx(3.0) for name in CHARGERS}


def test_a_part_counts_within_what_was_subscribed_for_the_whole() -> None:
    found = powers(limited(6.0, kind=SUBSCRIPTION), limited(1.0, "a"))

    assert found["a"] <= 1.0
    assert sum(found.values()) == pytest.approx(6.0)


def test_a_limit_for_all_prevails_over_what_was_subscribed() -> None:
    assert sum(powers(limited(6.0, kind=SUBSCRIPTION), limited(9.0)).values()) == 9.0


def test_what_was_reserved_raises_what_was_subscribed() -> None:
    reserved = limited(3.0, kind="IMPORT_CAPACITY_RESERVATION")

    assert sum(powers(limited(6.0, kind=SUBSCRIPTION), reserved).values()) == 9.0


def test_of_shares_of_what_each_can_do_the_smallest_is_the_limit() -> None:
    found = powers(in_percent(limited(0.5)), a=12.0, b=20.0, c=30.0)

    assert sum(found.values()) == pytest.approx(6.0)


def test_of_shares_only_those_count_whom_the_event_is_meant_for() -> None:
    found = powers(in_percent(limited(0.5, "bc")), a=2.0, b=10.0, c=12.0)

    assert found["b"] + found["c"] == pytest.approx(5.0)


limits = st.builds(
    limited,
    st.floats(0, 15, width=16),
    st.sampled_from(["", "a", "b", "ab", "bc", "abc"]),
    priority=st.integers(0, 5),
)


@given(st.lists(limits, max_size=5))
def test_every_event_is_kept_unless_one_that_prevails_is_meant_for_all_whom_it_binds(
    events: list[SeenEvent],
) -> None:
    found = powers(*events)

    strongest_first = by_precedence(events)[::-1]
    for place, event in enumerate(strongest_first):
        names = names_of(event)
        if not any(names <= names_of(stronger) for stronger in strongest_first[:place]):
            most_kw = event.event.intervals[0].payloads[0].values[0]
            assert sum(found[name] for name in names) <= most_kw + 1e-4
    free = set(CHARGERS).difference(*map(names_of, events))
    assert all(found[name] == USUAL_KW for name in free)


def names_of(event: SeenEvent) -> frozenset[str]:
    return frozenset(CHARGERS) if event.scope is None else event.scope
