"""Reports that the VTN refuses for their content: kept, listed, sent again, dropped."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from app.platform import DatabaseError
from app.reporting.delivery import RejectedReport
from tests.support import commands
from tests.support.wiring import provider
from tests.support.workbench import RESOURCES, TICK, VENS, Bench

pytestmark = pytest.mark.in_process


def refuse(bench: Bench, ven_name: str, status: int = 422, ticks: int = 1) -> None:
    """The VTN refuses so many reports of one VEN."""
    bench.transport.refused[ven_name] = status
    for _ in range(ticks):
        bench.tick()
        bench.manager.generate_reports()
    bench.transport.refused.clear()


@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_report_is_set_aside_and_blocks_none_behind_it(bench: Bench, status: int) -> None:
    refuse(bench, "Aarhus", status)
    bench.tick()
    bench.manager.generate_reports()

    (aside,) = bench.container.streams.rejected().reports()
    assert (aside.ven_name, aside.readings) == ("Aarhus", RESOURCES)
    assert aside.problem == f"POST /reports: {status}, a fault of the test"
    bench.assert_each_once(2 * TICK - RESOURCES)
    assert bench.waiting() == 0


def test_a_refused_report_is_said_once_with_the_words_of_the_vtn(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="app"):
        refuse(bench, "Aarhus")

    assert caplog.text.count("with 4 readings is rejected: POST /reports: 422") == 1


def test_a_report_that_is_retried_is_sent_with_the_next_delivery(bench: Bench) -> None:
    refuse(bench, "Aarhus")

    assert bench.retry() == 1
    assert bench.manager.generate_reports() == RESOURCES

    bench.assert_each_once(TICK)
    assert bench.container.streams.rejected().reports() == []


def test_one_of_them_finds_out_that_writes_work_again(bench: Bench) -> None:
    """Given that the VTN took no writes, when nothing else is owed, then nobody else would."""
    refuse(bench, "Aarhus", ticks=3)
    bench.manager.generate_reports()
    assert bench.waiting() == 0
    bench.container.openadr.write_circuit().open()
    bench.retry()
    bench.clock.advance(minutes=1)

    bench.manager.generate_reports()

    assert not bench.container.openadr.write_circuit().is_open
    assert bench.container.streams.rejected().reports() == []
    bench.assert_each_once(3 * TICK)


def test_a_report_that_is_refused_again_stays_with_the_new_words(bench: Bench) -> None:
    refuse(bench, "Aarhus", 422)
    bench.retry()
    refuse(bench, "Aarhus", 400)

    asides = bench.container.streams.rejected().reports()
    assert [aside.problem for aside in asides] == [
        "POST /reports: 400, a fault of the test",
        "POST /reports: 400, a fault of the test",
    ]
    assert not any(aside.to_send for aside in asides)


def test_a_retried_report_that_was_not_sent_is_in_no_doubt(bench: Bench) -> None:
    refuse(bench, "Aarhus")
    bench.retry()
    bench.transport.refused["Aarhus"] = 429
    bench.manager.generate_reports()

    (aside,) = bench.container.streams.rejected().reports()
    assert aside.in_doubt_us is None


def test_a_retried_report_whose_answer_is_lost_arrives_once(bench: Bench) -> None:
    refuse(bench, "Aarhus")
    bench.retry()
    bench.transport.faults.append("lost answer")
    bench.transport.lookup_status = 401
    bench.manager.generate_reports()
    bench.transport.lookup_status = 0
    bench.clock.advance(minutes=1)
    bench.manager.generate_reports()

    bench.assert_each_once(TICK)
    assert bench.container.streams.rejected().reports() == []


def test_a_report_that_was_in_doubt_before_it_was_refused_is_looked_up_on_retry(
    bench: Bench,
) -> None:
    """The VTN does the work of the first attempt only after it has refused the second one."""
    bench.tick()
    bench.transport.faults.extend(["lost request"] * VENS)
    bench.manager.generate_reports()
    bench.clock.advance(minutes=1)
    refuse(bench, "Aarhus", 422, ticks=1)
    bench.retry()
    in_doubt, fresh = bench.container.streams.rejected().to_send(2)
    report = json.loads(in_doubt.body)
    bench.vtn.store.add("REPORT", report, client_id="Aarhus", parent=report["eventID"])

    bench.manager.generate_reports()

    assert in_doubt.in_doubt_us is not None
    assert fresh.in_doubt_us is None
    bench.assert_each_once(2 * TICK)


def test_a_dropped_report_is_gone(bench: Bench) -> None:
    refuse(bench, "Aarhus", ticks=2)
    first, second = bench.container.streams.rejected().reports()

    assert bench.container.streams.rejected().drop([first.set_aside_id]) == 1

    assert bench.container.streams.rejected().reports() == [second]


def test_nothing_is_set_aside_where_the_whole_vtn_answers_404_or_403(bench: Bench) -> None:
    for status in (404, 403):
        bench.transport.faults.extend([status] * VENS)
        bench.tick()
        assert bench.manager.generate_reports() == 0

    assert bench.container.streams.rejected().reports() == []
    assert len(bench.container.delivery.service().blocked) == VENS
    bench.wait_out_holds()
    assert bench.manager.generate_reports() == 2 * TICK


def test_a_crash_after_a_retried_report_was_taken_doubles_nothing(bench: Bench) -> None:
    refuse(bench, "Aarhus")
    bench.retry()
    rejected = bench.container.streams.rejected()

    class Crashes:
        """Real, up to the point where it would remember that the report was taken."""

        def __getattr__(self, name: str) -> object:
            if name == "delivered":
                raise DatabaseError("the process ends here")
            return getattr(rejected, name)

    bench.replace("streams.rejected", Crashes())
    with pytest.raises(DatabaseError):
        bench.manager.generate_reports()
    bench.replace("streams.rejected", rejected)
    bench.manager.generate_reports()

    bench.assert_each_once(TICK)
    assert rejected.reports() == []


class TestCommands:
    """`rejected` beside an application."""

    @pytest.fixture(autouse=True)
    def refused(self, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        refuse(bench, "Aarhus", ticks=2)
        monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))

    def rejected(self, *arguments: str) -> tuple[int, str]:
        result = commands.invoke("rejected", *arguments)
        return result.exit_code, result.output

    def test_list_shows_each_with_the_words_of_the_vtn(self) -> None:
        code, output = self.rejected("list", "--json")

        rows = json.loads(output)
        assert code == 0
        assert len(rows) == 2
        assert rows[0]["problem"] == "POST /reports: 422, a fault of the test"
        assert "Aarhus" in self.rejected("list")[1]

    def test_retry_lets_the_application_send_it(self, bench: Bench) -> None:
        last = bench.container.streams.rejected().reports()[-1].set_aside_id
        assert self.rejected("retry", str(last)) == (
            0,
            "1 reports are sent again with the next delivery\n",
        )

        assert bench.manager.generate_reports() == RESOURCES

    def test_drop_all(self, bench: Bench) -> None:
        assert self.rejected("drop", "--all")[0] == 0

        assert bench.container.streams.rejected().count() == 0

    def test_a_number_that_is_none_changes_nothing(self, bench: Bench) -> None:
        first = bench.container.streams.rejected().reports()[0].set_aside_id
        code, _ = self.rejected("drop", str(first), "777")

        assert code == 1
        assert bench.container.streams.rejected().count() == 2

    @pytest.mark.parametrize("arguments", [(), ("1", "--all")])
    def test_which_ones_must_be_said(self, arguments: tuple[str, ...]) -> None:
        assert self.rejected("drop", *arguments)[0] == 2


def test_that_nothing_was_rejected_is_said(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))

    assert bench.container.streams.rejected().count() == 0
    assert "No report was rejected." in commands.invoke("rejected", "list").output


def test_the_former_name_of_the_command_is_accepted_with_a_warning() -> None:
    result = commands.invoke("outbox", "list")

    assert "warning: `outbox` is deprecated" in result.stderr


def test_a_wrong_data_dir_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    result = commands.invoke("rejected", "list")

    assert result.exit_code == 1
    assert not (tmp_path / "data").exists()


class TestManyToSendAgain:
    """What is to be sent again is not touched where nothing can be sent."""

    MANY = 65

    @pytest.fixture
    def asides(self, bench: Bench) -> list[RejectedReport]:
        """More reports to send again than are taken at a time."""
        refuse(bench, "Aarhus", ticks=self.MANY)
        bench.retry()
        return self.kept(bench)

    def kept(self, bench: Bench) -> list[RejectedReport]:
        return list(bench.container.streams.rejected().reports())

    def asked(self, bench: Bench) -> int:
        return len(bench.transport.of("POST", "/reports")) + bench.transport.refusals

    @pytest.mark.parametrize("circuit", ["openadr.circuit", "openadr.write_circuit"])
    def test_while_the_vtn_is_down_none_is_tried(
        self, bench: Bench, asides: list[RejectedReport], circuit: str
    ) -> None:
        provider(bench.container, circuit)().open()
        bench.transport.faults.extend([503] * 10)

        bench.manager.generate_reports()

        assert self.kept(bench) == asides

    def test_when_the_vtn_goes_down_the_rest_is_left(
        self, bench: Bench, asides: list[RejectedReport]
    ) -> None:
        before = self.asked(bench)

        def goes_down(*_: object) -> None:
            bench.container.openadr.write_circuit().open()

        bench.transport.on_report = goes_down
        bench.manager.generate_reports()

        assert self.asked(bench) - before <= 2 * bench.container.platform.fan_out().max_workers
        untouched = [aside for aside in self.kept(bench) if aside in asides]
        assert len(untouched) >= self.MANY - 20

    def test_when_the_application_stops_the_rest_is_left(
        self, bench: Bench, asides: list[RejectedReport]
    ) -> None:
        bench.transport.on_report = lambda *_: bench.container.platform.shutdown().set()

        bench.manager.generate_reports()

        assert len(self.kept(bench)) >= len(asides) - bench.container.platform.fan_out().max_workers
        untouched = [aside for aside in self.kept(bench) if aside in asides]
        assert len(untouched) >= self.MANY - 20
