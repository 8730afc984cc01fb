"""Shapes of other portals, which the profiles of users have to express."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from app.intake import MeterFileError
from tests.support.meter_files import HOUR, read, starts


def test_what_stands_before_the_columns_is_left_out() -> None:
    """PG&E: month, day and year in a column of their own, and negative is fed in."""
    reading = read(
        "Name,SOMEBODY\nAccount Number,1\n\n"
        "TYPE,DATE,START TIME,END TIME,USAGE,UNITS,NOTES\n"
        "Electric usage,11/5/2023,00:45,01:00,0.12,kWh,\n"
        "Electric usage,11/5/2023,01:00,01:15,-0.20,kWh,\n",
        device="",
        time_zone="America/Los_Angeles",
        times={"start": ["DATE", "START TIME"], "format": "%m/%d/%Y %H:%M", "step_s": 900},
        unit=["UNITS"],
        values=[{"column": "USAGE", "quantity": "ENERGY"}],
    )

    assert starts(reading)[0] == datetime(2023, 11, 5, 7, 45, tzinfo=UTC)
    assert reading.values.value[0] == 0.12


def test_an_autumn_night_in_quarters_is_decided_by_its_rows() -> None:
    times = [f"{hour:02}:{minute:02}" for hour in (0, 1, 1, 2) for minute in (0, 15, 30, 45)]
    reading = read(
        "DATE,START TIME,USAGE\n" + "".join(f"11/5/2023,{time},1\n" for time in times),
        device="",
        time_zone="America/Los_Angeles",
        times={"start": ["DATE", "START TIME"], "format": "%m/%d/%Y %H:%M", "step_s": 900},
        values=[{"column": "USAGE", "quantity": "ENERGY", "unit": "KWH"}],
    )

    found = starts(reading)
    assert [later - earlier for earlier, later in pairwise(found)] == [HOUR / 4] * 15


def test_a_header_may_begin_with_a_space_and_offsets_may_change() -> None:
    """Octopus: ISO with offsets, and a zero in scientific notation."""
    reading = read(
        "Consumption (kwh), Start, End\n"
        "0.5, 2024-03-31T00:30:00+00:00, 2024-03-31T01:00:00+00:00\n"
        "0E-20, 2024-03-31T02:00:00+01:00, 2024-03-31T02:30:00+01:00\n",
        device="",
        times={"start": "Start", "end": "End"},
        values=[{"column": "Consumption (kwh)", "quantity": "ENERGY", "unit": "KWH"}],
    )

    assert starts(reading) == [
        datetime(2024, 3, 31, 0, 30, tzinfo=UTC),
        datetime(2024, 3, 31, 1, 0, tzinfo=UTC),
    ]
    assert reading.values.value.tolist() == [0.5, 0.0]


def test_the_name_of_a_weekday_is_left_out() -> None:
    """Caruna: local times, of which a spring day has no 03:00."""
    reading = read(
        "\ufeffAika;Kulutus (kWh)\nsu 31.3.2024 02:00;0,10\nsu 31.3.2024 04:00;0,20\n"
        "su 31.3.2024 05:00;null\n",
        device="",
        delimiter=";",
        decimal=",",
        time_zone="Europe/Helsinki",
        times={
            "start": "Aika",
            "pattern": r"\d+\.\d+\.\d+ \d+:\d+",
            "format": "%d.%m.%Y %H:%M",
            "step_s": 3600,
        },
        values=[{"column": "Kulutus (kWh)", "quantity": "ENERGY", "unit": "KWH"}],
    )

    assert starts(reading) == [
        datetime(2024, 3, 31, 0, tzinfo=UTC),
        datetime(2024, 3, 31, 1, tzinfo=UTC),
    ]


def test_a_column_says_how_long_an_interval_is() -> None:
    """Fingrid: UTC, a resolution, and MISSING where nothing was measured."""
    reading = read(
        "Mittauspiste;Resoluutio;Yksikkö;Alkuaika;Määrä;Laatu\n"
        "6425;PT15M;kWh;2024-01-01T22:00:00Z;0,25;OK\n"
        "6425;PT15M;kWh;2024-01-01T22:15:00Z;;MISSING\n",
        delimiter=";",
        decimal=",",
        device="Mittauspiste",
        unit=["Yksikkö"],
        times={"start": "Alkuaika", "length": "Resoluutio"},
        values=[{"column": "Määrä", "quantity": "ENERGY", "direction": "IMPORT"}],
    )

    assert starts(reading) == [datetime(2024, 1, 1, 22, tzinfo=UTC)]
    assert (reading.values.end_us - reading.values.start_us).tolist() == [900_000_000]


ENEDIS = "Identifiant PRM;Grandeur metier;Unite\n1;Consommation;W\nHorodate;Valeur\n" + "".join(
    f"2026-01-05T{hour:02}:{minute}:00+01:00;1200\n"
    for hour in (1, 2, 3)
    for minute in ("00", "30")
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (ENEDIS.replace("Consommation", "Production"), "Grandeur metier is 'Production'"),
        (ENEDIS.replace(";W", ";VAr"), "Unite is 'VAr', and the profile is for 'W'"),
        (
            "".join(line for line in ENEDIS.splitlines(True) if ":30:" not in line)
            + "2026-01-05T04:00:00+01:00;1\n2026-01-05T05:00:00+01:00;1\n",
            "its values are 3600 s apart, and the profile says 1800 s",
        ),
    ],
    ids=["fed in", "reactive", "hours"],
)
def test_a_file_of_another_direction_unit_or_step_is_not_read_wrongly(
    text: str, problem: str
) -> None:
    assert len(read(ENEDIS, "enedis").values) == 6
    with pytest.raises(MeterFileError, match=re.escape(problem)):
        read(text, "enedis")
