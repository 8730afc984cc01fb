"""What writes to InfluxDB writes here: by whom, in which form, and what is answered."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from app.intake.http.influx import influx_error
from app.intake.http.refused_tokens import SAID_EVERY_S
from app.intake.http.turns import MAX_BODIES
from app.intake.line_protocol import MAX_LINES
from app.platform import to_us
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.intake import TOKEN, IntakeBench, prepare
from tests.support.servers import free_port

INFLUX_TOKEN = "a-token-of-telegraf"
SOURCES = """
[[source]]
name = "plant"
type = "influx"
token_file = "influx.token"
[[source.measurements]]
measurement = "power"
device = "host"
field = "w"
quantity = "POWER"
unit = "W"
[[source]]
name = "posting"
type = "http"
token_file = "plant.token"
"""


class Writer:
    """Writes lines, as a client of InfluxDB does."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def write(
        self,
        body: bytes | str,
        path: str = "/api/v2/write?org=a&bucket=b",
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        known = {"Authorization": f"Token {INFLUX_TOKEN}"}
        return requests.post(
            self.url + path, data=body, headers={**known, **(headers or {})}, timeout=30
        )


@pytest.fixture
def bench(make_container: MakeContainer, clock: FakeClock) -> IntakeBench:
    made = IntakeBench(make_container, clock, intake={"port": free_port()})
    prepare(made.container, Path())
    Path("sources.toml").write_text(SOURCES)
    token = Path("influx.token")
    token.write_text(INFLUX_TOKEN)
    token.chmod(0o600)
    return made


@pytest.fixture
def writer(bench: IntakeBench) -> Iterator[Writer]:
    server = bench.container.intake.server()
    server.start()
    yield Writer(int(bench.container.settings().intake.port or 0))
    server.close()


def line(bench: IntakeBench, watts: float, *, device: str = "d-1", seconds: int = 0) -> str:
    at_ns = (to_us(bench.clock() - timedelta(minutes=5)) + seconds * 1_000_000) * 1_000
    return f"power,host={device} w={watts} {at_ns}\n"


class TestWhatIsTaken:
    @pytest.mark.parametrize("path", ["/write?db=a", "/api/v2/write?org=a&bucket=b"])
    def test_lines_are_known_when_they_are_answered(
        self, bench: IntakeBench, writer: Writer, path: str
    ) -> None:
        answer = writer.write(line(bench, 1500), path)

        assert (answer.status_code, answer.content) == (204, b"")
        ((resource, start, end, kw),) = bench.values()
        assert (resource, end - start, kw) == ("hall", timedelta(0), 1.5)

    def test_those_that_are_written_again_are_not_doubled(
        self, bench: IntakeBench, writer: Writer
    ) -> None:
        for _ in range(2):
            assert writer.write(line(bench, 1500)).status_code == 204

        assert len(bench.values()) == 1

    def test_gzip(self, bench: IntakeBench, writer: Writer) -> None:
        body = gzip.compress(line(bench, 1500).encode())

        answer = writer.write(body, headers={"Content-Encoding": "gzip"})

        assert answer.status_code == 204
        assert len(bench.values()) == 1

    def test_nothing_is_answered_as_all_is_well(self, writer: Writer) -> None:
        """Home Assistant writes nothing, to see whether it can."""
        assert writer.write("").status_code == 204

    def test_wrong_lines_are_named_and_the_others_taken(
        self, bench: IntakeBench, writer: Writer
    ) -> None:
        answer = writer.write(line(bench, 1) + "power,host=d-1 w=\n" + line(bench, 2, seconds=1))

        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid"
        assert answer.json()["message"] == (
            "partial write: unable to parse line 2: 'power,host=d-1 w=':"
            " Failed to parse value of field."
        )
        assert len(bench.values()) == 2

    def test_a_device_that_nobody_has_is_counted_and_said_once(
        self, bench: IntakeBench, writer: Writer, caplog: pytest.LogCaptureFixture
    ) -> None:
        for seconds in range(3):
            assert writer.write(line(bench, 1, device="d-9", seconds=seconds)).status_code == 204

        said = "source plant: line 1: no resource has the meter 'd-9' of source 'plant'"
        assert [each.getMessage() for each in caplog.records].count(said) == 1
        assert bench.container.intake.stats().of("plant").refused == 3


class TestWhoWrites:
    @pytest.mark.parametrize(
        "authorization",
        [
            f"Token {INFLUX_TOKEN}",
            f"Bearer {INFLUX_TOKEN}",
            f"Basic {base64.b64encode(f'anybody:{INFLUX_TOKEN}'.encode()).decode()}",
        ],
    )
    def test_the_token_of_the_source(
        self, bench: IntakeBench, writer: Writer, authorization: str
    ) -> None:
        answer = writer.write(line(bench, 1), headers={"Authorization": authorization})

        assert answer.status_code == 204

    def test_its_token_as_the_password_in_the_address(
        self, bench: IntakeBench, writer: Writer
    ) -> None:
        """As clients of InfluxDB 1 may write it."""
        path = f"/write?db=a&u=anybody&p={INFLUX_TOKEN}"

        answer = writer.write(line(bench, 1), path, headers={"Authorization": ""})

        assert answer.status_code == 204

    @pytest.mark.parametrize(
        "authorization",
        ["", "Token another", f"Token {TOKEN}", "Basic ?", "Basic YTpi", INFLUX_TOKEN],
    )
    def test_nobody_else(self, bench: IntakeBench, writer: Writer, authorization: str) -> None:
        answer = writer.write(line(bench, 1), headers={"Authorization": authorization})

        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert bench.values() == []

    def test_its_token_is_for_writing_only(self, writer: Writer) -> None:
        headers = {"Authorization": f"Bearer {INFLUX_TOKEN}"}

        answer = requests.post(f"{writer.url}/readings", headers=headers, timeout=30)

        assert answer.status_code == 401


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        ("body", "path", "encoding", "status"),
        [
            (b"\xff\xff", "/write", "", 400),
            (b"power,host=a w=1", "/write?precision=days", "", 400),
            (b"no gzip", "/write", "gzip", 400),
            (b"x", "/write", "br", 415),
            (b"\n" * (MAX_LINES + 1), "/write", "", 413),
        ],
    )
    def test_it_is_an_error_as_influxdb_writes_it(
        self, writer: Writer, body: bytes, path: str, encoding: str, status: int
    ) -> None:
        answer = writer.write(body, path, headers={"Content-Encoding": encoding})

        assert answer.status_code == status
        assert answer.json()["error"] == answer.json()["message"]


class TestWhatClientsAskFirst:
    def test_whether_it_is_there(self, writer: Writer) -> None:
        ping = requests.get(f"{writer.url}/ping", timeout=30)
        health = requests.get(f"{writer.url}/health", timeout=30)

        assert (ping.status_code, health.json()["status"]) == (204, "pass")

    def test_to_make_a_database(self, writer: Writer) -> None:
        """As Telegraf does, unless it is told otherwise."""
        answer = writer.write("", '/query?q=CREATE DATABASE "telegraf"')

        assert answer.json() == {"results": [{"statement_id": 0}]}

    def test_but_not_for_data(self, writer: Writer) -> None:
        answer = writer.write("q=SELECT+*+FROM+power", "/query")

        assert answer.status_code == 400


class TestManyAtOnce:
    def test_who_comes_at_the_same_moment_waits_for_his_turn(
        self, bench: IntakeBench, writer: Writer
    ) -> None:
        """Telegraf's output for InfluxDB 1 throws away what is answered with 4xx."""
        lines = [line(bench, number, seconds=number) for number in range(2 * MAX_BODIES)]

        with ThreadPoolExecutor(len(lines)) as pool:
            answers = list(pool.map(writer.write, lines))

        assert {answer.status_code for answer in answers} == {204}
        assert len(bench.values()) == len(lines)

    def test_beyond_that_it_is_a_trouble_of_ours(self) -> None:
        answer = influx_error(429, "too many requests at a time", {"Retry-After": "5"})

        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"


def test_who_is_not_let_in_is_said_on_our_side_too(
    bench: IntakeBench, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    """Some clients say nothing of it themselves."""
    for _ in range(3):
        assert writer.write("", headers={"Authorization": "Token another"}).status_code == 401

    assert caplog.messages == [
        "POST /api/v2/write from 127.0.0.1 is not let in: the token is that of no source of type"
        " influx"
    ]
    assert bench.container.intake.stats().without_token == 3

    bench.clock.advance(seconds=SAID_EVERY_S)
    writer.write("", headers={"Authorization": "Token another"})

    assert caplog.messages[1].endswith("; 2 others since the last such line")
