"""What is new of measurements since a number: each is told once, and then never again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.intake import (
    END_US,
    HOUR_US,
    NOT_TOLD,
    NOTHING,
    TELL,
    Arrivals,
    Metered,
    Quality,
    Rows,
    SeriesName,
    in_us,
    is_same_as_before,
    new_steps,
    newest_us,
    sign_of,
)
from app.reporting.content.ports import ReadsArrivals, ReadsMeasurements
from app.reporting.content.reading_plan import ReadingPlan, Told, chosen_series
from app.reporting.content.readings import Bools, Int64, Readings, converted
from app.reporting.requests import Quantity, ReportRequest, Scope

LONGEST_BACK_US = 45 * 24 * HOUR_US
"""Before new values, in which those are looked for that they continue."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrivedRows:
    """Rows, with the number with which each arrived."""

    rows: Rows
    arrival: Int64

    @classmethod
    def of(cls, arrivals: Arrivals) -> ArrivedRows:
        """All rows of batches, by series and in their order."""
        rows = np.concatenate([NOTHING, *(each.rows for each in arrivals.arrived)])
        seqs = np.array([each.seq for each in arrivals.arrived], dtype=np.int64)
        arrived = np.repeat(seqs, [len(each.rows) for each in arrivals.arrived])
        order = np.argsort(rows["series"], kind="stable")
        return cls(rows=rows[order], arrival=arrived[order])

    def of_series(self, numbers: Int64, *, after: int) -> ArrivedRows:
        """The rows of these, of which there are some by series, that arrived after a number."""
        begin = np.searchsorted(self.rows["series"], numbers, side="left").tolist()
        end = np.searchsorted(self.rows["series"], numbers, side="right").tolist()
        places = [np.arange(*each) for each in zip(begin, end, strict=True) if each[0] < each[1]]
        place = np.concatenate(places) if places else np.zeros(0, dtype=np.int64)
        place = place[self.arrival[place] > after]
        return ArrivedRows(rows=self.rows[place], arrival=self.arrival[place])

    def numbers(self) -> list[tuple[int, int]]:
        """(number, how many rows arrived with it), rising."""
        seqs, counts = np.unique(self.arrival, return_counts=True)
        return list(zip(seqs.tolist(), counts.tolist(), strict=True))


@dataclass(frozen=True, kw_only=True, eq=False)
class Corrected:
    """Measurements that were told and are others now."""

    readings: Readings
    first_number: int | None
    """With which the first of them arrived; None: there are none."""


class NewReadings:
    """Makes readings of what arrived between two numbers. Safe for several threads.

    It is a matter of what was there at each number, and not of when it is asked: made again, it is
    the same.
    """

    def __init__(self, *, arrivals: ReadsArrivals, energy: ReadsMeasurements) -> None:
        self._arrivals = arrivals
        self._energy = energy

    def newest_seq(self) -> int:
        """The number of what arrived last."""
        return self._arrivals.newest_seq()

    def arrivals(self, after: int, *, most_rows: int) -> Arrivals:
        """What arrived after this number."""
        return self._arrivals.since(after, most_rows=most_rows)

    def plan(
        self, request: ReportRequest, metered: Mapping[str, Metered], scope: Scope
    ) -> ReadingPlan:
        """What is told of these resources of one VEN, by what is measured of them now."""
        names = scope.of(sorted(metered))
        resources = [metered[name] for name in names]
        told = []
        for place, series in enumerate(self._energy.known_series(resources)):
            chosen = chosen_series(request.quantity, series)
            if chosen is None:
                continue
            source = self._energy.source_of(resources[place])
            told.append(
                Told(
                    place=place,
                    metered=resources[place],
                    limits=self._energy.limits(resources[place]),
                    measured=chosen[0],
                    is_direct=chosen[1],
                    series=chosen[2],
                    newest_us=max(each.newest_us for each in series),
                    wait_us=in_us(source.wait),
                    every_us=in_us(source.tell_every),
                )
            )
        return ReadingPlan.of(request.quantity, names, told, with_quality=request.with_quality)

    def arrived(
        self, plan: ReadingPlan, arrivals: Arrivals, batches: ArrivedRows, after: int
    ) -> ArrivedRows:
        """What arrived of a plan after this number; `batches`: the batches of these arrivals."""
        own = batches.of_series(plan.numbers, after=after)
        rows, arrived = [own.rows], [own.arrival]
        for each in arrivals.arrived:
            if each.import_id is not None and each.seq > after:
                rows.append(self._arrivals.of_import(each, plan.numbers))
                arrived.append(np.full(len(rows[-1]), each.seq))
        return ArrivedRows(rows=np.concatenate(rows), arrival=np.concatenate(arrived))

    def readings(
        self, plan: ReadingPlan, arrived: ArrivedRows, *, after: int, through: int, since_us: int
    ) -> Readings:
        """What is new by what arrived after one number and up to another one, and ended after an
        instant, or is to be told whenever it ended."""
        chosen = arrived.arrival <= through
        if not plan.with_quality:
            chosen &= arrived.rows["quality"] != Quality.BAD
        arrived = ArrivedRows(rows=arrived.rows[chosen], arrival=arrived.arrival[chosen])
        found = [_of_single(plan, arrived, after, since_us)]
        touched = set(np.unique(arrived.rows["series"]).tolist()) - plan.single.keys()
        found += [
            self._of_one(plan, told, arrived, after, through, since_us)
            for told in plan.told
            if not touched.isdisjoint(told.series)
        ]
        made = Readings.together(plan.names, found)
        return made.part(~np.isnan(made.value))

    def corrections(
        self,
        plan: ReadingPlan,
        arrived: ArrivedRows,
        *,
        through: int,
        since_us: int,
        was_told: Callable[[int, int], bool],
    ) -> Corrected:
        """What arrived up to a number and corrects measurements that were told.

        `was_told`: whether what arrived first with one number was told before another one did. What
        lies between two values is told once, and not corrected.
        """
        is_asked = (arrived.arrival <= through) & (arrived.rows["seq"] < arrived.arrival)
        is_asked &= _is_told(arrived.rows, since_us)
        rows, numbers = arrived.rows[is_asked], arrived.arrival[is_asked]
        pairs = zip(rows["seq"].tolist(), numbers.tolist(), strict=True)
        needed = np.array([was_told(*pair) for pair in pairs], dtype=np.bool_)
        rows, numbers = rows[needed], numbers[needed]
        direct = {number: told for told in plan.told if told.is_direct for number in told.series}
        is_direct = np.isin(rows["series"], list(direct))
        rows, numbers = rows[is_direct], numbers[is_direct]
        found = []
        for told in {
            id(direct[number]): direct[number] for number in rows["series"].tolist()
        }.values():
            own = rows[np.isin(rows["series"], list(told.series))]
            first_us, last_us = int(own["start"].min()), int(own["end"].max())
            known = self._energy.rows(told.metered, told.series, first_us, last_us + 1)
            times = set(zip(own["start"].tolist(), own["end"].tolist(), strict=True))
            found.append(_of_times(plan, told, known, times))
        return Corrected(
            readings=Readings.together(plan.names, found),
            first_number=int(numbers.min()) if len(numbers) else None,
        )

    def _of_one(
        self,
        plan: ReadingPlan,
        told: Told,
        arrived: ArrivedRows,
        after: int,
        through: int,
        since_us: int,
    ) -> Readings:
        """Where a value is made of several series, or of several values of one."""
        is_own = np.isin(arrived.rows["series"], list(told.series))
        new = arrived.rows[is_own & (arrived.rows["seq"] == arrived.arrival)]
        if not len(new):
            return Readings.together(plan.names, [])
        first_us = int(new["start"].min()) - told.wait_us - told.every_us
        last_us = int(new["end"].max()) + told.every_us
        if not told.is_direct:  # what was known when it came, however late that was
            last_us = max(last_us, told.newest_us)
        rows = self._energy.rows(told.metered, told.series, first_us, last_us)
        if told.is_direct:
            return _of_several(plan, told, rows, after=after, through=through, since_us=since_us)
        before = {name: own[own["seq"] <= after] for name, own in rows.items()}
        told_us = newest_us(before) - told.wait_us - told.every_us
        if told_us < first_us:  # nothing arrived for long: it goes on where it was
            first_us = max(told_us, first_us - LONGEST_BACK_US)
            rows = self._energy.rows(told.metered, told.series, first_us, last_us)
        return _between(plan, told, rows, after=after, through=through, since_us=since_us)


def _of_times(
    plan: ReadingPlan, told: Told, rows: Mapping[SeriesName, Rows], times: set[tuple[int, int]]
) -> Readings:
    """What is known now of these times, where it is known of all parts."""
    parts = [_by_time(plan, told, name, own, -END_US) for name, own in rows.items()]
    found = [
        (
            start,
            end,
            sum(part[start, end].value for part in parts),
            max(part[start, end].quality for part in parts),
        )
        for start, end in sorted(times.intersection(*parts))
    ]
    return _readings(plan, told, found)


def _readings(
    plan: ReadingPlan, told: Told, found: Sequence[tuple[int, int, float, int]]
) -> Readings:
    """Of (start, end, value, quality)."""
    columns = list(zip(*found, strict=True)) or [()] * 4
    return Readings(
        names=plan.names,
        resource=np.full(len(found), told.place),
        start_us=np.array(columns[0], dtype=np.int64),
        end_us=np.array(columns[1], dtype=np.int64),
        value=np.array(columns[2], dtype=np.float64),
        quality=np.array(columns[3], dtype=np.int8),
    )


def _of_single(plan: ReadingPlan, arrived: ArrivedRows, after: int, since_us: int) -> Readings:
    """Each measurement that arrived first, as it was corrected since."""
    known = np.array(sorted(plan.single), dtype=np.int64)
    is_own = np.isin(arrived.rows["series"], known) & (arrived.rows["seq"] > after)
    rows, number = arrived.rows[is_own], arrived.arrival[is_own]
    rows = rows[np.lexsort((number, rows["end"], rows["start"], rows["series"]))]
    first = np.flatnonzero(~is_same_as_before(rows))
    last = np.append(first[1:], len(rows))[: len(first)] - 1
    rows = rows[last[_is_told(rows[first], since_us)]]
    parts = [plan.single[number] for number in known.tolist()]
    signs = [sign_of(told.series[number]) for told, number in zip(parts, known, strict=True)]
    where = np.searchsorted(known, rows["series"])
    place = np.array([told.place for told in parts], dtype=np.int64)[where]
    found = []
    for measured in {told.measured for told in parts}:
        is_such = np.array([told.measured is measured for told in parts])[where]
        chosen = rows[is_such]
        value = np.array(signs)[where][is_such] * converted(
            plan.quantity, measured, chosen, parts[0].metered
        )
        found.append(Readings.of(plan.names, place[is_such], chosen, value))
    return Readings.together(plan.names, found)


def _of_several(
    plan: ReadingPlan,
    told: Told,
    rows: Mapping[SeriesName, Rows],
    *,
    after: int,
    through: int,
    since_us: int,
) -> Readings:
    """Measurements of one time together, when the last part of them comes."""
    whole: list[tuple[int, int, int, float, int]] = []
    parts = [_by_time(plan, told, name, own, since_us) for name, own in rows.items()]
    for start, end in set(parts[0]).intersection(*parts[1:]):
        own_parts = [part[start, end] for part in parts]
        if all(each.is_told for each in own_parts):
            net = sum(each.value for each in own_parts)
            quality = max(each.quality for each in own_parts)
            whole.append((max(each.seq for each in own_parts), start, end, net, quality))
    taken: set[int] = set()
    found: list[tuple[int, int, float, int]] = []
    for seq, start, end, net, quality in sorted(whole):
        if told.every_us and start == end:
            if start // told.every_us in taken:
                continue
            taken.add(start // told.every_us)
        if after < seq <= through:
            found.append((start, end, net, quality))
    return _readings(plan, told, found)


def _is_told(rows: Rows, since_us: int) -> Bools:
    """Whether each is told one by one: what ended later, or is to be told whenever it ended."""
    is_asked = (rows["end"] > since_us) | ((rows["flags"] & TELL) != 0)
    return np.asarray(is_asked & ((rows["flags"] & NOT_TOLD) == 0))


class _Part(NamedTuple):
    """One of the values that make up a reading."""

    value: float
    quality: int
    seq: int
    is_told: bool


def _by_time(
    plan: ReadingPlan, told: Told, name: SeriesName, rows: Rows, since_us: int
) -> dict[tuple[int, int], _Part]:
    """By start and end."""
    good = rows if plan.with_quality else rows[rows["quality"] != Quality.BAD]
    value = sign_of(name) * converted(plan.quantity, told.measured, good, told.metered)
    columns = (value, good["quality"], good["seq"], _is_told(good, since_us))
    times = zip(good["start"].tolist(), good["end"].tolist(), strict=True)
    values = map(_Part, *(column.tolist() for column in columns))
    return dict(zip(times, values, strict=True))


def _between(
    plan: ReadingPlan,
    told: Told,
    rows: Mapping[SeriesName, Rows],
    *,
    after: int,
    through: int,
    since_us: int,
) -> Readings:
    """What lies between one value and the next."""
    steps = new_steps(
        rows,
        told.limits,
        told.measured,
        after=after,
        through=through,
        wait_us=told.wait_us,
        since_us=since_us,
        every_us=told.every_us,
    )
    if plan.quantity is Quantity.PEAK_POWER:
        value = steps.peak_kw
    elif plan.quantity is Quantity.MEAN_POWER:
        value = steps.kwh / ((steps.end_us - steps.start_us) / HOUR_US)
    else:
        value = steps.kwh
    return Readings(
        names=plan.names,
        resource=np.full(len(steps), told.place),
        start_us=steps.start_us,
        end_us=steps.end_us,
        value=value,
        quality=np.where(steps.is_estimated, Quality.ESTIMATED, Quality.OK).astype(np.int8),
    )
