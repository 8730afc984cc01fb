"""The durable log of measurements: whatever comes, in whatever order, is there once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.intake import IntakeFull
from app.platform import Database, OperationalError, make_engine
from tests.support.fakes import FakeClock
from tests.support.measurements import BEGIN_US, MINUTE_US, Log, Oracle, Value

DAY_MINUTES = 1440
STARTS = st.sampled_from([0, 15, 30, 45, 1425, 1440, 1455, 2880, -15])
LENGTHS = st.sampled_from([0, 15, 15, 15, 30, 1440])


@st.composite
def one_value(draw: st.DrawFn) -> Value:
    start = draw(STARTS)
    return Value(
        draw(st.integers(0, 2)),
        start,
        start + draw(LENGTHS),
        draw(st.sampled_from([0.0, 1.0, 2.5])),
        draw(st.sampled_from([0, 0, 1])),
    )


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(make_engine(url))
    try:
        yield database
    finally:
        database.close()


VALUES = st.lists(one_value(), min_size=1, max_size=12)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 1), VALUES),
        st.tuples(st.just("compact"), st.integers(0, 1), st.none()),
        st.tuples(st.just("restart"), st.integers(0, 1), st.none()),
        st.tuples(st.just("import"), st.integers(0, 1), VALUES),
        st.tuples(st.just("discarded import"), st.integers(0, 1), VALUES),
    ),
    max_size=12,
)


@pytest.fixture
def log(database: Database, clock: FakeClock) -> Log:
    return Log(database, clock)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_comes_in_whatever_order_is_there_once(
    make_database_url: Callable[[], str], steps: list[tuple[str, int, list[Value] | None]]
) -> None:
    """Two processes take, compact and import; each may begin again at any time."""
    oracle, clock = Oracle(), FakeClock()
    with opened(make_database_url()) as database:
        logs = [Log(database, clock), Log(database, clock)]

        for what, process, values in steps:
            log = logs[process]
            if what == "take" and values is not None:
                judged = log.take(*values)
                assert (
                    judged.taken,
                    judged.repeated,
                    judged.corrected,
                    len(judged.overlapping),
                ) == oracle.take(values)
            elif what == "compact":
                log.compact_all()
            elif what == "restart":
                logs[process] = Log(database, clock)
            elif values is not None:
                begun = log.imports.begin(f"{what} {process}")
                log.stage(begun, *values)
                if what == "import":
                    assert log.imports.publish(begun, whole=True) == 0
                    oracle.take(values)
                else:
                    log.imports.discard(begun)

            assert logs[1 - process].values() == oracle.values()


class TestIdentity:
    def test_the_same_value_again_is_counted_and_nothing_else(self, log: Log) -> None:
        log.take(Value(0, 0, 15, 1.5))

        again = log.take(Value(0, 0, 15, 1.5))

        assert (again.taken, again.repeated, len(again.rows)) == (0, 1, 0)

    def test_the_newest_instant_again_is_repeated(self, log: Log) -> None:
        log.take(Value(0, 0, 0, 1.5))

        assert log.take(Value(0, 0, 0, 1.5)).repeated == 1

    def test_another_value_of_the_same_time_is_a_correction(self, log: Log) -> None:
        log.take(Value(0, 0, 15, 1.5))

        corrected = log.take(Value(0, 0, 15, 1.6))

        assert (corrected.taken, corrected.corrected) == (0, 1)
        assert log.values() == [Value(0, 0, 15, 1.6)]

    def test_an_estimated_value_that_becomes_measured_is_a_correction(self, log: Log) -> None:
        log.take(Value(0, 0, 15, 1.5, quality=1))

        assert log.take(Value(0, 0, 15, 1.5, quality=0)).corrected == 1

    def test_what_is_in_blocks_of_days_is_known_as_well(self, log: Log) -> None:
        log.take(*(Value(0, 15 * place, 15 * place + 15, 1.0) for place in range(200)))
        log.compact_all()

        again = log.take(*(Value(0, 15 * place, 15 * place + 15, 1.0) for place in range(200)))

        assert (again.taken, again.repeated) == (0, 200)

    def test_an_interval_over_one_that_is_there_is_refused(self, log: Log) -> None:
        log.take(Value(0, 0, DAY_MINUTES, 24.0))

        judged = log.take(Value(0, 60, 75, 0.25), Value(0, DAY_MINUTES, DAY_MINUTES + 15, 0.25))

        assert judged.overlapping.tolist() == [0]
        assert judged.taken == 1


def test_what_is_staged_nobody_sees(database: Database, log: Log, clock: FakeClock) -> None:
    log.stage(log.imports.begin("a file"), Value(0, 0, 15, 1.0))

    assert log.values() == Log(database, clock).values() == []


class TestImports:
    def test_an_import_that_was_interrupted_goes_on(
        self, database: Database, log: Log, clock: FakeClock
    ) -> None:
        begun = log.imports.begin("a file")
        log.stage(begun, Value(0, 0, 15, 1.0))

        after = Log(database, clock).imports.begin("a file")

        assert (after.import_id, after.values) == (begun.import_id, 1)

    def test_the_same_file_once_more_is_another_import(self, log: Log) -> None:
        first = log.imports.begin("a file")
        log.imports.publish(first, whole=True)

        assert log.imports.begin("a file").import_id != first.import_id

    def test_a_value_that_others_took_meanwhile_stays(self, log: Log) -> None:
        begun = log.imports.begin("a file")
        log.stage(begun, Value(0, 0, 15, 1.0), Value(0, 15, 30, 1.0))
        log.take(Value(0, 0, 15, 2.0))

        log.imports.publish(begun, whole=True)
        seen = log.values()
        log.compact_all()

        assert seen == log.values() == [Value(0, 0, 15, 2.0), Value(0, 15, 30, 1.0)]

    @pytest.mark.parametrize("sorted_before", [False, True])
    def test_an_interval_that_overlaps_what_others_took_meanwhile_keeps_it_from_being_published(
        self, log: Log, sorted_before: bool
    ) -> None:
        begun = log.imports.begin("a file")
        log.stage(begun, Value(0, 0, 60, 4.0))
        log.take(Value(0, 15, 30, 1.0))
        if sorted_before:
            log.compact_all()

        assert log.imports.publish(begun, whole=True) == 1
        assert log.values() == [Value(0, 15, 30, 1.0)]

    def test_another_command_at_the_same_file_takes_it_over(
        self, database: Database, log: Log, clock: FakeClock
    ) -> None:
        begun = log.imports.begin("a file")
        log.stage(begun, Value(0, 0, 15, 1.0))
        other = Log(database, clock)
        other.stage(other.imports.begin("a file"), Value(0, 15, 30, 1.0))

        with pytest.raises(OperationalError, match="another command"):
            log.stage(begun, Value(0, 30, 45, 1.0))
        with pytest.raises(OperationalError, match="another command"):
            log.imports.publish(begun, whole=True)

    def test_an_import_that_is_published_is_not_discarded(self, log: Log) -> None:
        begun = log.imports.begin("a file")
        log.stage(begun, Value(0, 0, 15, 1.0))
        log.imports.publish(begun, whole=True)

        with pytest.raises(OperationalError):
            log.imports.discard(begun)

    def test_what_was_never_published_is_removed_after_a_week(
        self, log: Log, clock: FakeClock
    ) -> None:
        log.stage(log.imports.begin("a file"), Value(0, 0, 15, 1.0))
        clock.advance(days=8)

        while log.imports.discard_abandoned():
            pass

        assert log.log.bytes_stored() == 0

    def test_a_value_that_comes_after_it_corrects_it(self, log: Log) -> None:
        begun = log.imports.begin("a file")
        log.stage(begun, Value(0, 0, 15, 1.0))
        log.imports.publish(begun, whole=True)

        judged = log.take(Value(0, 0, 15, 2.0))
        log.compact_all()

        assert judged.corrected == 1
        assert log.values() == [Value(0, 0, 15, 2.0)]


class TestTwoProcesses:
    def test_who_sorts_does_not_lower_what_an_import_of_another_process_reached(
        self, database: Database, log: Log, clock: FakeClock
    ) -> None:
        other = Log(database, clock)
        log.take(Value(0, 0, 15, 1.0))
        begun = other.imports.begin("a file")
        other.stage(begun, *(Value(0, 60 * hour, 60 * hour + 60, 1.0) for hour in range(1, 30)))
        log.take(Value(0, 15, 30, 1.0))
        log.compact_all()
        other.imports.publish(begun, whole=True)

        overlapping = log.take(Value(0, 28 * 60 + 15, 28 * 60 + 30, 1.0))
        again = log.take(*(Value(0, 60 * hour, 60 * hour + 60, 1.0) for hour in range(1, 30)))

        assert len(overlapping.overlapping) == 1
        assert (again.taken, again.repeated) == (0, 29)
        assert len(log.values()) == 31

    def test_under_constant_load_a_look_comes_to_an_end(self, log: Log) -> None:
        log.take(Value(0, 0, 15, 1.0))
        newest = log.compaction.newest_seq()
        steps = 0
        while log.compaction.compact(newest):
            steps += 1
            log.take(Value(0, 15 * steps, 15 * steps + 15, 1.0))

        assert steps == 1


class TestRoom:
    def test_a_full_log_takes_nothing_of_a_batch(
        self, database: Database, clock: FakeClock
    ) -> None:
        log = Log(database, clock, max_bytes=60)
        log.take(Value(0, 0, 15, 1.0))

        with pytest.raises(IntakeFull, match="INTAKE__MAX_BYTES"):
            log.take(*(Value(1, 15 * place, 15 * place + 15, place / 7) for place in range(90)))

        assert log.values() == [Value(0, 0, 15, 1.0)]

    def test_old_days_are_removed_by_when_they_came(self, log: Log, clock: FakeClock) -> None:
        log.take(Value(0, 0, 15, 1.0))
        log.compact_all()
        clock.advance(days=45, hours=1)
        log.take(Value(0, DAY_MINUTES, DAY_MINUTES + 15, 2.0))
        log.compact_all()

        log.compaction.prune(clock() - timedelta(days=45))

        assert log.values() == [Value(0, DAY_MINUTES, DAY_MINUTES + 15, 2.0)]

    def test_bytes_are_those_of_what_is_there(self, database: Database, log: Log) -> None:
        log.take(*(Value(0, 15 * place, 15 * place + 15, place / 7) for place in range(500)))
        log.compact_all()
        log.stage(log.imports.begin("a file"), Value(1, 0, 15, 1.0))
        with database.read() as connection:
            blocks = connection.exec_driver_sql(
                "SELECT sum(length(body) + 40) FROM measurement_day"
            ).scalar_one()

        assert log.log.bytes_stored() == blocks


def test_a_measurement_of_the_day_before_is_found_by_its_instants(log: Log) -> None:
    """A block is of the day in which an interval starts."""
    log.take(Value(0, -15, 30, 1.0))
    log.compact_all()
    (number,) = (number for number, _ in log.log.series())

    rows = log.log.read(number, BEGIN_US, BEGIN_US + MINUTE_US)

    assert rows["value"].tolist() == [1.0]
