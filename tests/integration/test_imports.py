"""Imports of files: all of a file or nothing, once, whatever interrupts it."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.cli.readings import write_csv
from app.intake import ImportRequest, ImportResult, MeterFileError, Quantity
from app.intake.files import profile, write_parquet
from app.intake.importer import Importer
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.intake import QUARTER, IntakeBench, measured, meter
from tests.support.wiring import provider

HEAD = "device,start,end,quantity,unit,direction,value\n"
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


class Interrupted(BaseException):
    """As a kill: nothing of ours runs after it."""


@pytest.fixture
def bench(make_container: MakeContainer, clock: FakeClock) -> IntakeBench:
    return IntakeBench(make_container, clock)


def line(number: int, value: object = 1.0, device: str = "d-1") -> str:
    start, end = (f"{BEGIN + each * QUARTER:%Y-%m-%dT%H:%MZ}" for each in (number, number + 1))
    return f"{device},{start},{end},ENERGY,KWH,IMPORT,{value}\n"


def import_(
    bench: IntakeBench,
    *texts: str,
    progress: Callable[[int, int], None] = lambda _, __: None,
    **options: Any,
) -> ImportResult:
    paths = [Path(f"file-{number}.csv") for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(HEAD + text)
    request = ImportRequest(files=paths, profile=profile("csv"), **options)
    result: ImportResult = bench.container.intake.importer().run(request, progress)
    return result


def test_a_file_is_there_when_all_of_it_is_read(bench: IntakeBench) -> None:
    result = import_(bench, "".join(line(number) for number in range(96)))

    assert (result.is_taken, result.receipt.taken) == (True, 96)
    assert len(bench.values()) == 96


def test_the_same_file_again_takes_nothing_twice(bench: IntakeBench) -> None:
    text = "".join(line(number) for number in range(96))
    import_(bench, text)

    again = import_(bench, text)

    assert (again.receipt.taken, again.receipt.repeated) == (0, 96)
    assert len(bench.values()) == 96


@pytest.mark.parametrize(("is_beside_a_run", "waits_s"), [(True, [1.0]), (False, [])])
def test_beside_a_run_half_of_the_time_is_left_to_it(
    bench: IntakeBench, is_beside_a_run: bool, waits_s: list[float]
) -> None:
    """An import waits for as long as it worked."""
    seconds, waited_s = itertools.count(0.0), list[float]()
    intake = bench.container.intake
    importer = Importer(
        imports=intake.imports(),
        admission=intake.admission(),
        unknown=intake.unknown_devices(),
        monotonic=lambda: next(seconds),
        pause=waited_s.append,
    )
    path = Path("file.csv")
    path.write_text(HEAD + line(0))

    importer.run(
        ImportRequest(files=[path], profile=profile("csv"), is_beside_a_run=is_beside_a_run)
    )

    assert waited_s == waits_s


def test_a_totals_line_is_of_each_series(bench: IntakeBench) -> None:
    result = import_(bench, line(0, 1.5) + line(1, 2.0) + line(0, 4.0, "d-2"))

    totals = {name.resource_name: each for name, each in result.totals.items()}
    assert (totals["hall"].values, totals["hall"].kwh) == (2, 3.5)
    assert (totals["roof"].values, totals["roof"].kwh) == (1, 4.0)


def test_totals_are_of_what_may_be_taken_and_count_each_time_once(bench: IntakeBench) -> None:
    half = line(0).replace("00:15Z", "00:30Z")

    result = import_(bench, line(0) + line(0) + line(0, 3.0) + half, keep_good=True)

    (total,) = result.totals.values()
    assert result.receipt.refusals.count == 1
    assert total.kwh == sum(value for *_, value in bench.values())


class TestAllOrNothing:
    def test_one_wrong_value_and_nothing_is_taken(self, bench: IntakeBench) -> None:
        result = import_(bench, line(0) + line(1, "many"))

        assert not result.is_taken
        assert [str(each) for each in result.receipt.refusals.first] == [
            "file-0.csv, line 3: value: 'many' is no number"
        ]
        assert bench.values() == []

    def test_one_wrong_file_and_nothing_of_the_others_is_taken(self, bench: IntakeBench) -> None:
        Path("other.csv").write_text("this,is,another\n")
        request = ImportRequest(
            files=[Path("file-0.csv"), Path("other.csv")], profile=profile("csv")
        )
        Path("file-0.csv").write_text(HEAD + line(0))

        with pytest.raises(MeterFileError, match=r"other\.csv: line 1: unknown column 'this'"):
            bench.container.intake.importer().run(request)

        assert bench.values() == []

    def test_good_values_are_taken_where_that_is_asked(self, bench: IntakeBench) -> None:
        result = import_(bench, line(0) + line(1, "many"), keep_good=True)

        assert (result.is_taken, result.receipt.refusals.count) == (True, 1)
        assert len(bench.values()) == 1

    def test_a_file_in_which_nothing_is_found_is_not_taken_for_a_good_one(
        self, bench: IntakeBench
    ) -> None:
        with pytest.raises(MeterFileError, match="no value was found"):
            import_(bench, "")

    def test_a_dry_run_takes_nothing(self, bench: IntakeBench) -> None:
        result = import_(bench, line(0), dry_run=True)

        assert (result.is_taken, result.receipt.taken) == (False, 1)
        assert bench.values() == []


class TestWhatInterruptsIt:
    TEXTS = tuple(
        "".join(line(number) for number in range(begin, begin + 10)) for begin in (0, 10, 20)
    )

    def test_after_a_kill_nothing_is_visible(self, bench: IntakeBench) -> None:
        with pytest.raises(Interrupted):
            import_(bench, *self.TEXTS, progress=killed_at(20))

        assert bench.values() == []

    def test_a_repeat_goes_on_and_tells_of_all(self, bench: IntakeBench) -> None:
        with pytest.raises(Interrupted):
            import_(bench, *self.TEXTS, progress=killed_at(20))
        provider(bench.container, "intake.importer").reset()

        result = import_(bench, *self.TEXTS)

        assert (result.is_taken, result.receipt.taken, result.receipt.repeated) == (True, 30, 0)
        assert len(bench.values()) == 30

    def test_what_was_refused_before_it_was_interrupted_is_not_forgotten(
        self, bench: IntakeBench
    ) -> None:
        """The meter is mapped meanwhile: what was left out before is not said to be taken."""
        texts = (line(0, device="d-9"), line(1), line(2))
        with pytest.raises(Interrupted):
            import_(bench, *texts, progress=killed_at(2))
        bench.container.fleet.repository().save(
            {"Aarhus": [meter("ninth", source="plant", device="d-9")]}
        )

        result = import_(bench, *texts)

        assert not result.is_taken
        assert result.receipt.refusals.count == 1
        assert "d-9" in str(result.receipt.refusals.first[0])
        assert import_(bench, *texts).receipt.taken == 3

    def test_another_file_does_not_go_on_where_that_one_was(self, bench: IntakeBench) -> None:
        with pytest.raises(Interrupted):
            import_(bench, *self.TEXTS, progress=killed_at(20))

        result = import_(bench, line(50))

        assert [start for _, start, *_ in bench.values()] == [BEGIN + 50 * QUARTER]
        assert result.receipt.taken == 1


def test_what_is_imported_late_is_not_told_one_by_one(bench: IntakeBench, clock: FakeClock) -> None:
    clock.now = BEGIN + timedelta(days=3)

    result = import_(bench, line(0) + line(250), late=timedelta(days=2))

    assert (result.receipt.taken, result.receipt.not_told) == (2, 1)


def test_an_export_reads_back(bench: IntakeBench) -> None:
    import_(bench, line(0, 1.25) + line(1, 2.5))
    exports = bench.container.intake.exports()
    stream = io.StringIO()
    write_csv(stream, exports.measurements(BEGIN, BEGIN + timedelta(days=1)))
    Path("export.csv").write_text(stream.getvalue())

    request = ImportRequest(files=[Path("export.csv")], profile=profile("csv"))
    result = bench.container.intake.importer().run(request)

    assert (result.receipt.taken, result.receipt.repeated) == (0, 2)


def test_an_export_as_parquet_reads_back(bench: IntakeBench) -> None:
    pytest.importorskip("pyarrow")
    import_(bench, line(0, 1.25) + line(1, 2.5))
    exports = bench.container.intake.exports()
    path = Path("export.parquet")
    write_parquet(path, exports.measurements(BEGIN, BEGIN + timedelta(days=1)))

    request = ImportRequest(files=[path], profile=profile("parquet"))
    result = bench.container.intake.importer().run(request)

    assert (result.receipt.repeated, result.receipt.refusals.count) == (2, 0)


class TestGaps:
    def test_where_no_interval_is_there_is_a_gap(self, bench: IntakeBench) -> None:
        import_(bench, line(0) + line(2))

        gaps = bench.container.intake.exports().gaps(BEGIN, BEGIN + 3 * QUARTER)

        assert [(gap.resource_name, gap.start, gap.end) for gap in gaps] == [
            ("hall", BEGIN + QUARTER, BEGIN + 2 * QUARTER),
            ("pump", BEGIN, BEGIN + 3 * QUARTER),
            ("roof", BEGIN, BEGIN + 3 * QUARTER),
        ]

    def test_between_instants_max_age_is_no_gap(self, bench: IntakeBench, clock: FakeClock) -> None:
        begin = clock() - timedelta(hours=2)
        bench.take(
            measured(begin, 1.0, 1.0, 1.0, quantity=Quantity.POWER, step=timedelta(minutes=15))
        )

        gaps = bench.container.intake.exports().gaps(begin, clock(), source="plant")

        assert [(gap.start, gap.end) for gap in gaps if gap.resource_name == "hall"] == [
            (begin + timedelta(minutes=45), clock())
        ]


def killed_at(values: int) -> Callable[[int, int], None]:
    def progress(read: int, _: int) -> None:
        if read >= values:
            raise Interrupted

    return progress
