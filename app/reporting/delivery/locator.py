"""Whether a report is at the VTN already (openadr.md, 'Reports', after an unseen outcome)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from app.openadr import ReportPage, VtnReport

PAGE_BYTES = 512 << 10
"""About how large a page of reports may be."""
MIN_PAGE_SIZE, MAX_PAGE_SIZE = 5, 50
MAX_PAGES = 25_000
"""Of the smallest size: what 125,000 reports fill, for a list that has no end."""
MAX_PAGES_NEARBY = 20


class ListsReports(Protocol):
    """A client of the VTN that can list a VEN's reports."""

    def reports(self, event_id: str, *, skip: int, limit: int) -> ReportPage: ...


@dataclass(frozen=True, kw_only=True)
class ReportLocator:
    """A report to look for, and what helps to find it."""

    ven_name: str
    event_id: str
    name: str
    body_bytes: int
    """The size of its body, which is about that of its neighbours."""
    reports_before: int
    """About how many of the VEN's reports to the event were acknowledged before it was sent."""
    reports_since: int = 0
    """How many after it was sent."""
    earlier: str | None = None
    """A report of the same list that was acknowledged before this one was sent."""

    @property
    def page(self) -> int:
        """How many reports to ask for at a time."""
        return min(max(PAGE_BYTES // max(self.body_bytes, 1), MIN_PAGE_SIZE), MAX_PAGE_SIZE)


def find(client: ListsReports, locator: ReportLocator) -> list[VtnReport]:
    """The reports of this name, oldest first, where the VTN has any; several are one too many.

    First the newest page, then the page where our own count puts it, then all of them. It is known
    to be absent without reading all where the list is in the order of creation and shows an earlier
    report of ours, but not this one behind it.
    """
    newest = _page(client, locator, 0)
    if copies := _named(newest.reports, locator.name):
        return copies
    if newest.ends_list or (_has(newest, locator.earlier) and _falls(newest.reports)):
        return []
    shows_earlier, rises = False, True
    last: Sequence[VtnReport] = ()
    for page in _pages(client, locator, max(locator.reports_before - locator.page // 2, 1)):
        if copies := _named(page.reports, locator.name):
            return copies
        shows_earlier = shows_earlier or _has(page, locator.earlier)
        rises = rises and _rises([*last, *page.reports])
        last = page.reports[-1:]
    if shows_earlier and rises:
        return []
    for page in _pages(client, locator, newest.length):
        if copies := _named(page.reports, locator.name):
            return copies
    return []


def find_duplicates(client: ListsReports, locator: ReportLocator) -> list[VtnReport]:
    """The same for a report that is there: what stands from where it stands to the newest.

    A double of it came later than it did. The order of the list is not known: from our count on to
    its end, and from its beginning to what came since.
    """
    by_id: dict[str, VtnReport] = {}
    since = -(-locator.reports_since // locator.page) + 1
    oldest_first = max(locator.reports_before - locator.page // 2, 0)
    for first, most in ((0, since), (oldest_first, since + 1)):
        for page in _pages(client, locator, first, most=min(most, MAX_PAGES_NEARBY)):
            for report in _named(page.reports, locator.name):
                by_id[report.report_id] = report
    return _by_age(list(by_id.values()))


def _page(client: ListsReports, locator: ReportLocator, skip: int) -> ReportPage:
    return client.reports(locator.event_id, skip=skip, limit=locator.page)


def _pages(
    client: ListsReports, locator: ReportLocator, skip: int, *, most: int = MAX_PAGES
) -> Iterator[ReportPage]:
    """Page by page to the end of the list, or to where it shows nothing new."""
    seen: set[str] = set()
    for _ in range(most):
        page = _page(client, locator, skip)
        yield page
        ids = {report.report_id for report in page.reports}
        if page.ends_list or ids <= seen:
            return
        seen |= ids
        skip += page.length


def _named(reports: Sequence[VtnReport], name: str) -> list[VtnReport]:
    return _by_age([report for report in reports if report.report_name == name])


def _by_age(reports: list[VtnReport]) -> list[VtnReport]:
    return sorted(reports, key=lambda report: (report.created_at is None, report.created_at or 0))


def _has(page: ReportPage, name: str | None) -> bool:
    return name is not None and any(report.report_name == name for report in page.reports)


def _falls(reports: Sequence[VtnReport]) -> bool:
    """Whether the list is known to go from the newest to the oldest: equal times say nothing."""
    return all(
        later.created_at is not None
        and earlier.created_at is not None
        and later.created_at > earlier.created_at
        for later, earlier in pairwise(reports)
    )


def _rises(reports: Sequence[VtnReport]) -> bool:
    return _falls(reports[::-1])
