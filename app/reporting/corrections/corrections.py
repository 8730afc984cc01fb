"""Tells what changed: in the place of what was told, beside it, or for the first time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from app.fleet import HoldsVens
from app.openadr import VtnClient, VtnError, VtnRejected, VtnUnauthorised
from app.platform import Database, FanOut, Shutdown
from app.reporting.content import (
    AGGREGATE,
    Asked,
    Cell,
    MeteredIntervals,
    ToldCells,
    cells_of_report,
    number,
    replaced_cells,
    report_of_cells,
)
from app.reporting.corrections.changes import ChangedReports
from app.reporting.delivery import (
    NOT_TOLD_IN_TIME,
    ClientFor,
    MeteredReport,
    MeteredReports,
    RejectedReport,
    RejectedReports,
)
from app.reporting.requests import ActiveRequest, ReportRequest
from app.reporting.streams import LossCounters, RequestIndex

logger = logging.getLogger(__name__)

AT_ONCE = 200
DECIMALS = 9
NOT_REPLACED = (403, 404, 405)
"""What a VTN answers that lets nobody replace this report."""


@dataclass(frozen=True, kw_only=True)
class _Correction:
    """A report, and what is to be told of it now."""

    report: MeteredReport
    request: ReportRequest
    told: ToldCells
    """All of it, as it is now."""
    changed: ToldCells
    """What is another than it was told."""
    is_complete: bool
    seen_seq: int
    """What came up to this number is taken into account."""


class Corrections:
    """Corrects interval reports of real meters. One thread corrects.

    `mode`: of INTAKE__CORRECTIONS. A report that had nothing to tell yet is sent as soon as it has.
    """

    def __init__(
        self,
        *,
        changes: ChangedReports,
        reports: MeteredReports,
        rejected: RejectedReports,
        losses: LossCounters,
        requests: RequestIndex,
        metered: MeteredIntervals,
        database: Database,
        held: HoldsVens,
        fan_out: FanOut,
        shutdown: Shutdown,
        clock: Callable[[], datetime],
        mode: Literal["replace", "send", "keep"],
    ) -> None:
        self._changes = changes
        self._reports = reports
        self._rejected = rejected
        self._losses = losses
        self._requests = requests
        self._metered = metered
        self._database = database
        self._held = held
        self._fan_out = fan_out
        self._shutdown = shutdown
        self._clock = clock
        self._mode = mode
        self._has_meters = False
        """Whether there are real meters, or were."""

    def look(self) -> None:
        """Find out what changed, and what nobody waits for any more."""
        self._has_meters = self._changes.look()
        if not self._has_meters:
            return
        expired = self._reports.expired(AT_ONCE)
        if expired:
            open_ = [report for report in expired if not report.is_sent]
            lost = sum(report.told.count for report in open_)
            with self._database.write() as connection:
                self._reports.forget(connection, expired)
                if lost:
                    self._losses.add(NOT_TOLD_IN_TIME, lost, connection)
            for report in open_:
                logger.warning(
                    "VEN %s: nothing was measured in time for report %s; it is passed",
                    report.ven_name,
                    report.report_name,
                )

    def correct(self, client_for: ClientFor) -> None:
        """Tell what changed; where the VTN or a VEN has trouble, with a later delivery."""
        above = 0
        while self._has_meters and not self._shutdown.is_set():
            due = self._reports.to_check(AT_ONCE, above=above)
            if not due:
                return
            above = due[-1].metered_report_id
            # What is told of one that is on its way, or was refused, is known when it is there.
            absent = self._rejected.names_among([report.report_name for report in due])
            present = [report for report in due if report.report_name not in absent]
            to_put: list[_Correction] = []
            for correction in self._worked_out(self._as_told(present, client_for)):
                if not correction.report.is_sent:
                    self._send(correction, correction.report.report_name, correction.told)
                elif self._mode == "send" or correction.report.report_id is None:
                    self._send_beside(correction)
                else:
                    to_put.append(correction)
            self._replace(to_put, client_for)

    def _as_told(
        self, reports: Sequence[MeteredReport], client_for: ClientFor
    ) -> list[MeteredReport]:
        """These reports, those that may say something else as the VTN has them.

        Those that the VTN cannot show now are left out, and come with a later delivery.
        """

        def look_up(report: MeteredReport) -> MeteredReport | None:
            if self._held.is_held(report.ven_name):
                return None
            try:
                found = client_for(report.ven_name).report(report.report_id or "")
                return replace(report, told=cells_of_report(found, report.told))
            except (VtnRejected, ValueError):
                return report  # it is no more: what is corrected is sent beside it
            except VtnUnauthorised as error:
                if error.status not in NOT_REPLACED:
                    raise
                return report

        certain = [report for report in reports if not self._may_say_something_else(report)]
        looked_up = self._fan_out(
            [report for report in reports if self._may_say_something_else(report)],
            look_up,
            failure=VtnError,
        )
        return certain + [found for _, found in looked_up if isinstance(found, MeteredReport)]

    def _may_say_something_else(self, report: MeteredReport) -> bool:
        return (
            self._mode != "keep"
            and report.is_sent
            and not report.seen_seq
            and report.report_id is not None
        )

    def _worked_out(self, due: Sequence[MeteredReport]) -> list[_Correction]:
        """What is to be told of these; those that are as they were told are settled."""
        asked: list[tuple[MeteredReport, ActiveRequest, Asked]] = []
        gone: list[MeteredReport] = []
        for report in due:
            active = self._requests.of_ven(report.ven_name)[0].get(
                (report.event_id, report.descriptor)
            )
            if active is None or not _has(active, report.key):
                gone.append(report)
                continue
            of_ven = self._requests.metered(report.ven_name)
            names = of_ven if AGGREGATE in report.told.cells else report.told.cells
            metered = [of_ven[name] for name in names if name in of_ven and name in active.scope]
            spans = [piece.span for piece in report.told.pieces]
            asked.append(
                (report, active, Asked(request=active.request, spans=spans, metered=metered))
            )
        seen_seq = self._metered.newest_seq()
        found = self._metered.cells([each for _, _, each in asked])
        corrections: list[_Correction] = []
        same: list[MeteredReport] = []
        for (report, active, _), cells in zip(asked, found, strict=True):
            now = _now(report.told, cells.cells)
            changed = _changed(report.told, now, with_quality=active.request.with_quality)
            if not changed.cells or (self._mode == "keep" and report.is_sent):
                same.append(report)
                continue
            corrections.append(
                _Correction(
                    report=report,
                    request=active.request,
                    told=now,
                    changed=changed,
                    is_complete=cells.wait is None,
                    seen_seq=seen_seq,
                )
            )
        if same or gone:
            with self._database.write() as connection:
                for report in same:
                    self._reports.unchanged(connection, report, seen_seq=seen_seq)
                self._forget_gone(connection, gone)
        return corrections

    def _forget_gone(self, connection: Connection, gone: Sequence[MeteredReport]) -> None:
        """Their events are gone: what changed of them cannot be told."""
        if gone:
            self._reports.forget(connection, gone)
            lost = sum(report.told.count for report in gone)
            self._losses.add(NOT_TOLD_IN_TIME, lost, connection)

    def _send_beside(self, correction: _Correction) -> None:
        """A report of what changed, whose name says which one it corrects."""
        report = correction.report
        name = f"{report.report_name[:120]}-c{report.corrections + 1}"
        self._send(correction, name, correction.changed)

    def _send(self, correction: _Correction, name: str, told: ToldCells) -> None:
        """With the reports that are sent again: it is sent once, whatever happens."""
        report = correction.report
        body, readings = report_of_cells(report.ven_name, correction.request, name, told)
        outgoing = RejectedReport(
            set_aside_id=0,
            ven_name=report.ven_name,
            program_id=report.program_id,
            event_id=report.event_id,
            report_name=name,
            readings=readings,
            problem="measured late" if not report.is_sent else f"corrects {report.report_name}",
            refused_at=self._clock(),
            to_send=True,
            in_doubt_us=None,
            body=body,
        )
        with self._database.write() as connection:
            self._rejected.put(connection, outgoing)
            self._settle(connection, correction)

    def _settle(self, connection: Connection, correction: _Correction) -> None:
        self._reports.corrected(
            connection,
            correction.report,
            correction.told,
            is_complete=correction.is_complete,
            seen_seq=correction.seen_seq,
        )

    def _replace(self, corrections: Sequence[_Correction], client_for: ClientFor) -> None:
        """Each in the place of what was told: as often as it takes, since it is the same."""

        def attempt(correction: _Correction) -> None:
            report = correction.report
            if self._held.is_held(report.ven_name):
                return
            try:
                self._put(correction, client_for(report.ven_name))
            except (VtnRejected, ValueError) as error:
                logger.info("report %s cannot be replaced: %s", report.report_name, error)
                self._send_beside(correction)
            except VtnUnauthorised as error:
                if error.status not in NOT_REPLACED:
                    raise
                self._send_beside(correction)

        self._fan_out(corrections, attempt, failure=VtnError)

    def _put(self, correction: _Correction, client: VtnClient) -> None:
        report = correction.report
        found = client.report(report.report_id or "")
        body = replaced_cells(found, correction.request, correction.changed)
        client.replace_report(report.report_id or "", body, report.program_id)
        with self._database.write() as connection:
            self._settle(connection, correction)
        logger.info(
            "VEN %s: report %s is corrected: %d values",
            report.ven_name,
            report.report_name,
            correction.changed.count,
        )


def _has(active: ActiveRequest, key: int) -> bool:
    """Whether its schedule has this report, as it had."""
    if active.schedule is None:
        return False
    report = active.schedule.next_after(key - 1)
    return report is not None and report.key == key


def _now(told: ToldCells, found: Mapping[str, Sequence[Cell]]) -> ToldCells:
    """What is known now of the same cells; what was told stays where nothing is known any more."""
    if told.others is not None:
        return _aggregate_now(told, told.others, found)
    now: dict[str, list[Cell]] = {}
    for name, before in told.cells.items():
        pairs = zip(before, found.get(name, before), strict=True)
        now[name] = [old if new[0] is None else new for old, new in pairs]
    return ToldCells(pieces=told.pieces, cells=now)


def _aggregate_now(
    told: ToldCells, others: Sequence[float], found: Mapping[str, Sequence[Cell]]
) -> ToldCells:
    sums: list[Cell] = []
    for place, (old, other) in enumerate(zip(told.cells[AGGREGATE], others, strict=True)):
        own = [cells[place] for cells in found.values() if cells[place][0] is not None]
        total = other + sum(number(value) for value, _ in own)
        sums.append((total, old[1]) if own else old)
    return ToldCells(pieces=told.pieces, cells={AGGREGATE: sums}, others=others)


def _changed(told: ToldCells, now: ToldCells, *, with_quality: bool) -> ToldCells:
    """The cells that are others than those that were told; the rest is nothing."""
    changed: dict[str, list[Cell]] = {}
    for name, before in told.cells.items():
        cells: list[Cell] = [
            new if _differs(old, new, with_quality=with_quality) else (None, "")
            for old, new in zip(before, now.cells[name], strict=True)
        ]
        if any(value is not None for value, _ in cells):
            changed[name] = cells
    return ToldCells(pieces=told.pieces, cells=changed)


def _differs(old: Cell, new: Cell, *, with_quality: bool) -> bool:
    if new[0] is None:
        return False
    if old[0] is None or (with_quality and old[1] != new[1]):
        return True
    return round(number(old[0]), DECIMALS) != round(number(new[0]), DECIMALS)
