"""Measurements that are posted: what is answered, and what is taken when it is answered."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from json import dumps
from typing import Any

import pytest
import requests

from app.intake.http.bodies import MAX_BODY_BYTES, MAX_UNPACKED_BYTES
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.intake import QUARTER, TOKEN, IntakeBench
from tests.support.servers import free_port

CSV_HEAD = "device,start,end,quantity,unit,direction,value\n"


class Client:
    """Who posts, with the token of the source `plant`."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._session = requests.Session()
        self._session.trust_env = False

    def post(
        self,
        content: bytes | str = b"",
        headers: Mapping[str, str | bytes] | None = None,
        *,
        json: Any = None,
    ) -> requests.Response:
        known = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        body = dumps(json) if json is not None else content
        return self._session.post(
            f"{self._url}/readings", data=body, headers={**known, **(headers or {})}, timeout=30
        )

    def get(self, path: str, params: Mapping[str, str] | None = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return self._session.get(self._url + path, params=params, headers=headers, timeout=30)


@contextmanager
def served(bench: IntakeBench) -> Iterator[Client]:
    server = bench.container.intake.server()
    server.start()
    try:
        yield Client(int(bench.container.settings().intake.port or 0))
    finally:
        server.close()


@pytest.fixture
def bench(make_container: MakeContainer, clock: FakeClock) -> IntakeBench:
    return IntakeBench(make_container, clock, intake={"port": free_port()})


@pytest.fixture
def client(bench: IntakeBench) -> Iterator[Client]:
    with served(bench) as client:
        yield client


@pytest.fixture
def hour_ago(clock: FakeClock) -> datetime:
    return clock() - timedelta(hours=1)


def reading(at: datetime, value: Any = 1.5, **fields: Any) -> dict[str, Any]:
    return {
        "device": "d-1",
        "start": at.isoformat(),
        "end": (at + QUARTER).isoformat(),
        "quantity": "ENERGY",
        "unit": "KWH",
        "direction": "IMPORT",
        "value": value,
        **fields,
    }


def post(client: Client, *readings: Any) -> dict[str, Any]:
    answer = client.post(json={"readings": list(readings)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


class TestWhatIsTaken:
    def test_a_reading_is_durable_when_it_is_answered(
        self, bench: IntakeBench, client: Client, hour_ago: datetime
    ) -> None:
        answer = post(client, reading(hour_ago))

        assert answer == {
            "taken": 1,
            "repeated": 0,
            "corrected": 0,
            "late": 0,
            "not_told": 0,
            "refused": [],
            "refused_count": 0,
        }
        assert bench.values() == [("hall", hour_ago, hour_ago + QUARTER, 1.5)]

    def test_who_sends_again_after_a_timeout_doubles_nothing(
        self, bench: IntakeBench, client: Client, hour_ago: datetime
    ) -> None:
        post(client, reading(hour_ago))

        again = post(client, reading(hour_ago))

        assert (again["taken"], again["repeated"]) == (0, 1)
        assert len(bench.values()) == 1

    def test_the_same_energy_in_another_unit_is_the_same(
        self, client: Client, hour_ago: datetime
    ) -> None:
        post(client, reading(hour_ago, 0.063, unit="KWH"))

        assert post(client, reading(hour_ago, 63, unit="WH"))["repeated"] == 1

    def test_good_ones_are_taken_beside_those_that_are_refused(
        self, client: Client, hour_ago: datetime
    ) -> None:
        answer = post(
            client,
            reading(hour_ago),
            reading(hour_ago, device="d-9"),
            reading(hour_ago, True),
            "nothing",
            reading(hour_ago + QUARTER),
        )

        assert (answer["taken"], answer["refused_count"]) == (2, 3)
        assert answer["refused"] == [
            {"index": 1, "reason": "no resource has the meter 'd-9' of source 'plant'"},
            {"index": 2, "reason": "value: 'True' is no number"},
            {"index": 3, "reason": "it is no object"},
        ]

    @pytest.mark.parametrize(
        "fields",
        [
            {"device": None, "meter_point_id": "57131300"},
            {"device": None, "ven_name": "Aarhus", "resource_name": "roof"},
            {"device": "d-2"},
        ],
    )
    def test_a_meter_has_three_names(
        self, bench: IntakeBench, client: Client, hour_ago: datetime, fields: dict[str, Any]
    ) -> None:
        post(client, reading(hour_ago, **fields))

        assert [name for name, *_ in bench.values()] == ["roof"]

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"quantity": "VOLTAGE"}, "quantity: 'VOLTAGE' is none of POWER, ENERGY, REGISTER"),
            ({"unit": "KW"}, "ENERGY is not measured in KW"),
            ({"unit": None}, "there is no unit of ENERGY"),
            (
                {"quantity": "REGISTER", "direction": None},
                "the direction of a REGISTER is IMPORT or EXPORT",
            ),
            ({"direction": "UP"}, "direction: 'UP' is none of IMPORT, EXPORT, NET"),
            ({"start": "2026-06-01T11:00"}, "has no offset, and no time zone is given"),
            ({"start": "yesterday"}, "start: 'yesterday' is no time that can be read"),
            ({"start": "0001-01-01T00:00Z"}, "is no time of a measurement"),
            ({"start": 5}, "start: '5' is no time that can be read"),
            ({"end": "9999-12-31T00:00Z"}, "is no time of a measurement"),
            ({"end": "2026-06-01T10:00Z"}, "it ends before it starts"),
            ({"value": "1e400"}, "value: '1e400' is no number that can be"),
            ({"value": [1]}, "value: '[1]' is no number"),
            ({"value": 10**400}, "value: it is no number that can be"),
            ({"quality": "FINE"}, "quality: 'FINE' is none of OK, ESTIMATED, BAD"),
            ({"device": {"a": 1}}, "a name is a list or an object"),
            ({"device": "a\u0000b"}, "is no text of at most 256 characters"),
            ({"device": None}, "there is no device, no meter_point_id, and no ven_name"),
            ({"device": None, "ven_name": "A"}, "ven_name and resource_name go together"),
            ({"colour": "red"}, "there is no field 'colour'"),
            ({"end": None}, "energy is of an interval: there is no end"),
            ({"end": 0}, "end: '0' is no time that can be read"),
            ({"quality": []}, "quality: '[]' is none of OK"),
            ({"channel": "c" * 65}, "channel: it is longer than 64 characters"),
            ({"meter_point_id": "57131300"}, "a meter has one name"),
            ({"quantity": "REGISTER"}, "a register is read at an instant, and has no end"),
        ],
    )
    def test_what_is_wrong_with_a_reading_is_said(
        self, client: Client, hour_ago: datetime, fields: dict[str, Any], reason: str
    ) -> None:
        answer = client.post(
            content=dumps({"readings": [reading(hour_ago) | fields]}),
            headers={"Content-Type": "application/json"},
        )

        assert (answer.status_code, answer.json()["taken"]) == (200, 0)
        assert reason in answer.json()["refused"][0]["reason"]

    @pytest.mark.parametrize("value", [None, "", "null", "NaN", float("nan"), "unavailable"])
    def test_what_was_not_measured_is_no_zero(
        self, bench: IntakeBench, client: Client, hour_ago: datetime, value: str | float | None
    ) -> None:
        answer = post(client, reading(hour_ago, value))

        assert (answer["taken"], answer["refused_count"]) == (0, 0)
        assert bench.values() == []

    def test_a_million_mistakes_are_counted_and_a_hundred_named(self, client: Client) -> None:
        answer = post(client, *[1] * 150_000)

        assert (len(answer["refused"]), answer["refused_count"]) == (100, 150_000)


class TestForms:
    def test_csv(self, client: Client, hour_ago: datetime) -> None:
        row = ",".join(str(value) for value in reading(hour_ago).values())

        answer = client.post(
            content=CSV_HEAD + row + "\n" + row.replace("1.5", "much") + "\nhalf,a,row\n",
            headers={"Content-Type": "text/csv; charset=utf-8"},
        )

        assert answer.json()["taken"] == 1
        assert [each["index"] for each in answer.json()["refused"]] == [1, 2]

    def test_ndjson(self, client: Client, hour_ago: datetime) -> None:
        lines = [dumps(reading(hour_ago)), "{", dumps(reading(hour_ago + QUARTER))]

        answer = client.post(
            content="\n".join(lines),
            headers={"Content-Type": "application/x-ndjson"},
        )

        assert answer.json()["taken"] == 2
        assert answer.json()["refused"] == [{"index": 1, "reason": "it is no JSON"}]

    def test_gzip_in_several_parts(self, client: Client, hour_ago: datetime) -> None:
        lines = [dumps(reading(hour_ago)), dumps(reading(hour_ago + QUARTER))]
        body = b"".join(gzip.compress(f"{line}\n".encode()) for line in lines)

        answer = client.post(
            body, {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        )

        assert answer.json()["taken"] == 2

    def test_gzip(self, client: Client, hour_ago: datetime) -> None:
        body = gzip.compress(dumps({"readings": [reading(hour_ago)]}).encode())

        answer = client.post(
            content=body,
            headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
        )

        assert answer.json()["taken"] == 1


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        ("body", "headers", "status"),
        [
            (b"{", {}, 400),
            (b"[" * 100_000, {}, 400),
            (b"[]", {}, 422),
            (b'{"readings": 5}', {}, 422),
            (b"device,when\n", {"Content-Type": "text/csv"}, 422),
            (b"\xff\xfe", {"Content-Type": "text/csv"}, 400),
            (b"{}", {"Content-Type": "text/plain"}, 415),
            (b"{}", {"Content-Encoding": "br"}, 415),
            (b"{}", {"Content-Encoding": "gzip"}, 400),
            (gzip.compress(b'{"readings": []}')[:-9], {"Content-Encoding": "gzip"}, 400),
            (
                gzip.compress(b" " * (MAX_UNPACKED_BYTES + 1), 1),
                {"Content-Encoding": "gzip"},
                413,
            ),
            (b" " * (MAX_BODY_BYTES + 1), {}, 413),
            (b'{"readings": [' + b"1," * 200_000 + b"1]}", {}, 413),
        ],
        ids=[
            *("no JSON", "deep", "a list", "no list", "columns", "no text", "form", "encoding"),
            *("no gzip", "cut off", "a bomb", "too large", "too many"),
        ],
    )
    def test_it_is_a_problem_and_nothing_is_taken(
        self,
        bench: IntakeBench,
        client: Client,
        body: bytes,
        headers: dict[str, str],
        status: int,
    ) -> None:
        answer = client.post(content=body, headers={"Content-Type": "application/json", **headers})

        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert answer.json()["detail"]
        assert bench.values() == []

    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer another", f"Basic {TOKEN}", "Bearer ø"]
    )
    def test_who_has_no_token_of_a_source_is_not_let_in(self, client: Client, header: str) -> None:
        answer = client.post(
            json={"readings": []}, headers={"Authorization": header.encode("latin-1")}
        )

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    def test_another_method_is_a_problem_too(self, client: Client) -> None:
        answer = client.get("/readings")

        assert (answer.status_code, answer.json()["title"]) == (405, "Method Not Allowed")

    def test_a_full_store_asks_to_come_later(
        self, make_container: MakeContainer, clock: FakeClock, hour_ago: datetime
    ) -> None:
        bench = IntakeBench(make_container, clock, intake={"max_bytes": 4096, "port": free_port()})
        readings = [
            reading(hour_ago + timedelta(seconds=second), second**0.5, end=None)
            | {"quantity": "POWER", "unit": "KW"}
            for second in range(1000)
        ]
        with served(bench) as client:
            assert client.post(json={"readings": readings}).status_code == 200
            answer = client.post(json={"readings": [reading(hour_ago)]})

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "INTAKE__MAX_BYTES" in answer.json()["detail"]


class TestGaps:
    def test_they_are_of_the_source_that_asks(self, client: Client, hour_ago: datetime) -> None:
        post(client, reading(hour_ago), reading(hour_ago, device="d-2"))

        answer = client.get(
            "/readings/gaps",
            {"from": hour_ago.isoformat(), "to": (hour_ago + 2 * QUARTER).isoformat()},
        )

        gaps = answer.json()["gaps"]
        assert [gap["resource_name"] for gap in gaps] == ["hall", "roof"]
        assert {gap["start"] for gap in gaps} == {"2026-06-01T11:15:00Z"}

    @pytest.mark.parametrize(
        "parameters",
        [
            {},
            {"from": "2026-06-01T00:00Z"},
            {"from": "2026-06-01T00:00", "to": "2026-06-02T00:00Z"},
            {"from": "2026-06-02T00:00Z", "to": "2026-06-01T00:00Z"},
            {"from": "soon", "to": "later"},
        ],
    )
    def test_a_span_that_is_none_is_a_problem(
        self, client: Client, parameters: dict[str, str]
    ) -> None:
        assert client.get("/readings/gaps", parameters).status_code == 422


def test_where_nothing_can_be_posted_the_log_says_who_waits_in_vain(
    make_container: MakeContainer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    bench = IntakeBench(make_container, clock)

    bench.container.intake.server().start()

    assert caplog.messages == ["source plant: nothing can be sent to it: INTAKE__PORT is not set"]
