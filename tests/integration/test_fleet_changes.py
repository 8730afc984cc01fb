"""What an import changes reaches the VTN; what is taken out goes when nothing of it is owed."""

from __future__ import annotations

from typing import Any

import pytest

from app.openadr import Answer
from tests.support.changing_fleet import at_vtn, import_, pump_of
from tests.support.workbench import Bench

pytestmark = pytest.mark.in_process


@pytest.fixture
def bench(bench_of_each_version: Bench) -> Bench:
    return bench_of_each_version


def attributes_at_vtn(bench: Bench) -> dict[str, Any]:
    return {each["type"]: each["values"] for each in at_vtn(bench)["attributes"]}


def puts(bench: Bench) -> int:
    return sum(request.method == "PUT" for request in bench.transport.requests)


class TestAResourceThatAnImportChanges:
    def test_the_vtn_has_it_with_the_next_heartbeat(self, bench: Bench) -> None:
        import_(bench, power_max_kw=42.0, meter_point_id="571313000000000000")

        bench.manager.heartbeat()

        now = attributes_at_vtn(bench)
        assert now["MAX_POWER_CONSUMPTION"] == [42.0]
        assert now["METER_POINT_ID"] == ["571313000000000000"]

    def test_what_it_has_no_more_is_taken_away(self, bench: Bench) -> None:
        import_(bench, meter_point_id="571313000000000000")
        bench.manager.heartbeat()

        import_(bench, meter_point_id="")
        bench.manager.heartbeat()

        assert "METER_POINT_ID" not in attributes_at_vtn(bench)

    def test_it_is_told_once(self, bench: Bench) -> None:
        import_(bench, power_max_kw=42.0)
        for _ in range(3):
            bench.manager.heartbeat()

        assert puts(bench) == 1

    def test_what_business_logic_set_stays(self, bench: Bench) -> None:
        before = at_vtn(bench)
        area = {"type": "AREA", "values": ["north"]}
        granted = {
            **before,
            "targets": ["group1"],
            "attributes": [area, *before["attributes"]],
        }
        bench.vtn.store.replace("RESOURCE", before, granted)
        import_(bench, power_max_kw=42.0)

        bench.manager.heartbeat()

        now = at_vtn(bench)
        assert attributes_at_vtn(bench)["MAX_POWER_CONSUMPTION"] == [42.0]
        assert area in now["attributes"]
        assert "group1" in str(now["targets"])
        assert now["clientID"] == before["clientID"]

    def test_what_the_vtn_knows_already_is_not_written(self, bench: Bench) -> None:
        import_(bench, energy_min_kwh=0.0, address=pump_of(bench).address)
        bench.manager.heartbeat()

        assert puts(bench) == 0

    def test_what_the_vtn_refuses_is_said_once_and_left(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.transport.instead = lambda method, _: (
            Answer(status=403, headers={}, content=b"{}") if method == "PUT" else None
        )
        import_(bench, power_max_kw=42.0)
        for _ in range(3):
            bench.manager.heartbeat()
        assert caplog.text.count("does not take what an import changed") == 1

        bench.transport.instead = lambda *_: None
        import_(bench, power_max_kw=43.0)
        bench.manager.heartbeat()

        assert attributes_at_vtn(bench)["MAX_POWER_CONSUMPTION"] == [43.0]

    def test_what_the_vtn_fails_is_told_later(self, bench: Bench) -> None:
        bench.transport.instead = lambda method, _: (
            Answer(status=503, headers={}, content=b"{}") if method == "PUT" else None
        )
        import_(bench, power_max_kw=42.0)
        bench.manager.heartbeat()
        bench.transport.instead = lambda *_: None
        bench.wait_out_holds()
        bench.manager.heartbeat()
        bench.manager.heartbeat()

        assert attributes_at_vtn(bench)["MAX_POWER_CONSUMPTION"] == [42.0]
