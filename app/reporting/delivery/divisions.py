"""Reports that a VTN refuses for some resource, sent without it (openadr.md, 'Reports').

A refused report is divided by resource, and its parts are sent, until those resources are found
that the VTN does not take. They are remembered for a day, and rejected without being sent.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.observability import log_context
from app.openadr import VtnError, VtnRejected
from app.reporting.content import MISSING
from app.reporting.delivery.outgoing import OutgoingReport
from app.reporting.delivery.rejected import RejectedReport
from app.reporting.requests import DATA_QUALITY

logger = logging.getLogger(__name__)

REMEMBERED = timedelta(days=1)
OF_CONTENT = (400, 422)
"""What a VTN answers to a report whose content it does not take."""
MAX_IN_VAIN = 15
"""Parts that are refused and none taken, before it is not the resources that the VTN refuses."""
MAX_DIVISIONS = 100
"""Reports with parts that are not settled yet, of which the whole is remembered."""
Key = tuple[str, str]
"""A VEN, and a payload type."""


@dataclass
class _Division:
    """What is known of a report that was divided."""

    whole: RejectedReport
    resources: int
    refused: int = 0
    """Itself and its parts, so far."""
    taken: bool = False
    """Whether any part was, or may have been."""
    alone: list[tuple[str, str]] = field(default_factory=list)
    """Resources that were refused on their own, with the VTN's words."""
    parts: set[str] = field(default_factory=set)
    """The names of all parts that there were."""
    unsettled: set[str] = field(default_factory=set)
    """Of these, the parts that are to be sent."""


@dataclass(frozen=True)
class Refusal:
    """What is kept of refused reports."""

    rejected: Sequence[RejectedReport]
    in_place_of: Collection[str]
    """The names of the reports that they are kept for."""


class RefusedResources:
    """Divides reports that are refused. Safe for several threads."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Key, dict[str, tuple[str, datetime]]] = {}
        """By resource: the VTN's words, and until when they are remembered."""
        self._in_vain: dict[Key, datetime] = {}
        """Where the VTN takes no part of a report, and until when that is remembered."""
        self._divisions: OrderedDict[str, _Division] = OrderedDict()
        """By the name of the whole report."""
        self._root_of: dict[str, str] = {}
        """By the name of a part."""

    def without_refused(self, report: OutgoingReport) -> list[RejectedReport]:
        """The parts of a report that was never sent and has values that the VTN does not take.

        Those of the other resources are to be sent. Empty: nothing is known against the report.
        """
        now = self._clock()
        if not self._known or report.was_sent:
            return []  # as nearly always
        whole = report.rejected("", at=now)
        with self._lock:
            known = self._known.get((report.ven_name, _payload_type(whole)), {})
            refused = {name: words for name, (words, until) in known.items() if now < until}
        names = _names(whole)
        others = [name for name in names if name not in refused]
        if len(others) == len(names):
            return []
        parts = [
            replace(_part(whole, [name]), problem=refused[name])
            for name in names
            if name in refused
        ]
        return [*parts, replace(_part(whole, others), is_part=True)] if others else parts

    def refused(self, report: OutgoingReport, error: VtnError | None) -> Refusal:
        """What is kept of a refused report: its halves, which are to be sent, or itself.

        When it was in vain to divide a report, it is kept whole, in the place of all its parts.
        """
        now = self._clock()
        rejected = report.rejected(str(error), at=now)
        itself = Refusal([rejected], [rejected.report_name])
        of_content = isinstance(error, VtnRejected) and error.status in OF_CONTENT
        if not of_content or report.was_sent:
            return itself  # in doubt: what was sent first may still come
        names, key = _names(rejected), (rejected.ven_name, _payload_type(rejected))
        with self._lock:
            if now < self._in_vain.get(key, now):
                return itself
            root = self._root_of.get(rejected.report_name, rejected.report_name)
            if len(names) <= 1 and root not in self._divisions:
                return itself
            division = self._divisions.setdefault(root, _Division(rejected, len(names)))
            division.refused += 1
            division.unsettled.discard(rejected.report_name)
            if len(names) <= 1:
                division.alone += [(name, rejected.problem) for name in names]
                if division.taken:
                    self._remember(key, division)
            most = min(MAX_IN_VAIN, 2 * division.resources - 1)
            if not division.taken and division.refused >= most:
                self._in_vain[key] = now + REMEMBERED
                self._forget(root)
                return Refusal([division.whole], division.parts or [rejected.report_name])
            if len(names) <= 1:
                self._forget_if_settled(root)
                return itself
            half = len(names) // 2
            parts = [
                replace(_part(rejected, some), is_part=True)
                for some in (names[:half], names[half:])
            ]
            division.parts |= {part.report_name for part in parts}
            division.unsettled |= {part.report_name for part in parts}
            self._root_of.update((part.report_name, root) for part in parts)
            if len(self._divisions) > MAX_DIVISIONS:
                self._forget(next(iter(self._divisions)))
            return Refusal(parts, [rejected.report_name])

    def taken(self, part: RejectedReport) -> None:
        """A part of a refused report was taken, or may have been: it is not known yet."""
        with self._lock:
            root = self._root_of.get(part.report_name, "")
            division = self._divisions.get(root)
            if division is not None:
                division.taken = True
                division.unsettled.discard(part.report_name)
                self._remember((part.ven_name, _payload_type(part)), division)
                self._forget_if_settled(root)

    def _forget_if_settled(self, root: str) -> None:
        if not self._divisions[root].unsettled:
            self._forget(root)

    def _forget(self, root: str) -> None:
        division = self._divisions.pop(root, None)
        for name in () if division is None else division.parts:
            self._root_of.pop(name, None)

    def _remember(self, key: Key, division: _Division) -> None:
        """The VTN takes others of the report: it is these resources that it does not take."""
        until = self._clock() + REMEMBERED
        for name, words in division.alone:
            self._known.setdefault(key, {})[name] = words, until
        division.alone.clear()


def say_refused(refused: Sequence[RejectedReport]) -> None:
    """One line for all that were refused in the same words; parts that are to be sent are none."""
    by_problem: dict[str, list[RejectedReport]] = {}
    for report in refused:
        if not report.is_part:
            by_problem.setdefault(report.problem, []).append(report)
    for problem, rejected in by_problem.items():
        more = f" and {len(rejected) - 1} more" if len(rejected) > 1 else ""
        with log_context(ven=rejected[0].ven_name, report=rejected[0].report_name):
            logger.warning(
                "VEN %s: report %s%s with %d readings is rejected: %s (see `rejected list`)",
                rejected[0].ven_name,
                rejected[0].report_name,
                more,
                sum(report.readings for report in rejected),
                problem,
            )


def _read(report: RejectedReport) -> Mapping[str, Any]:
    """The report's JSON, which is our own."""
    read: Mapping[str, Any] = orjson.loads(report.body)
    return read


def _names(report: RejectedReport) -> list[str]:
    return [resource["resourceName"] for resource in _read(report)["resources"]]


def _payload_type(report: RejectedReport) -> str:
    return str(_read(report)["payloadDescriptors"][0]["payloadType"])


def _part(whole: RejectedReport, names: Sequence[str]) -> RejectedReport:
    """The same report for these of its resources, under a name of its own."""
    report = _read(whole)
    chosen = set(names)
    resources = [resource for resource in report["resources"] if resource["resourceName"] in chosen]
    digest = hashlib.blake2b("\0".join([whole.report_name, *names]).encode(), digest_size=16)
    name = f"{whole.report_name.rpartition('-')[0]}-{digest.hexdigest()}"
    return replace(
        whole,
        report_name=name,
        readings=sum(map(_readings, resources)),
        body=orjson.dumps({**report, "reportName": name, "resources": resources}),
    )


def _readings(resource: Mapping[str, Any]) -> int:
    """How many values were measured."""
    return sum(not _is_missing(interval["payloads"]) for interval in resource["intervals"])


def _is_missing(payloads: Iterable[Mapping[str, Any]]) -> bool:
    return any(
        payload["type"] == DATA_QUALITY and MISSING in payload["values"] for payload in payloads
    )
