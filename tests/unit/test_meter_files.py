"""Delimited files of meter readings, as portals export them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from app.intake import MeterFileError
from app.intake.files import Profile
from app.intake.measurement import Quality
from tests.support.meter_files import GENERIC, HOUR, Read, read, starts


class TestWhatIsNoNumber:
    @pytest.mark.parametrize("cell", ["", "null", "NaN", "unavailable", "MISSING", "-"])
    def test_an_absent_value_is_no_zero(self, cell: str) -> None:
        reading = read(f"device,start,end,kwh\nm,2026-01-01T00:00Z,2026-01-01T01:00Z,{cell}\n")

        assert (len(reading.values), reading.refusals) == (0, [])

    @pytest.mark.parametrize("cell", ["1e400", "inf", "true", "12 kWh", "0x10", "=1+1"])
    def test_what_is_no_number_is_refused_with_its_line_and_column(self, cell: str) -> None:
        reading = read(f"device,start,end,kwh\nm,2026-01-01T00:00Z,2026-01-01T01:00Z,{cell}\n")

        assert len(reading.values) == 0
        assert [str(each)[:12] for each in reading.refusals] == ["line 2, kwh:"]

    def test_a_negative_import_is_refused(self) -> None:
        reading = read("device,start,end,kwh\nm,2026-01-01T00:00Z,2026-01-01T01:00Z,-1\n")

        assert [each.reason for each in reading.refusals] == ["ENERGY IMPORT is negative: -1"]

    def test_a_store_does_not_hold_less_than_nothing(self) -> None:
        stored = {"column": "kwh", "quantity": "STORED", "unit": "KWH"}

        reading = read(
            "device,start,kwh\nm,2026-01-01T00:00Z,-1\n", values=[stored], times={"start": "start"}
        )

        assert [each.reason for each in reading.refusals] == ["STORED is negative: -1"]


class TestTimes:
    def test_a_time_without_an_offset_is_refused_where_no_zone_is_given(self) -> None:
        reading = read("device,start,end,kwh\nm,2026-01-01T00:00,2026-01-01T01:00,1\n")

        (refusal,) = reading.refusals
        assert "has no offset, and no time zone is given" in refusal.reason

    @pytest.mark.parametrize("time", ["0001-01-01T00:00Z", "9999-01-01T00:00Z", "yesterday", ""])
    def test_what_is_no_time_of_a_measurement_is_refused(self, time: str) -> None:
        reading = read(f"device,start,end,kwh\nm,{time},2026-01-01T01:00Z,1\n")

        assert (len(reading.values), len(reading.refusals)) == (0, 1)

    def test_an_interval_that_ends_before_it_starts_is_refused(self) -> None:
        reading = read("device,start,end,kwh\nm,2026-01-01T01:00Z,2026-01-01T00:00Z,1\n")

        assert [each.reason for each in reading.refusals] == ["it ends before it starts"]

    def test_an_interval_may_be_dated_by_its_end(self) -> None:
        reading = read(
            "Messzeitpunkt;Verbrauch (kWh);Qualität\n01.01.2025 00:15;0,063000;L1\n", "netz-noe"
        )

        series = reading.values
        assert starts(reading) == [datetime(2024, 12, 31, 23, tzinfo=UTC)]
        assert (series.end_us - series.start_us).tolist() == [900_000_000]
        assert series.value.tolist() == [0.063]


class TestTheNightsInWhichClocksChange:
    """Madrid: 2024-03-31 has no 02:00; 2024-10-27 has 25 hours."""

    HEAD = "CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion\n"

    def day(self, date: str, *hours: int) -> Read:
        rows = "".join(f"ES1;{date};{hour};{hour},5;R\n" for hour in hours)
        return read(self.HEAD + rows, "datadis")

    def test_a_spring_day_has_23_hours_one_behind_the_other(self) -> None:
        reading = self.day("31/03/2024", 1, *range(3, 25))

        found = starts(reading)
        assert len(found) == 23
        assert [later - earlier for earlier, later in pairwise(found)] == [HOUR] * 22

    def test_an_hour_that_no_clock_showed_is_refused(self) -> None:
        reading = self.day("31/03/2024", 1, 2, 3)

        assert [each.reason for each in reading.refusals] == [
            "no clock of the time zone showed this time"
        ]

    def test_an_autumn_day_may_repeat_an_hour(self) -> None:
        reading = self.day("27/10/2024", 1, 2, 2, *range(3, 25))

        found = starts(reading)
        assert len(found) == 25
        assert [later - earlier for earlier, later in pairwise(found)] == [HOUR] * 24
        assert reading.values.quality.max() == Quality.OK

    def test_an_autumn_day_that_counts_to_25_is_counted_through(self) -> None:
        reading = self.day("27/10/2024", *range(1, 26))

        found = starts(reading)
        assert found[0] == datetime(2024, 10, 26, 22, tzinfo=UTC)
        assert [later - earlier for earlier, later in pairwise(found)] == [HOUR] * 24

    def test_an_autumn_day_that_drops_an_hour_is_estimated_where_the_profile_says_so(self) -> None:
        reading = self.day("27/10/2024", *range(1, 25))

        series = reading.values
        assert len(series) == 24
        assert series.quality.tolist().count(Quality.ESTIMATED) == 1
        assert len(set(series.start_us.tolist())) == 24, "no hour is counted twice"

    def test_the_other_end_of_an_interval_decides(self) -> None:
        """02:00 to 03:00 is the second of the two hours: from the first one it would be two."""
        reading = read(
            "device,start,end,kwh\nm,2024-10-27T01:00,2024-10-27T02:00,1\n"
            "m,2024-10-27T02:00,2024-10-27T03:00,1\nm,2024-10-27T03:00,2024-10-27T04:00,1\n",
            time_zone="Europe/Madrid",
        )

        assert reading.refusals == []
        assert [each.hour for each in starts(reading)] == [23, 1, 2]

    def test_rows_that_end_where_the_clock_shows_it_once_are_an_hour_each(self) -> None:
        """02:00 to 03:00 stands twice, as portals write it."""
        reading = read(
            "device,start,end,kwh\nm,2024-10-27T01:00,2024-10-27T02:00,1\n"
            "m,2024-10-27T02:00,2024-10-27T03:00,1\nm,2024-10-27T02:00,2024-10-27T03:00,1\n"
            "m,2024-10-27T03:00,2024-10-27T04:00,1\n",
            time_zone="Europe/Madrid",
        )

        assert [each.hour for each in starts(reading)] == [23, 0, 1, 2]
        lengths = reading.values.end_us - reading.values.start_us
        assert lengths.tolist() == [HOUR // timedelta(microseconds=1)] * 4

    def test_a_row_that_stands_twice_is_no_turn_of_the_clock(self) -> None:
        times = ("02:00", "02:15", "02:15", "02:30", "02:45", "03:00")
        reading = read(
            "device,start,kwh\n" + "".join(f"m,2024-10-27T{time},1\n" for time in times),
            time_zone="Europe/Madrid",
            times={"start": "start", "step_s": 900},
        )

        assert len(reading.refusals) == 5
        assert len(reading.values) == 1

    @pytest.mark.parametrize(
        ("day", "times", "begin"),
        [
            (
                "26.10.2025",
                "01:45 02:00 02:15 02:30 02:45 03:00 02:15 02:30 02:45 03:00 03:15",
                "2025-10-25T23:30Z",
            ),
            (
                "26.10.2025",
                "01:45 02:00 02:15 02:30 02:45 02:00 02:15 02:30 02:45 03:00 03:15",
                "2025-10-25T23:30Z",
            ),
            ("30.03.2025", "01:45 02:00 03:15 03:30", "2025-03-30T00:30Z"),
            ("30.03.2025", "01:45 03:00 03:15 03:30", "2025-03-30T00:30Z"),
        ],
    )
    def test_quarters_that_are_dated_by_their_ends(self, day: str, times: str, begin: str) -> None:
        """An hour ends as 03:00 or as 02:00 when the clock is set back, and forward."""
        rows = "".join(f"{day} {time};1;L1\n" for time in times.split())

        reading = read(f"Messzeitpunkt;Verbrauch (kWh);Qualität\n{rows}", "netz-noe")

        assert reading.refusals == []
        first = datetime.fromisoformat(begin)
        assert starts(reading) == [
            first + number * timedelta(minutes=15) for number in range(len(times.split()))
        ]

    def test_a_length_goes_back_in_time_and_not_on_the_clock(self) -> None:
        """Half hours by their ends: in spring 03:00 ends the one that began at 01:30."""
        reading = read(
            "device,end,length,kwh\nm,2026-03-29T01:30,PT30M,1\nm,2026-03-29T03:00,PT30M,1\n"
            "m,2026-03-29T03:30,PT30M,1\n",
            time_zone="Europe/Paris",
            times={"end": "end", "length": "length"},
        )

        assert reading.refusals == []
        assert [each.strftime("%H:%M") for each in starts(reading)] == ["00:00", "00:30", "01:00"]

    def test_what_nothing_decides_is_refused(self) -> None:
        reading = read(
            "device,start,end,kwh\nm,2024-10-27T01:30,2024-10-27T01:45,1\n"
            "m,2024-10-27T02:15,2024-10-27T02:30,1\nm,2024-10-27T03:15,2024-10-27T03:30,1\n",
            time_zone="Europe/Madrid",
        )

        assert [(each.line, each.reason) for each in reading.refusals] == [
            (3, "the clock showed this time twice, and the rows do not say which is meant"),
        ]


class TestCells:
    def test_a_quote_that_is_not_closed_does_not_swallow_the_rest(self) -> None:
        with pytest.raises(MeterFileError, match="line 3"):
            read('device,start,end,kwh\n"m,2026-01-01T00:00Z,2026-01-01T01:00Z,1\nm,x,y,2\n')

    @pytest.mark.parametrize("row", ["m,2026-01-01T00:00Z,2026-01-01T01:00Z,1,5", "m,2026-01-01"])
    def test_a_row_of_more_or_fewer_cells_is_refused(self, row: str) -> None:
        reading = read(f"device,start,end,kwh\n{row}\n")

        assert len(reading.values) == 0
        assert "cells, and there are 4 columns" in reading.refusals[0].reason

    @pytest.mark.parametrize(
        ("code", "values", "refused"), [("ok", 1, 0), ("None", 0, 0), ("Z", 0, 1), ("", 1, 0)]
    )
    def test_a_quality_is_known_or_refused(self, code: str, values: int, refused: int) -> None:
        reading = read(
            f"device,start,end,kwh,q\nm,2026-01-01T00:00Z,2026-01-01T01:00Z,1,{code}\n",
            quality="q",
            quality_codes={"OK": "OK", "none": "ABSENT"},
        )

        assert (len(reading.values), len(reading.refusals)) == (values, refused)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"time_zone": "Mars/Base"}, "time_zone: time zone 'Mars/Base' cannot be loaded"),
        ({"encoding": "latinx"}, "encoding: 'latinx' is no encoding"),
        ({"delimiter": ";;"}, "delimiter:"),
        ({"quality_codes": "x"}, "quality_codes:"),
        ({"quality_codes": {"A": "FINE"}}, "quality_codes.A:"),
        ({"times": {"day": "d"}}, "times: day and hour go together"),
        ({"times": {}}, "times: there is no column"),
        ({"times": {"start": "s", "pattern": "("}}, "is no regular expression"),
        ({"format": "json"}, "columns has no path for 'start'"),
        ({"values": []}, "values: there is none"),
    ],
)
def test_a_profile_that_cannot_be_is_refused_in_one_line(
    changed: dict[str, object], problem: str
) -> None:
    with pytest.raises(MeterFileError, match="profile test: ") as raised:
        Profile.read({**GENERIC, **changed}, "test")

    assert problem in str(raised.value)


def test_a_column_that_is_missing_is_named() -> None:
    with pytest.raises(MeterFileError, match=r"line 1: there is no column 'end'; there are device"):
        read("device,start,kwh\n")


def test_registers_stand_in_columns_of_their_own() -> None:
    reading = read(
        "time,Import T1 kWh,Import T2 kWh,Export T1 kWh,Export T2 kWh\n"
        "2025-06-02 20:30,8293.146,7210.113,1916.077,4181.422\n"
        "2025-06-02 21:00,,,,\n",
        "homewizard",
    )

    found = reading.values
    assert [
        (key.direction, key.channel, found.value[found.key == place].tolist())
        for place, key in enumerate(found.keys)
    ] == [
        ("IMPORT", "T1", [8293.146]),
        ("IMPORT", "T2", [7210.113]),
        ("EXPORT", "T1", [1916.077]),
        ("EXPORT", "T2", [4181.422]),
    ]


@pytest.mark.parametrize("block_rows", [1, 2, 3, 5, 1000])
def test_a_night_is_decided_whole_however_a_file_is_cut_into_blocks(block_rows: int) -> None:
    """Rows of several devices stand between each other; each has its own order."""
    rows = [
        f"{device},2024-10-27T{hour:02}:00,2024-10-27T{hour:02}:30,1\n"
        for hour in (1, 2, 2, 3)
        for device in ("a", "b")
    ]

    reading = read(
        "device,start,end,kwh\n" + "".join(rows), block_rows=block_rows, time_zone="Europe/Madrid"
    )

    assert np.bincount(reading.values.key).tolist() == [4, 4]
    assert reading.refusals == []


def test_of_several_lines_the_one_that_is_most_like_the_columns_is_named() -> None:
    with pytest.raises(MeterFileError, match=r"line 3: there is no column 'kwh'; there are device"):
        read("My meter\n\ndevice,start,end,kw\nm,2026-01-01T00:00Z,2026-01-01T01:00Z,1\n")


@pytest.mark.parametrize("cell", ["1.234", "0.063", "1,234.5", "1.23,4"])
def test_where_a_comma_is_decimal_a_point_alone_is_no_number(cell: str) -> None:
    """Nobody can tell whether it is a thousand or a unit and some thousandths."""
    reading = read(
        f'device,start,end,kwh\nm,2026-01-01T00:00Z,2026-01-01T01:00Z,"{cell}"\n', decimal=","
    )

    assert (len(reading.values), len(reading.refusals)) == (0, 1)
