"""What lies in InfluxDB 2 is imported: page by page, and on where it was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from app.intake import ImportRequest, InfluxPages, InfluxQuery, MeterFileError
from app.intake.files import profile
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.influx import NAMES, TOKEN, StubInflux, table
from tests.support.intake import IntakeBench

FLUX = 'from(bucket: "b") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)'
BEGIN = datetime(2026, 3, 1, 22, tzinfo=UTC)


@pytest.fixture
def influx() -> Iterator[StubInflux]:
    made = StubInflux()
    made.answers = {
        "2026-03-01": table(0, ("2026-03-01T23:00:00Z", 1500, "d-1"))
        + table(1, ("2026-03-01T23:00:00Z", 500, "d-2")),
        "2026-03-02": table(0, ("2026-03-02T01:00:00Z", 2500, "d-1")),
    }
    yield made
    made.close()


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[InfluxPages]:
    with requests.Session() as session:
        yield InfluxPages(tmp_path / "pages", session=session)


def query(influx: StubInflux, **changed: Any) -> InfluxQuery:
    given: dict[str, Any] = {
        "url": influx.url,
        "org": "home",
        "token": SecretStr(TOKEN),
        "flux": FLUX,
        "start": BEGIN,
        "end": BEGIN + timedelta(days=3),
        **changed,
    }
    return InfluxQuery(**given)


def test_what_the_query_gives_is_imported(
    influx: StubInflux, pages: InfluxPages, make_container: MakeContainer, clock: FakeClock
) -> None:
    bench = IntakeBench(make_container, clock)

    files = pages.fetch(query(influx))
    request = ImportRequest(files=files, profile=profile("csv"), source="plant")
    bench.container.intake.importer().run(request)

    assert [(resource, start.hour, kw) for resource, start, _, kw in bench.values()] == [
        ("hall", 23, 1.5),
        ("hall", 1, 2.5),
        ("roof", 23, 0.5),
    ]


class TestPages:
    def test_each_day_is_asked_for_by_itself(self, influx: StubInflux, pages: InfluxPages) -> None:
        files = pages.fetch(query(influx))

        assert [each.split("range(")[1] for each in influx.asked] == [
            "start: 2026-03-01T22:00:00.000000Z, stop: 2026-03-02T00:00:00.000000Z)",
            "start: 2026-03-02T00:00:00.000000Z, stop: 2026-03-03T00:00:00.000000Z)",
            "start: 2026-03-03T00:00:00.000000Z, stop: 2026-03-04T00:00:00.000000Z)",
            "start: 2026-03-04T00:00:00.000000Z, stop: 2026-03-04T22:00:00.000000Z)",
        ]
        assert len(files) == 2, "of two days there is nothing"

    def test_what_was_interrupted_goes_on_where_it_was(
        self, influx: StubInflux, pages: InfluxPages
    ) -> None:
        influx.fails = 1
        with pytest.raises(MeterFileError, match=r"^127\.0\.0\.1: "):
            pages.fetch(query(influx))
        pages.fetch(query(influx))
        asked = len(influx.asked)

        pages.fetch(query(influx))

        assert (asked, len(influx.asked)) == (5, 5), "the one that was cut off, and each once"

    def test_when_it_is_imported_it_is_asked_for_again(
        self, influx: StubInflux, pages: InfluxPages
    ) -> None:
        pages.fetch(query(influx))
        pages.forget(query(influx))

        pages.fetch(query(influx))

        assert len(influx.asked) == 8


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        ("changed", "problem"),
        [
            ({"token": SecretStr("another")}, "127.0.0.1 answers 401: "),
            ({"org": "other"}, "127.0.0.1 answers 404: "),
        ],
    )
    def test_what_the_server_answers_is_said(
        self, influx: StubInflux, pages: InfluxPages, changed: dict[str, Any], problem: str
    ) -> None:
        with pytest.raises(MeterFileError) as raised:
            pages.fetch(query(influx, **changed))

        assert str(raised.value).startswith(problem)
        assert TOKEN not in str(raised.value)

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (NAMES.replace(",quantity", ",room"), 'set(key: "quantity", value: "…")'),
            ("error,reference\nfailed to run: no such bucket,\n", "the query fails: failed to run"),
            ("<html>\n<p>,</p>\n", "the query gives no column 'start'"),
        ],
    )
    def test_what_the_query_gives_is_looked_at(
        self, influx: StubInflux, pages: InfluxPages, content: str, problem: str
    ) -> None:
        influx.answers["2026-03-01"] = content

        with pytest.raises(MeterFileError) as raised:
            pages.fetch(query(influx))

        assert problem in str(raised.value)

    @pytest.mark.parametrize(
        ("changed", "problem"),
        [
            ({"url": "influx.example"}, "is no URL"),
            ({"url": "http://influx.example"}, "plain http is for this machine only"),
            ({"flux": 'from(bucket: "b")'}, "does not say its time"),
        ],
    )
    def test_what_cannot_be_asked_is_refused(
        self, influx: StubInflux, changed: dict[str, Any], problem: str
    ) -> None:
        with pytest.raises(MeterFileError, match=problem):
            query(influx, **changed)
