"""The order in which things become durable, on which 'exactly once' stands.

What is durable is read as a process would after a crash: with a connection of its own, from a
database that undoes every transaction that is not durable.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from app.openadr import Answer
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.recorded_database import ForgetfulDatabase, RecordedDatabase
from tests.support.workbench import SAMPLE, VENS, Bench

pytestmark = pytest.mark.in_process

SETTLED_S = 60
"""After so long, a report that is not at the VTN was never taken."""
REFUSED = 422
MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> MakeBench:
    """A fleet on a database of this class."""

    def make(database: type[Any], **settings: Any) -> Bench:
        container = make_container(vtn={"embedded_port": vtn.port}, **settings)
        container.platform.database.override(database(container.platform.engine()))
        made = Bench(container, vtn, clock)
        # With one resource, a report that is refused is not sent in parts.
        made.enrol(resources_per_ven=1)
        return made

    return make


@pytest.fixture
def forgetful(make_bench: MakeBench) -> Bench:
    return make_bench(ForgetfulDatabase)


@pytest.fixture
def recorded(make_bench: MakeBench) -> Bench:
    return make_bench(RecordedDatabase)


def durable_rows(bench: Bench, query: str) -> list[tuple[Any, ...]]:
    """What another process reads now."""
    file = bench.container.platform.database().file
    assert isinstance(file, Path)
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def transactions(bench: Bench) -> RecordedDatabase:
    database = bench.container.platform.database()
    assert isinstance(database, RecordedDatabase)
    return database


def post_while_looking(bench: Bench, look: Callable[[str], object]) -> list[Any]:
    """Deliver; what `look` gives for the name of each report at the moment that it is posted."""
    seen: list[Any] = []
    bench.transport.on_report = lambda body: seen.append(look(orjson.loads(body)["reportName"]))
    bench.manager.generate_reports()
    return seen


def test_a_frame_is_durable_when_the_tick_returns(forgetful: Bench) -> None:
    forgetful.tick()

    assert durable_rows(forgetful, "SELECT count(*) FROM frame") == [(1,)]


def test_a_report_is_durably_in_flight_before_it_is_posted(forgetful: Bench) -> None:
    def is_in_flight(name: str) -> bool:
        rows = durable_rows(forgetful, "SELECT in_flight FROM stream WHERE in_flight IS NOT NULL")
        return name in {orjson.loads(in_flight)["name"] for (in_flight,) in rows}

    forgetful.tick()

    assert post_while_looking(forgetful, is_in_flight) == [True] * VENS


def test_a_report_whose_outcome_was_not_seen_is_looked_up_before_it_is_sent_again(
    forgetful: Bench,
) -> None:
    forgetful.transport.faults.extend(["lost request"] * VENS)
    forgetful.tick()
    forgetful.manager.generate_reports()
    forgetful.clock.advance(seconds=SETTLED_S)
    asked: list[tuple[str, str]] = []
    transport: Any = forgetful.transport
    send = transport.send

    def note(method: str, url: str, **sent: Any) -> Answer:
        parts = urlsplit(url)
        if parts.path.endswith("/reports"):
            body = sent.get("body")
            query = parse_qs(parts.query).get("clientName", [""])[0]
            asked.append((method, orjson.loads(body)["clientName"] if body else query))
        answer: Answer = send(method, url, **sent)
        return answer

    transport.send = note
    forgetful.manager.generate_reports()

    for name in SAMPLE:
        own = [method for method, client_name in asked if client_name == name]
        assert own.index("GET") < own.index("POST"), name


def test_a_refused_report_is_durably_marked_before_it_is_sent_again(forgetful: Bench) -> None:
    forgetful.transport.refused["Aarhus"] = REFUSED
    forgetful.tick()
    forgetful.manager.generate_reports()
    del forgetful.transport.refused["Aarhus"]
    forgetful.retry()

    def since(name: str) -> Any:
        query = f"SELECT in_doubt_us IS NOT NULL FROM set_aside WHERE report_name = '{name}'"
        return durable_rows(forgetful, query)

    assert post_while_looking(forgetful, since) == [[(1,)]]


def test_a_refused_report_is_kept_in_the_transaction_that_moves_its_cursor(
    recorded: Bench,
) -> None:
    recorded.transport.refused["Aarhus"] = REFUSED
    recorded.tick()
    recorded.manager.generate_reports()

    (kept,) = transactions(recorded).of("INSERT INTO set_aside")
    assert kept.writes("UPDATE stream SET cursor_seq")
    assert kept.durable


def test_a_look_for_doubles_is_planned_in_the_transaction_that_moves_the_cursor(
    recorded: Bench,
) -> None:
    recorded.transport.faults.extend(["lost request"] * VENS)
    recorded.tick()
    recorded.manager.generate_reports()
    recorded.clock.advance(seconds=SETTLED_S)
    recorded.manager.generate_reports()

    planned = transactions(recorded).of("INSERT INTO second_look")
    assert planned
    assert all(each.writes("UPDATE stream SET cursor_seq") for each in planned)
    assert all(each.durable for each in planned)


def test_a_refused_report_that_is_taken_later_goes_in_the_transaction_of_its_look(
    recorded: Bench,
) -> None:
    recorded.transport.refused["Aarhus"] = REFUSED
    recorded.tick()
    recorded.manager.generate_reports()
    del recorded.transport.refused["Aarhus"]
    recorded.retry()
    recorded.transport.faults.append("lost request")
    recorded.manager.generate_reports()
    recorded.clock.advance(seconds=SETTLED_S)
    recorded.wait_out_holds()
    recorded.manager.generate_reports()

    (taken,) = transactions(recorded).of("DELETE FROM set_aside")
    assert taken.writes("INSERT INTO second_look")
    assert taken.durable


def test_no_frame_is_removed_that_a_cursor_has_not_passed(recorded: Bench) -> None:
    gone: list[tuple[int, int]] = []
    for _ in range(10):
        recorded.tick()
        recorded.manager.generate_reports()
        ((oldest,),) = durable_rows(recorded, "SELECT min(seq) FROM frame")
        ((passed,),) = durable_rows(recorded, "SELECT min(cursor_seq) FROM stream")
        gone.append((oldest, passed))
    removed = transactions(recorded).of("DELETE FROM frame")

    assert removed, "frames are removed at all"
    assert not any(each.writes("UPDATE stream") for each in removed)
    assert all(oldest <= passed for oldest, passed in gone)
    assert recorded.readings().total() == 10 * VENS


def test_cursors_that_were_not_durable_bring_no_frame_to_be_removed(
    forgetful: Bench, make_container: MakeContainer
) -> None:
    for _ in range(10):
        forgetful.tick()
        forgetful.manager.generate_reports()
    kept = durable_rows(forgetful, "SELECT count(*) FROM frame")

    after = Bench(
        make_container(vtn={"embedded_port": forgetful.vtn.port}), forgetful.vtn, forgetful.clock
    )
    after.manager.generate_reports()

    assert kept == [(10,)], "what a crash takes back is still owed, and still there"
    after.assert_each_once(10 * VENS)


def test_what_a_full_store_drops_is_counted_in_the_transaction_that_moves_the_cursors(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(RecordedDatabase, store={"max_bytes": 1 << 12, "when_full": "drop_oldest"})
    bench.transport.faults.extend([503] * 1000)
    for _ in range(100):
        bench.tick()
        if transactions(bench).of("INSERT INTO tally"):
            break

    (dropped,) = transactions(bench).of("INSERT INTO tally")
    assert dropped.writes("UPDATE stream SET cursor_seq")
    assert dropped.durable
