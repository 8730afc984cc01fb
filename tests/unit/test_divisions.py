"""A report that a VTN refuses is divided by resource until the odd ones are found."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from app.openadr import VtnRejected
from app.reporting.delivery.divisions import MAX_DIVISIONS, MAX_IN_VAIN, RefusedResources
from app.reporting.delivery.outgoing import OutgoingReport
from app.reporting.delivery.rejected import RejectedReport
from tests.support.fakes import FakeClock

NAMES = [f"resource {number:02}" for number in range(16)]
MISSING: dict[str, Any] = {"type": "DATA_QUALITY", "values": ["MISSING"]}


@pytest.fixture
def refused(clock: FakeClock) -> RefusedResources:
    return RefusedResources(clock=clock)


def report(
    clock: FakeClock, names: Collection[str] = NAMES, *, name: str = "usage-1", missing: int = 0
) -> RejectedReport:
    """One reading of each of these resources, of which the first are missing."""
    resources = [
        {
            "resourceName": each,
            "intervals": [
                {
                    "id": 0,
                    "payloads": [
                        {"type": "USAGE", "values": [1.0]},
                        *([MISSING] if number < missing else []),
                    ],
                }
            ],
        }
        for number, each in enumerate(names)
    ]
    descriptors = [{"payloadType": "USAGE"}]
    body = {"reportName": name, "payloadDescriptors": descriptors, "resources": resources}
    return RejectedReport(
        set_aside_id=0,
        ven_name="Aarhus",
        program_id="p",
        event_id="e",
        report_name=name,
        readings=len(resources) - missing,
        problem="",
        refused_at=clock.now,
        to_send=False,
        in_doubt_us=None,
        body=orjson.dumps(body),
    )


outgoing = OutgoingReport.of_rejected


def resources_of(aside: RejectedReport) -> list[str]:
    return [load["resourceName"] for load in orjson.loads(aside.body)["resources"]]


def settle(
    refused: RefusedResources, whole: RejectedReport, odd: Collection[str]
) -> tuple[int, list[RejectedReport]]:
    """Send it, and its parts, to a VTN that does not take the odd ones: requests, and what is kept.

    It takes nothing of what a resource says that is odd.
    """
    to_send, kept, requests = deque([whole]), list[RejectedReport](), 0
    while to_send:
        part = to_send.popleft()
        requests += 1
        if not set(odd) & set(resources_of(part)):
            refused.taken(part)
            continue
        found = refused.refused(outgoing(part), VtnRejected("odd value", status=400))
        for name in found.in_place_of:
            to_send = deque(report for report in to_send if report.report_name != name)
            kept = [report for report in kept if report.report_name != name]
        to_send.extend(aside for aside in found.rejected if aside.is_part)
        kept += [aside for aside in found.rejected if not aside.is_part]
    return requests, kept


def test_the_odd_ones_are_found(refused: RefusedResources, clock: FakeClock) -> None:
    requests, kept = settle(refused, report(clock), {NAMES[5]})

    assert [resources_of(each) for each in kept] == [[NAMES[5]]]
    assert requests <= 9

    known = refused.without_refused(outgoing(report(clock, name="usage-2")))
    assert [(resources_of(each), each.is_part) for each in known] == [
        ([NAMES[5]], False),
        ([name for name in NAMES if name != NAMES[5]], True),
    ]


@pytest.mark.parametrize(("status", "parts"), [(400, 2), (422, 2), (403, 1), (409, 1), (413, 1)])
def test_only_what_is_refused_for_its_content_is_divided(
    refused: RefusedResources, clock: FakeClock, status: int, parts: int
) -> None:
    kept = refused.refused(outgoing(report(clock)), VtnRejected("no", status=status))

    assert len(kept.rejected) == parts


def test_what_may_be_at_the_vtn_already_is_kept_whole(
    refused: RefusedResources, clock: FakeClock
) -> None:
    in_doubt = replace(report(clock), in_doubt_us=1)

    kept = refused.refused(outgoing(in_doubt), VtnRejected("no", status=400))

    (aside,) = kept.rejected
    assert resources_of(aside) == NAMES


def test_a_part_has_the_readings_of_its_resources_but_for_what_is_missing(
    refused: RefusedResources, clock: FakeClock
) -> None:
    whole = report(clock, missing=3)

    kept = refused.refused(outgoing(whole), VtnRejected("no", status=400))

    assert [aside.readings for aside in kept.rejected] == [5, 8]


def test_where_nothing_is_taken_it_is_kept_whole_and_not_divided_for_a_day(
    refused: RefusedResources, clock: FakeClock
) -> None:
    first = settle(refused, report(clock), NAMES)
    assert (first[0], [resources_of(each) for each in first[1]]) == (MAX_IN_VAIN, [NAMES])
    assert settle(refused, report(clock, name="usage-2"), NAMES)[0] == 1

    clock.advance(days=1)
    assert settle(refused, report(clock, name="usage-3"), {NAMES[0]})[0] > 1


def test_a_report_of_one_resource_says_nothing_of_those_of_many(
    refused: RefusedResources, clock: FakeClock
) -> None:
    requests, kept = settle(refused, report(clock, NAMES[:1]), NAMES)
    assert (requests, len(kept)) == (1, 1)

    _, kept = settle(refused, report(clock, name="usage-2"), {NAMES[5]})

    assert [resources_of(each) for each in kept] == [[NAMES[5]]]


def test_what_was_learned_is_forgotten_with_the_day(
    refused: RefusedResources, clock: FakeClock
) -> None:
    settle(refused, report(clock), {NAMES[5]})
    clock.now += timedelta(days=1)

    assert refused.without_refused(outgoing(report(clock, name="usage-2"))) == []


def test_reports_that_are_settled_make_room_for_one_that_is_not(
    refused: RefusedResources, clock: FakeClock
) -> None:
    pair = NAMES[8:10]
    one, other = refused.refused(
        outgoing(report(clock, pair)), VtnRejected("no", status=400)
    ).rejected
    for number in range(2 * MAX_DIVISIONS):
        settle(refused, report(clock, NAMES[:4], name=f"other-{number}"), {NAMES[number % 4]})

    refused.taken(one)
    refused.refused(outgoing(other), VtnRejected("no", status=400))

    known = refused.without_refused(outgoing(report(clock, pair, name="usage-2")))
    assert [resources_of(each) for each in known] == [[pair[1]], [pair[0]]]
