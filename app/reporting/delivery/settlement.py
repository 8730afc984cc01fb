"""What became of a batch of reports, stored: all of it in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from app.platform import to_us
from app.reporting.delivery.divisions import RefusedResources, say_refused
from app.reporting.delivery.duplicates import DuplicateSweeper
from app.reporting.delivery.metered_reports import MeteredReports
from app.reporting.delivery.outgoing import DeliveryOutcome, Fate, OutgoingReport
from app.reporting.delivery.rejected import RejectedReport, RejectedReports
from app.reporting.delivery.stats import DeliveryStats
from app.reporting.streams import AnyStream, StreamStore, Transition

logger = logging.getLogger(__name__)
Write = Callable[[Connection], None]


@dataclass(kw_only=True)
class Settled:
    """What follows from a batch, beside what is stored."""

    delivered: list[tuple[str, int]] = field(default_factory=list)
    """(VEN's name, readings) of each report that the VTN has, empty ones left out."""
    waiting: dict[int, str] = field(default_factory=dict)
    """By stream: why it is blocked in this delivery; blank: its report was not tried."""
    too_large: list[DeliveryOutcome] = field(default_factory=list)
    """Reports that have to be made smaller."""

    @property
    def readings(self) -> list[int]:
        """Of each report that the VTN has."""
        return [readings for _, readings in self.delivered]


@dataclass(kw_only=True)
class _Changes:
    """What the transaction of one batch writes."""

    streams: list[tuple[AnyStream, Transition]] = field(default_factory=list)
    others: list[Write] = field(default_factory=list)
    """Rejected reports, and look-ups for duplicates to come."""
    refused: list[RejectedReport] = field(default_factory=list)
    """What is kept, for the log."""
    problems: dict[str, str] = field(default_factory=dict)
    """By VEN: why its last report was not acknowledged."""
    lines: list[tuple[int, str]] = field(default_factory=list)
    """(level, line) for the log, once it is stored."""


class Settlement:
    """The only way from an outcome to the streams and the rejected reports.

    A batch is settled as a whole or not at all: cursors, rejected reports and their parts, look-ups
    for duplicates, and streams that end with their last report. What was in flight and is not
    settled is in doubt, and looked up by the next delivery.
    """

    def __init__(
        self,
        *,
        store: StreamStore,
        rejected: RejectedReports,
        refused: RefusedResources,
        duplicates: DuplicateSweeper,
        metered: MeteredReports,
        stats: DeliveryStats,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._rejected = rejected
        self._refused = refused
        self._duplicates = duplicates
        self._metered = metered
        self._stats = stats
        self._clock = clock

    def settle(
        self, reports: Sequence[OutgoingReport], outcomes: Sequence[DeliveryOutcome]
    ) -> Settled:
        """Store the outcomes of these reports; those without an outcome were not tried."""
        settled, changes = Settled(), _Changes()
        # Refusals last: whether it was in vain to divide a report is known when all else is.
        for outcome in sorted(outcomes, key=lambda each: each.fate is Fate.REFUSED):
            if isinstance(outcome.report.source, RejectedReport):
                self._of_rejected(outcome, outcome.report.source, settled, changes)
            else:
                self._of_stream(outcome, settled, changes)
        tried = {outcome.report.name for outcome in outcomes}
        for report in reports:
            if report.name not in tried:
                self._not_tried(report, settled, changes)
        self._store.apply(
            changes.streams,
            in_transaction=partial(_write_all, changes.others) if changes.others else None,
            # Cursors that a loss of power takes back are found out at the VTN, as after any crash;
            # what is written beside them is not.
            durable=bool(changes.others),
        )
        for level, line in changes.lines:
            logger.log(level, "%s", line)
        say_refused(changes.refused)
        self._stats.delivered(settled.delivered, self._clock())
        self._stats.failed(changes.problems)
        return settled

    def _of_stream(self, outcome: DeliveryOutcome, settled: Settled, changes: _Changes) -> None:
        report, fate = outcome.report, outcome.fate
        stream, name, now_us = report.stream, report.name, to_us(self._clock())

        def change(transition: Transition) -> None:
            changes.streams.append((stream, transition))

        if outcome.is_delivered:
            change(lambda now: now.acknowledge(name, at_us=now_us))
            if report.report.readings:
                settled.delivered.append((report.ven_name, report.report.readings))
            self._remember(outcome, changes)
            if fate is Fate.DELIVERED_AGAIN:
                changes.others.append(partial(self._duplicates.plan, locator=report.locator))
            return
        if fate in (Fate.REFUSED, Fate.DIVIDED):
            change(lambda now: now.reject(name, at_us=now_us))
            kept = (
                outcome.parts
                if fate is Fate.DIVIDED
                else self._refused.refused(report, outcome.error).rejected
            )
            changes.others += [partial(self._rejected.put, rejected=part) for part in kept]
            changes.refused += kept
            self._remember(outcome, changes)  # what is corrected is told once they are taken
        elif fate is Fate.IN_DOUBT:
            change(lambda now: now.in_doubt(name, planned_us=now_us, again=report.was_sent))
        elif fate is Fate.STILL_IN_DOUBT:
            # After the clock was set back, the settling time starts again.
            planned_us = min(report.in_doubt_us or now_us, now_us)
            change(lambda now: now.in_doubt(name, planned_us=planned_us))
        else:
            change(lambda now: now.withdraw(name))
        if fate is Fate.TOO_LARGE:
            settled.too_large.append(outcome)
        elif outcome.error is not None:
            changes.problems[report.ven_name] = str(outcome.error)
            if fate is not Fate.REFUSED:
                settled.waiting[stream.stream_id] = f"VEN {report.ven_name}: {outcome.error}"

    def _remember(self, outcome: DeliveryOutcome, changes: _Changes) -> None:
        """What it says of real meters, so that what changes can be told."""
        report = outcome.report
        if report.metered is not None:
            put = partial(self._metered.put, report=report.metered, again=report.was_sent)
            changes.others.append(partial(put, report_id=outcome.report_id))

    def _of_rejected(
        self,
        outcome: DeliveryOutcome,
        rejected: RejectedReport,
        settled: Settled,
        changes: _Changes,
    ) -> None:
        """What became of a report that had been refused before, and was sent again."""
        fate, write = outcome.fate, changes.others.append
        if outcome.is_delivered:
            write(partial(self._rejected.delivered, rejected=rejected))
            name, report_id = rejected.report_name, outcome.report_id
            write(partial(self._metered.identify, report_name=name, report_id=report_id))
            if outcome.report.was_sent:
                write(partial(self._duplicates.plan, locator=outcome.report.locator))
            self._refused.taken(rejected)
            settled.delivered.append((rejected.ven_name, rejected.readings))
            changes.lines.append((logging.INFO, f"{_words(rejected)} is delivered"))
        elif fate is Fate.NOT_SENT:
            write(partial(self._rejected.not_sent, rejected=rejected))
        elif fate is Fate.REFUSED and rejected.is_part:
            kept = self._refused.refused(outcome.report, outcome.error)
            write(
                partial(
                    self._rejected.put_in_place,
                    report_names=kept.in_place_of,
                    rejected=kept.rejected,
                )
            )
            changes.refused[:] = [
                report for report in changes.refused if report.report_name not in kept.in_place_of
            ]
            changes.refused += kept.rejected
        elif fate in (Fate.REFUSED, Fate.TOO_LARGE, Fate.EVENT_GONE):
            write(
                partial(
                    self._rejected.sent_again,
                    rejected=rejected,
                    problem=str(outcome.error),
                    in_doubt_us=rejected.in_doubt_us,
                )
            )
            line = f"{_words(rejected)} is refused again: {outcome.error}"
            changes.lines.append((logging.WARNING, line))
        elif fate is Fate.IN_DOUBT:
            self._refused.taken(rejected)
            in_doubt_us = to_us(self._clock())
            write(
                partial(
                    self._rejected.sent_again,
                    rejected=rejected,
                    problem=None,
                    in_doubt_us=in_doubt_us,
                )
            )

    def _not_tried(self, report: OutgoingReport, settled: Settled, changes: _Changes) -> None:
        """It is as it was before it was planned: perhaps in doubt."""
        if isinstance(report.source, RejectedReport):
            changes.others.append(partial(self._rejected.not_sent, rejected=report.source))
            return
        settled.waiting[report.stream.stream_id] = ""
        if not report.was_sent:
            name = report.name
            changes.streams.append((report.stream, lambda now: now.withdraw(name)))


def _write_all(writes: Sequence[Write], connection: Connection) -> None:
    for write in writes:
        write(connection)


def _words(rejected: RejectedReport) -> str:
    return f"VEN {rejected.ven_name}: report {rejected.report_name}"
