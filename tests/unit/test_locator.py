"""Looking a report up costs a few pages, in whatever order the VTN lists its reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.openadr import ReportPage, VtnReport
from app.reporting.delivery.locator import ReportLocator, find, find_duplicates

MANY = 100_000
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClient:
    """A VTN's list of one VEN's reports, in the order that it has; counts the pages it gives."""

    def __init__(
        self, names: list[str], *, order: str, dated: bool = True, every_s: int = 1
    ) -> None:
        reports = [
            VtnReport(
                report_id=str(number),
                report_name=name,
                created_at=FIRST + timedelta(seconds=number * every_s) if dated else None,
            )
            for number, name in enumerate(names)
        ]
        self._reports = reports if order == "oldest first" else reports[::-1]
        self.pages: list[int] = []

    def reports(self, event_id: str, *, skip: int, limit: int) -> ReportPage:
        assert event_id == "e"
        page = self._reports[skip : skip + limit]
        self.pages.append(limit)
        return ReportPage(reports=page, length=len(page), ends_list=len(page) < limit)


def locator(name: str, *, before: int, **fields: Any) -> ReportLocator:
    values: dict[str, Any] = {"body_bytes": 5_000, "earlier": f"r{before - 1}", **fields}
    return ReportLocator(ven_name="v", event_id="e", name=name, reports_before=before, **values)


def names(count: int, *more: str) -> list[str]:
    return [f"r{number}" for number in range(count)] + list(more)


@pytest.mark.parametrize("order", ["oldest first", "newest first"])
@pytest.mark.parametrize("is_there", [True, False])
def test_with_100_000_reports_a_look_up_costs_a_few_pages(order: str, is_there: bool) -> None:
    client = FakeClient(names(MANY, *["new"] * is_there), order=order)

    found = find(client, locator("new", before=MANY))

    assert [report.report_name for report in found] == ["new"] * is_there
    assert len(client.pages) <= 3


@pytest.mark.parametrize("order", ["oldest first", "newest first"])
def test_where_our_count_is_wrong_it_is_found_all_the_same(order: str) -> None:
    client = FakeClient(names(1_000, "new", *names(300)), order=order)

    assert len(find(client, locator("new", before=20))) == 1


@pytest.mark.parametrize("order", ["oldest first", "newest first"])
def test_without_dates_or_an_earlier_report_absence_is_not_believed_before_all_is_read(
    order: str,
) -> None:
    client = FakeClient(names(500), order=order, dated=False)

    assert find(client, locator("new", before=500)) == []
    assert sum(client.pages) >= 500


def test_equal_dates_say_nothing_of_the_order() -> None:
    client = FakeClient(names(5, "new"), order="oldest first", every_s=0)

    assert len(find(client, locator("new", before=5, body_bytes=200_000))) == 1


def test_a_short_list_is_read_once() -> None:
    client = FakeClient(names(3), order="oldest first")

    assert find(client, locator("new", before=3)) == []
    assert len(client.pages) == 1


def test_large_reports_come_in_small_pages() -> None:
    client = FakeClient(names(3), order="newest first")
    find(client, locator("new", before=3, body_bytes=1 << 20))

    assert max(client.pages) == 5


@pytest.mark.parametrize("order", ["oldest first", "newest first"])
def test_two_of_one_name_are_both_found_and_the_oldest_is_first(order: str) -> None:
    listed = [*names(MANY), "new", *names(20), "new", *names(50)]
    client = FakeClient(listed, order=order)

    found = find_duplicates(client, locator("new", before=MANY, reports_since=70))

    assert [report.report_id for report in found] == [str(MANY), str(MANY + 21)]
    assert len(client.pages) <= 6
