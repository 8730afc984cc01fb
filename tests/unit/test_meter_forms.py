"""Files of other forms than delimited text: NEM12, JSON, XML and HDF5."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from app.intake import MeterFileError
from app.intake.files import MeterFile, profile
from app.intake.measurement import Direction, Quality, Quantity
from tests.support.meter_files import HOUR, read, starts

QUARTER = timedelta(minutes=15)


def nem12(*records: str, suffix: str = "E1", unit: str = "kWh") -> str:
    """A file of one channel, whose days have four intervals."""
    lines = ("100,NEM12,202602020000,MDP,Retailer", f"200,NMI1,E1,1,{suffix},N1,M1,{unit},360,")
    return "\n".join((*lines, *records, "900\n"))


class TestNem12:
    def test_a_day_begins_at_midnight_of_the_market(self) -> None:
        found = read(nem12("300,20260201,1,2,3,4,A,,,20260202000000,"), "nem12")

        begin = datetime(2026, 1, 31, 14, tzinfo=UTC)
        assert starts(found) == [begin + 6 * HOUR * place for place in range(4)]
        assert found.values.value.tolist() == [1.0, 2.0, 3.0, 4.0]

    @pytest.mark.parametrize(("suffix", "direction"), [("E1", "IMPORT"), ("B2", "EXPORT")])
    def test_the_suffix_says_which_way_energy_goes(self, suffix: str, direction: str) -> None:
        found = read(nem12("300,20260201,1,2,3,4,A", suffix=suffix), "nem12")

        (key,) = found.values.keys
        assert (key.meter.device, key.direction, key.channel) == ("NMI1", direction, suffix[1:])

    def test_records_400_say_the_quality_of_some_intervals(self) -> None:
        """Of which the last one was not measured."""
        day = ("300,20260201,1,2,3,4,V", "400,1,2,A", "400,3,3,F14,76", "400,4,4,N")

        values = read(nem12(*day), "nem12").values

        assert values.value.tolist() == [1.0, 2.0, 3.0]
        assert values.quality.tolist() == [Quality.OK, Quality.OK, Quality.ESTIMATED]
        assert [values.codes[code] for code in values.code.tolist()] == ["A", "A", "F14"]

    def test_reactive_energy_is_neither_taken_nor_refused(self) -> None:
        found = read(nem12("300,20260201,1,2,3,4,A", suffix="Q1", unit="kVArh"), "nem12")

        assert (len(found.values), found.refusals) == (0, [])

    @pytest.mark.parametrize(
        ("records", "reason"),
        [
            (("300,20260230,1,2,3,4,A",), "line 3: '20260230' is no day"),
            (("300,20260201,1,2,3,A",), "line 3: there are not 4 values in its day"),
            (("300,20260201,1,2,3,4,X",), "line 3: 'X' is no quality"),
            (("300,20260201,1,-2,3,4,A",), "line 3: a value is negative, or none that can be"),
            (("300,20260201,1,2,3,4,V", "400,4,5,A"), "line 4: it names no intervals of its day"),
        ],
    )
    def test_what_cannot_be_is_refused_with_its_line(
        self, records: tuple[str, ...], reason: str
    ) -> None:
        found = read(nem12(*records), "nem12")

        assert [str(each) for each in found.refusals] == [reason]

    def test_a_file_without_its_last_record_is_cut_off(self) -> None:
        with pytest.raises(MeterFileError, match="the file is cut off"):
            read(nem12("300,20260201,1,2,3,4,A").removesuffix("900\n"), "nem12")

    def test_its_days_need_a_time_zone(self) -> None:
        """Given a profile that names none."""
        with pytest.raises(MeterFileError, match=r"meters\.csv: .* no time zone is given"):
            read(nem12("300,20260201,1,2,3,4,A"), format="nem12")


class TestJson:
    def test_a_value_has_a_place_in_its_period(self) -> None:
        """Of a day on which clocks are set forward; the second hour was not measured."""
        points = [
            {"position": "1", "out_Quantity.quantity": "0.5", "out_Quantity.quality": "A04"},
            {"position": "2", "out_Quantity.quantity": "0", "out_Quantity.quality": "A02"},
            {"position": "3", "out_Quantity.quantity": "0.7", "out_Quantity.quality": "A03"},
        ]
        series = {
            "businessType": "A04",
            "measurement_Unit.name": "KWH",
            "MarketEvaluationPoint": {"mRID": {"name": "5713"}},
            "Period": [
                {
                    "resolution": "PT1H",
                    "timeInterval": {"start": "2026-03-28T23:00:00Z"},
                    "Point": points,
                }
            ],
        }
        document = {"result": [{"MyEnergyData_MarketDocument": {"TimeSeries": [series]}}]}

        found = read(json.dumps(document), "energinet")

        begin = datetime(2026, 3, 28, 23, tzinfo=UTC)
        assert starts(found) == [begin, begin + 2 * HOUR]
        assert found.values.keys[0].meter.device == "5713"
        assert found.values.quality.tolist() == [Quality.OK, Quality.ESTIMATED]

    def test_the_hours_of_a_day_are_counted_by_their_end(self) -> None:
        hours = [
            {"cups": "ES1", "date": "2026/01/01", "time": time, "consumptionKWh": energy_kwh}
            for time, energy_kwh in (("01:00", 0.2), ("24:00", 0.3))
        ]

        found = read(json.dumps(hours), "datadis-json")

        midnight = datetime(2025, 12, 31, 23, tzinfo=UTC)
        assert starts(found) == [midnight, midnight + 23 * HOUR]

    def test_what_is_no_json_is_named_with_its_line(self) -> None:
        with pytest.raises(MeterFileError, match=r"meters\.csv: line 2: it is no JSON"):
            read('[{"cups": "ES1"},\n', "datadis-json")


GREEN_BUTTON = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:e="http://naesb.org/espi">
<entry><link rel="self" href="/Point/7"/><content><e:UsagePoint/></content></entry>
<entry><link rel="self" href="/Point/7/Reading/1"/><link rel="related" href="/Type/1"/>
  <content><e:MeterReading/></content></entry>
<entry><link rel="self" href="/Point/7/Reading/1/Block/1"/>
  <link rel="up" href="/Point/7/Reading/1/Block"/>
  <content><e:IntervalBlock><e:IntervalReading>
    <e:ReadingQuality><e:quality>8</e:quality></e:ReadingQuality>
    <e:timePeriod><e:duration>900</e:duration><e:start>1767225600</e:start></e:timePeriod>
    <e:value>2</e:value></e:IntervalReading></e:IntervalBlock></content></entry>
<entry><link rel="self" href="/Type/1"/><content><e:ReadingType>
  <e:flowDirection>{direction}</e:flowDirection><e:powerOfTenMultiplier>3</e:powerOfTenMultiplier>
  <e:uom>{unit}</e:uom></e:ReadingType></content></entry>
</feed>"""
EDA = """<c:ConsumptionRecord xmlns:c="http://example.test/record">
<c:MeteringPoint>AT1</c:MeteringPoint>
<c:EnergyData MeterCode="1-1:2.9.0 P.01" UOM="KWH">
  <c:EP><c:DTF>2026-01-01T00:00:00+01:00</c:DTF><c:DTT>2026-01-01T00:15:00+01:00</c:DTT>
    <c:BQ>0.5</c:BQ><c:MM>L3</c:MM></c:EP>
</c:EnergyData>
<c:EnergyData MeterCode="1-1:1.8.0" UOM="KWH">
  <c:EP><c:DTF>2026-01-01T00:00:00+01:00</c:DTF><c:BQ>9999</c:BQ><c:MM>L1</c:MM></c:EP>
</c:EnergyData></c:ConsumptionRecord>"""


class TestXml:
    @pytest.mark.parametrize(
        ("direction", "unit", "quantity", "expected"),
        [("19", "72", Quantity.ENERGY, "EXPORT"), ("1", "38", Quantity.POWER, "IMPORT")],
    )
    def test_a_green_button_reading_is_what_its_reading_type_says(
        self, direction: str, unit: str, quantity: Quantity, expected: str
    ) -> None:
        """Which stands behind it; 2 times ten to the third are 2 kWh, or 2 kW."""
        found = read(GREEN_BUTTON.format(direction=direction, unit=unit), "green-button")

        (key,) = found.values.keys
        assert (key.meter.device, key.quantity, key.direction) == ("7", quantity, expected)
        assert found.values.value.tolist() == [2.0]
        assert starts(found) == [datetime(2026, 1, 1, tzinfo=UTC)]
        assert found.values.end_us - found.values.start_us == QUARTER // timedelta(microseconds=1)
        assert found.values.quality.tolist() == [Quality.ESTIMATED]

    def test_another_unit_is_neither_taken_nor_refused(self) -> None:
        found = read(GREEN_BUTTON.format(direction="1", unit="63"), "green-button")

        assert (len(found.values), found.refusals) == (0, [])

    def test_an_eda_record_says_the_direction_by_its_code(self) -> None:
        """And a register beside it is left out."""
        found = read(EDA, "eda")

        (key,) = found.values.keys
        assert (key.meter.device, key.direction) == ("AT1", Direction.EXPORT)
        assert found.values.value.tolist() == [0.5]
        assert found.values.quality.tolist() == [Quality.ESTIMATED]
        assert starts(found) == [datetime(2025, 12, 31, 23, tzinfo=UTC)]

    @pytest.mark.parametrize("name", ["green-button", "eda"])
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "a document type or entities"),
            ("<a><b></a>", "it is no XML that can be read"),
            ("device,start\n", "it is no XML that can be read"),
        ],
    )
    def test_what_is_no_plain_xml_is_refused(self, name: str, text: str, problem: str) -> None:
        with pytest.raises(MeterFileError, match=problem):
            read(text, name)


class TestHdf5:
    def test_each_load_is_a_device_with_hours_of_mean_power(self) -> None:
        """NaN was not measured, and a zero was."""
        h5py = pytest.importorskip("h5py")
        hour_s = 1_767_225_600 + 3600 * np.arange(4)
        with h5py.File("loads.h5", "w") as file:
            file["meters/meter_12/load_0/power"] = np.column_stack(
                (hour_s, [1500.0, np.nan, 0.0, np.inf])
            )
        file = MeterFile(Path("loads.h5"), profile("energydesk-h5"))

        (block,) = file.read()

        assert block.keys[0].meter.device == "12/0"
        assert block.value.tolist() == [1.5, 0.0]
        assert (block.end_us - block.start_us).tolist() == [HOUR // timedelta(microseconds=1)] * 2
        assert [str(each) for each in file.refusals.first] == [
            "line 4: 12/0: it is no number that can be"
        ]
