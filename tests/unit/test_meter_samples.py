"""Real files of many countries: what is read of each, beside what was worked out by hand.

The sums were made with a few lines over the text of each file, by another way than ours, and the
instants read off its first and last row.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from app.intake import MeterFileError
from app.intake.files import MeterFile, profile
from tests.support.samples import SAMPLES

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample files are not here")


class Found(NamedTuple):
    """Of one series: how many values, their sum in kW or kWh, the first start and the last end."""

    values: int
    total: float
    first: str
    last: str


def read(file: MeterFile) -> dict[tuple[str, str, str], Found]:
    found: dict[tuple[str, str, str], list[tuple[int, int, float]]] = {}
    for block in file.read():
        for place, key in enumerate(block.keys):
            chosen = block.only(block.key == place)
            found.setdefault((key.quantity, key.direction, key.channel), []).extend(
                zip(
                    chosen.start_us.tolist(),
                    chosen.end_us.tolist(),
                    chosen.value.tolist(),
                    strict=True,
                )
            )
    return {
        key: Found(
            len(rows),
            round(sum(value for *_, value in rows), 3),
            _instant(min(start for start, *_ in rows)),
            _instant(max(end for _, end, _ in rows)),
        )
        for key, rows in found.items()
        if rows
    }


def _instant(us: int) -> str:
    return f"{datetime.fromtimestamp(us / 1e6, UTC):%Y-%m-%dT%H:%MZ}"


ENERGY, EXPORT, POWER = (
    ("ENERGY", "IMPORT", ""),
    ("ENERGY", "EXPORT", ""),
    ("POWER", "IMPORT", ""),
)


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        # 744 hours of December; "01:00" of 1 December in Madrid ends at 00:00Z.
        (
            "eddie/es-datadis__consumptionKWh.json",
            "datadis-json",
            {ENERGY: Found(744, 1617.214, "2023-11-30T23:00Z", "2023-12-31T23:00Z")},
        ),
        # 47 half-hours of 0 W; the first is dated 00:30 in Paris, and begins at 23:00Z.
        (
            "eddie/fr-enedis__consumption_load_curve_2024-02-26_to_2024-02-27.json",
            "enedis-json",
            {POWER: Found(47, 0.0, "2024-02-25T23:00Z", "2024-02-26T22:30Z")},
        ),
        # Two registers of 61 days each; 18 values of gas, in m3, are skipped.
        (
            "eddie/nl-mijn-aansluiting__consumption_data.json",
            "mijn-aansluiting",
            {
                ("REGISTER", "IMPORT", "T1"): Found(
                    61, 600157.65, "2023-04-30T22:00Z", "2023-06-29T22:00Z"
                ),
                ("REGISTER", "IMPORT", "T2"): Found(
                    61, 433331.8, "2023-04-30T22:00Z", "2023-06-29T22:00Z"
                ),
            },
        ),
        # 0.009 + 0.010 kWh.
        (
            "eddie/be-fluvius__electricity_data_measurement_quarter_hourly.json",
            "fluvius",
            {ENERGY: Found(2, 0.019, "2024-12-01T00:00Z", "2024-12-01T00:30Z")},
        ),
        # 96 positions BQ whose sum is 0.719; the meter code 1-1:2.9.0 is feed-in.
        (
            "eddie/at-eda__xsd_consumptionrecord__01p41_consumptionrecord_quater-hourly.xml",
            "eda",
            {EXPORT: Found(96, 0.719, "2024-03-31T22:00Z", "2024-04-01T22:00Z")},
        ),
        # 0.13 + 0.11 kWh, in the two hours of the period.
        (
            "eddie/dk-energinet__ShortMyEnergyDataMarketDocumentResponseListApiResponse.json",
            "energinet",
            {ENERGY: Found(2, 0.24, "2024-02-11T23:00Z", "2024-02-12T01:00Z")},
        ),
        # 1.509 + 3.353 kWh.
        (
            "eddie/fi-fingrid__timeSeriesWithValues.json",
            "fingrid",
            {ENERGY: Found(2, 4.862, "2024-07-27T21:00Z", "2024-07-27T23:00Z")},
        ),
        ("eddie/fi-fingrid__timeSeriesWithErrors.json", "fingrid", {}),
        # 67 values of 726,240,000 in all, times 10^-3 Wh; flowDirection 19 is fed in.
        (
            "eddie/us-green-button__xml_batch_Batch.xml",
            "green-button",
            {EXPORT: Found(67, 726.24, "2024-09-03T00:00Z", "2024-09-04T00:00Z")},
        ),
        # 362 values of 291,018 Wh in all; the first start is 1293868800.
        (
            "greenbutton/sample_greenbutton_data.xml",
            "green-button",
            {ENERGY: Found(362, 291.018, "2011-01-01T08:00Z", "2011-01-16T10:00Z")},
        ),
        # 48 times 1.111 kWh; a day in Brisbane begins at 14:00Z.
        (
            "nem12/Example_NEM12_actual_interval.csv",
            "nem12",
            {
                ("ENERGY", "IMPORT", "1"): Found(
                    48, 53.328, "2004-01-31T14:00Z", "2004-02-01T14:00Z"
                )
            },
        ),
        # 31 days of 288 values: E1 sums to 270.738, B1 to 589.172.
        (
            "nem12/Example_NEM12_month_solar.csv",
            "nem12",
            {
                ("ENERGY", "IMPORT", "1"): Found(
                    8928, 270.738, "2023-02-28T14:00Z", "2023-03-31T14:00Z"
                ),
                ("ENERGY", "EXPORT", "1"): Found(
                    8928, 589.172, "2023-02-28T14:00Z", "2023-03-31T14:00Z"
                ),
            },
        ),
        # 0.063 + 0.083 + 0.092 + 0.078 kWh; 00:15 in Vienna is an end.
        (
            "shapes/at-netz-noe.csv",
            "netz-noe",
            {ENERGY: Found(4, 0.316, "2024-12-31T23:00Z", "2025-01-01T00:00Z")},
        ),
        # 0.25 + 0.21 + 0.11 kWh; 11:00 in October is 09:00Z, 13:00 in December 12:00Z.
        (
            "shapes/dk-eloverblik.csv",
            "eloverblik",
            {ENERGY: Found(3, 0.57, "2023-10-26T09:00Z", "2023-12-24T12:00Z")},
        ),
        # 0.057 + 0.059 + 0.054 kWh in the hours 1, 2 and 24.
        (
            "shapes/es-datadis.csv",
            "datadis",
            {ENERGY: Found(3, 0.17, "2025-04-29T22:00Z", "2025-04-30T22:00Z")},
        ),
        # 1.2 + 0.8 kW, dated by the end.
        (
            "shapes/fr-enedis-mes-mesures.csv",
            "enedis",
            {POWER: Found(2, 2.0, "2026-01-04T23:00Z", "2026-01-05T00:00Z")},
        ),
        # 1.234 + 1.101 kWh.
        (
            "shapes/no-elhub.csv",
            "elhub",
            {ENERGY: Found(2, 2.335, "2022-11-30T23:00Z", "2022-12-01T01:00Z")},
        ),
        # One interval, with what was consumed and what was generated.
        (
            "shapes/us-leap-interval-upload.csv",
            "leap",
            {
                ENERGY: Found(1, 0.42, "2026-04-01T21:00Z", "2026-04-01T21:15Z"),
                EXPORT: Found(1, 0.0, "2026-04-01T21:00Z", "2026-04-01T21:15Z"),
            },
        ),
    ],
)
def test_a_sample_has_the_totals_that_were_worked_out_by_hand(
    path: str, name: str, expected: dict[tuple[str, str, str], Found]
) -> None:
    file = MeterFile(SAMPLES / path, profile(name), device="m-1")

    found = read(file)

    assert (found, file.refusals.first) == (expected, [])


def test_the_registers_of_a_sample_leave_out_what_was_not_measured() -> None:
    """Four registers of three rows; the row of 21:00 is empty."""
    file = MeterFile(
        SAMPLES / "shapes/nl-homewizard-cumulative.csv", profile("homewizard"), device="m"
    )

    found = read(file)

    assert {key: each.values for key, each in found.items()} == {
        ("REGISTER", direction, tariff): 3
        for direction in ("IMPORT", "EXPORT")
        for tariff in ("T1", "T2")
    }


def test_reactive_energy_of_a_sample_is_skipped_and_counted() -> None:
    """48 half-hours of Q1 beside 48 of E1."""
    file = MeterFile(SAMPLES / "nem12/Example_NEM12_actual_interval.csv", profile("nem12"))

    read(file)

    assert file.skipped == {"Q1 in kVArh": 48}


def test_a_sample_of_another_form_is_refused_with_what_it_is() -> None:
    file = MeterFile(SAMPLES / "nem12/Example_NEM13_consumption_data.csv", profile("nem12"))

    with pytest.raises(MeterFileError, match=r"line 1: it begins with '100,NEM13': no NEM12"):
        read(file)


def test_the_loads_of_an_hdf5_sample_are_devices_of_their_own() -> None:
    """Hours of mean power; NaN is no value, a zero is one."""
    pytest.importorskip("h5py")
    file = MeterFile(SAMPLES / "hdf5/load_data_like_original.h5", profile("energydesk-h5"))

    devices: dict[str, int] = {}
    for block in file.read():
        devices[block.keys[0].meter.device] = len(block)

    assert sum(devices.values()) == 38_751
    assert devices["707057500033058697/0"] == 2_146
