"""What is new of measurements since a number: each is told once, and then never again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.intake import (
    HOUR_US,
    LONG_AGO_US,
    NO_ROWS,
    NOT_TOLD,
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
from app.reporting.content.reading_plan import ReadingPlan, ValueSeries, chosen_series
from app.reporting.content.readings import Bools, Int64, Readings, converted
from app.reporting.requests import Quantity, ReportRequest, Scope


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrivedRows:
    """Rows, with the number with which each arrived."""

    rows: Rows
    arrival: Int64

    @classmethod
    def of(cls, arrivals: Arrivals) -> ArrivedRows:
        """All rows of batches, by series and in their order."""
        rows = np.concatenate([NO_ROWS, *(each.rows for each in arrivals.arrived)])
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

    def numbers(self, through: int) -> list[tuple[int, int]]:
        """(number, how many rows arrived with it), rising, up to a number."""
        chosen = self.arrival[self.arrival <= through]
        seqs, counts = np.unique(chosen, return_counts=True)
        return list(zip(seqs.tolist(), counts.tolist(), strict=True))


class ArrivalRange(NamedTuple):
    """What is to be told: of what arrived after one number and up to another one, what ended after
    an instant, or is to be told whenever it ended."""

    after: int
    through: int
    since_us: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Corrected:
    """Measurements that were told and are others now."""

    readings: Readings
    numbers: Sequence[tuple[int, int]]
    """(number, how many of the corrections arrived with it), rising."""


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
        values = []
        for place, series in enumerate(self._energy.known_series(resources)):
            limits = self._energy.limits(resources[place])
            chosen = chosen_series(request.quantity, series, max_age_us=limits.max_age_us)
            if chosen is None:
                continue
            source = self._energy.source_of(resources[place])
            values.append(
                ValueSeries(
                    place=place,
                    metered=resources[place],
                    limits=limits,
                    measured=chosen[0],
                    is_direct=chosen[1],
                    names=chosen[2],
                    newest_us=max(each.newest_us for each in series),
                    wait_us=in_us(source.wait),
                    every_us=in_us(source.tell_every),
                )
            )
        return ReadingPlan(
            quantity=request.quantity,
            with_quality=request.with_quality,
            names=names,
            values=values,
        )

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

    def readings(self, plan: ReadingPlan, arrived: ArrivedRows, asked: ArrivalRange) -> Readings:
        """What is new."""
        chosen = arrived.arrival <= asked.through
        if not plan.with_quality:
            chosen &= arrived.rows["quality"] != Quality.BAD
        arrived = ArrivedRows(rows=arrived.rows[chosen], arrival=arrived.arrival[chosen])
        found = [_of_single(plan, arrived, asked)]
        touched = set(np.unique(arrived.rows["series"]).tolist()) - plan.single.keys()
        found += [
            self._of_one(plan, values, arrived, asked)
            for values in plan.values
            if not touched.isdisjoint(values.names)
        ]
        made = Readings.together(plan.names, found)
        return made.part(~np.isnan(made.value))

    def corrections(
        self,
        plan: ReadingPlan,
        arrived: ArrivedRows,
        asked: ArrivalRange,
        *,
        was_told: Callable[[int, int], bool],
    ) -> Corrected:
        """What corrects measurements that were told.

        `was_told`: whether what arrived first with one number was told before another one did. What
        lies between two values is told once, and not corrected.
        """
        is_asked = (arrived.arrival <= asked.through) & (arrived.rows["seq"] < arrived.arrival)
        is_asked &= _is_told(arrived.rows, asked.since_us)
        rows, numbers = arrived.rows[is_asked], arrived.arrival[is_asked]
        pairs = zip(rows["seq"].tolist(), numbers.tolist(), strict=True)
        needed = np.array([was_told(*pair) for pair in pairs], dtype=np.bool_)
        rows, numbers = rows[needed], numbers[needed]
        found = []
        is_of_any = np.zeros(len(rows), dtype=np.bool_)
        for values in plan.values:
            is_own = np.isin(rows["series"], list(values.names))
            if not values.is_direct or not is_own.any():
                continue
            is_of_any |= is_own
            known = self._known(values, rows[is_own])
            times = set(rows[is_own][["start", "end"]].tolist())
            told = [
                each
                for each in _told(plan, values, known, asked.since_us)
                if (each.start_us, each.end_us) in times
            ]
            found.append(_readings(plan, values, told))
        return Corrected(
            readings=Readings.together(plan.names, found),
            numbers=ArrivedRows(rows=rows[is_of_any], arrival=numbers[is_of_any]).numbers(
                asked.through
            ),
        )

    def _of_one(
        self, plan: ReadingPlan, values: ValueSeries, arrived: ArrivedRows, asked: ArrivalRange
    ) -> Readings:
        """Where a value is made of several series, or of several values of one."""
        is_own = np.isin(arrived.rows["series"], list(values.names))
        new = arrived.rows[is_own & (arrived.rows["seq"] == arrived.arrival)]
        if not len(new):
            return Readings.together(plan.names, [])
        if not values.is_direct:
            return _between(plan, values, self._known_before(values, new, asked.after), asked)
        told = _told(plan, values, self._known(values, new), asked.since_us)
        is_new = (each for each in told if asked.after < each.seq <= asked.through)
        return _readings(plan, values, list(is_new))

    def _known(self, values: ValueSeries, rows: Rows) -> Mapping[SeriesName, Rows]:
        """What is known of the time of these rows, and of all that is thinned with them."""
        first_us = int(rows["start"].min()) - values.every_us
        last_us = int(rows["end"].max()) + values.every_us + 1
        return self._energy.rows(values.metered, values.names, first_us, last_us)

    def _known_before(
        self, values: ValueSeries, new: Rows, after: int
    ) -> Mapping[SeriesName, Rows]:
        """What is known from where it was told up to a number; of registers, with what is needed to
        judge them."""
        back_us = values.wait_us + values.every_us
        first_us = int(new["start"].min()) - back_us
        # What was known when it arrived counts, however late that was.
        last_us = max(int(new["end"].max()), values.newest_us)
        rows = self._energy.rows(values.metered, values.names, first_us, last_us)
        told_us = (
            newest_us({name: own[own["seq"] <= after] for name, own in rows.items()}) - back_us
        )
        if LONG_AGO_US < told_us < first_us:
            rows = self._energy.rows(values.metered, values.names, told_us, last_us)
        return rows


def _of_single(plan: ReadingPlan, arrived: ArrivedRows, asked: ArrivalRange) -> Readings:
    """Each measurement that arrived first, as it was corrected since."""
    known = np.array(sorted(plan.single), dtype=np.int64)
    is_own = np.isin(arrived.rows["series"], known) & (arrived.rows["seq"] > asked.after)
    rows, number = arrived.rows[is_own], arrived.arrival[is_own]
    rows = rows[np.lexsort((number, rows["end"], rows["start"], rows["series"]))]
    first = np.flatnonzero(~is_same_as_before(rows))
    last = np.append(first[1:], len(rows))[: len(first)] - 1
    rows = rows[last[_is_told(rows[first], asked.since_us)]]
    parts = [plan.single[number] for number in known.tolist()]
    signs = [sign_of(values.names[number]) for values, number in zip(parts, known, strict=True)]
    where = np.searchsorted(known, rows["series"])
    place = np.array([values.place for values in parts], dtype=np.int64)[where]
    found = []
    for measured in {values.measured for values in parts}:
        is_such = np.array([values.measured is measured for values in parts])[where]
        chosen = rows[is_such]
        value = np.array(signs)[where][is_such] * converted(
            plan.quantity, measured, chosen, parts[0].metered
        )
        found.append(Readings.of(plan.names, place[is_such], chosen, value))
    return Readings.together(plan.names, found)


class _Reading(NamedTuple):
    """A value, or one of those that make it up."""

    seq: int
    """With which it, or the last of its parts, arrived."""
    start_us: int
    end_us: int
    value: float
    quality: int
    is_told: bool
    """Whether it is told one by one at all."""


def _told(
    plan: ReadingPlan, values: ValueSeries, rows: Mapping[SeriesName, Rows], since_us: int
) -> list[_Reading]:
    """Measurements of one time together, in the order in which they were whole; of instants, one in
    each `tell_every`."""
    parts = [_by_time(plan, values, name, own, since_us) for name, own in rows.items()]
    whole = []
    for time in set(parts[0]).intersection(*parts[1:]):
        own = [part[time] for part in parts]
        if all(each.is_told for each in own):
            seq, quality = max(each.seq for each in own), max(each.quality for each in own)
            whole.append(_Reading(seq, *time, sum(each.value for each in own), quality, True))
    told = []
    taken: set[int] = set()
    for each in sorted(whole):
        if values.every_us and each.start_us == each.end_us:
            if each.start_us // values.every_us in taken:
                continue
            taken.add(each.start_us // values.every_us)
        told.append(each)
    return told


def _by_time(
    plan: ReadingPlan, values: ValueSeries, name: SeriesName, rows: Rows, since_us: int
) -> dict[tuple[int, int], _Reading]:
    """By start and end."""
    good = rows if plan.with_quality else rows[rows["quality"] != Quality.BAD]
    value = sign_of(name) * converted(plan.quantity, values.measured, good, values.metered)
    columns = (
        *(good["seq"], good["start"], good["end"]),
        *(value, good["quality"], _is_told(good, since_us)),
    )
    readings = map(_Reading, *(column.tolist() for column in columns))
    return {(each.start_us, each.end_us): each for each in readings}


def _is_told(rows: Rows, since_us: int) -> Bools:
    """Whether each is told one by one: what ended later, or is to be told whenever it ended."""
    is_asked = (rows["end"] > since_us) | ((rows["flags"] & TELL) != 0)
    return np.asarray(is_asked & ((rows["flags"] & NOT_TOLD) == 0))


def _readings(plan: ReadingPlan, values: ValueSeries, found: Sequence[_Reading]) -> Readings:
    """Of one resource."""
    _, start_us, end_us, value, quality, _ = zip(*found, strict=True) if found else [()] * 6
    return Readings(
        names=plan.names,
        resource=np.full(len(found), values.place),
        start_us=np.array(start_us, dtype=np.int64),
        end_us=np.array(end_us, dtype=np.int64),
        value=np.array(value, dtype=np.float64),
        quality=np.array(quality, dtype=np.int8),
    )


def _between(
    plan: ReadingPlan, values: ValueSeries, rows: Mapping[SeriesName, Rows], asked: ArrivalRange
) -> Readings:
    """What lies between one value and the next."""
    steps = new_steps(
        rows,
        values.limits,
        values.measured,
        after=asked.after,
        through=asked.through,
        wait_us=values.wait_us,
        since_us=asked.since_us,
        every_us=values.every_us,
    )
    if plan.quantity is Quantity.PEAK_POWER:
        value = steps.peak_kw
    elif plan.quantity is Quantity.MEAN_POWER:
        value = steps.kwh / ((steps.end_us - steps.start_us) / HOUR_US)
    else:
        value = steps.kwh
    return Readings(
        names=plan.names,
        resource=np.full(len(steps), values.place),
        start_us=steps.start_us,
        end_us=steps.end_us,
        value=value,
        quality=np.where(steps.is_estimated, Quality.ESTIMATED, Quality.OK).astype(np.int8),
    )
