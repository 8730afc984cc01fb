"""A fleet in two processes behind its gateway: one page, one place for readings, one of metrics."""

from __future__ import annotations

import http.client
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from app.platform import shard_of
from tests.e2e.conftest import CUT_VENS as VENS
from tests.e2e.conftest import MakeCutFleet, MakeVtn, Open
from tests.support.certificates import Certificate
from tests.support.cut_fleet import CutFleet
from tests.support.postgres import Postgres
from tests.support.servers import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.rest


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def fleet(lasting_fleet: CutFleet) -> CutFleet:
    return lasting_fleet


def test_the_fleet_is_in_both_shards() -> None:
    assert {shard_of(name, 2) for name in VENS} == {0, 1}


class TestReadings:
    def test_a_batch_over_both_shards_is_taken_and_repeated(self, fleet: CutFleet) -> None:
        at = now() - timedelta(minutes=1)

        first, again = (fleet.post(*VENS, at=at) for _ in range(2))

        assert (first.status_code, first.json()["taken"]) == (200, 4)
        assert (again.status_code, again.json()["repeated"]) == (200, 4)

    def test_what_nobody_has_is_named_where_it_stands(self, fleet: CutFleet) -> None:
        answer = fleet.post("Aarhus", "Odense", at=now() - timedelta(minutes=2)).json()

        assert answer["taken"] == 1
        assert [each["index"] for each in answer["refused"]] == [1]
        assert "no resource has the meter 'of Odense'" in answer["refused"][0]["reason"]
        unknown = fleet.start("readings", "unknown")
        assert unknown.join() == 0
        assert "of Odense" in unknown.output

    def test_gaps_are_those_of_all_vens(self, fleet: CutFleet) -> None:
        day = now() - timedelta(days=10)

        assert [gap["ven_name"] for gap in fleet.gaps(day, day + timedelta(hours=1))] == list(VENS)

    def test_a_wrong_token_is_answered_by_the_gateway(self, fleet: CutFleet) -> None:
        url = f"http://127.0.0.1:{fleet.intake_port}/readings"

        assert requests.post(url, json={"readings": []}, timeout=10).status_code == 401


class TestMetrics:
    def test_are_those_of_both_shards(self, fleet: CutFleet) -> None:
        assert fleet.metric("ven_shard_up") == {"0": 1.0, "1": 1.0}
        wait_until(lambda: set(fleet.metric("ven_power_kilowatts")) == {"0", "1"})
        assert set(fleet.metric("process_cpu_seconds_total")) == {"0", "1", "gateway"}

    def test_health_is_that_of_both_shards(self, fleet: CutFleet) -> None:
        found = fleet.readyz()

        assert [each["vens"] for each in found["shards"]] == [
            sum(shard_of(name, 2) == number for name in VENS) for number in range(2)
        ]


class TestAnOwnerThatIsGone:
    @pytest.fixture(params=["sqlite", "postgresql"])
    def fleet(self, request: pytest.FixtureRequest, make_fleet: MakeCutFleet) -> CutFleet:
        if request.param == "sqlite":
            return make_fleet()
        server: Postgres = request.getfixturevalue("postgres")
        return make_fleet(DATABASE__URL=server.make_database())

    def test_loses_and_doubles_nothing(self, fleet: CutFleet) -> None:
        """Given a batch over both shards; when the owner of one is killed; then it is to be handed
        in again, what the other has is taken meanwhile, and in the end each value is there once."""
        at = now() - timedelta(minutes=5)
        here, away = fleet.ven_in(0), fleet.ven_in(1)
        taken = fleet.post(*VENS, at=at)
        assert taken.status_code == 200, taken.text
        fleet.kill(1)

        refused = fleet.post(*VENS, at=at + timedelta(minutes=1))
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert "shard 1" in refused.json()["detail"]
        assert fleet.post(here, at=at + timedelta(minutes=2)).json()["taken"] == 1
        wait_until(lambda: fleet.metric("ven_shard_up") == {"0": 1.0, "1": 0.0})
        fleet.gateway.wait_for("WARNING shard 1 ")  # or it would not say that it answers again
        fleet.revive(1)
        fleet.gateway.wait_for("shard 1 answers")

        again = fleet.post(*VENS, at=at + timedelta(minutes=1)).json()
        in_shard_0 = sum(shard_of(name, 2) == 0 for name in VENS)
        assert (again["taken"], again["repeated"]) == (len(VENS) - in_shard_0, in_shard_0)
        assert fleet.post(away, at=at + timedelta(minutes=2)).json()["taken"] == 1
        stored = fleet.exported()
        assert len(stored) == 2 * len(VENS) + 2

    def test_is_followed_by_its_standby(self, fleet: CutFleet) -> None:
        standby = fleet.run(1)
        standby.wait_for("this process waits")
        fleet.kill(1)

        wait_until(lambda: fleet.post(fleet.ven_in(1), at=now()).status_code == 200, timeout_s=15)

        wait_until(lambda: fleet.readyz()["shards"][1]["epoch"] == 2)
        standby.kill()


class TestBetweenMachines:
    """At a name that is not that of this machine alone: by TLS, with a token that is given."""

    @pytest.fixture
    def secured(self, certificate: Certificate) -> dict[str, str]:
        return {
            "GATEWAY__HOST": "127.1",
            "GATEWAY__TOKEN": "a-token-of-the-gateway",
            "GATEWAY__CERTIFICATE": str(certificate.certificate),
            "GATEWAY__KEY": str(certificate.key),
        }

    def test_readings_and_pages_are_handed_on(
        self,
        make_fleet: MakeCutFleet,
        secured: dict[str, str],
        certificate: Certificate,
        window: Open,
    ) -> None:
        fleet = make_fleet(**secured, GATEWAY__CA=str(certificate.certificate))

        assert fleet.post(*VENS, at=now()).status_code == 200
        fleet.wait_for_pages()
        page = window(fleet)
        page.look_at(f"/vens/{fleet.ven_in(1)}")
        page.row("model").wait_for()
        assert page.complaints == []

    def test_an_owner_whose_certificate_nobody_signed_is_not_asked(
        self, make_fleet: MakeCutFleet, secured: dict[str, str]
    ) -> None:
        fleet = make_fleet(**secured)

        answer = fleet.post("Aarhus", at=now())

        assert answer.status_code == 503
        assert "does not answer" in answer.json()["detail"]

    def test_a_gateway_with_another_token_is_not_let_in(
        self, make_fleet: MakeCutFleet, secured: dict[str, str], certificate: Certificate
    ) -> None:
        fleet = make_fleet(**secured, GATEWAY__CA=str(certificate.certificate))
        assert fleet.gateway.stop() == 0
        fleet.gateway = fleet.start("gateway", GATEWAY__TOKEN="another-token-than-theirs")
        fleet.gateway.wait_for("readings are taken at")

        answer = fleet.post("Aarhus", at=now())

        assert answer.status_code == 503
        assert "another GATEWAY__TOKEN" in answer.json()["detail"]


def test_the_vtn_calls_each_ven_through_the_gateway(
    make_vtn: MakeVtn, tmp_path: Path, certificate: Certificate
) -> None:
    vtn, secret = make_vtn()
    port = free_port()
    settings = {
        "CALLBACK__PUBLIC_URL": f"https://127.0.0.1:{port}/hooks",
        "CALLBACK__PORT": str(port),
        "CALLBACK__CERTIFICATE": str(certificate.certificate),
        "CALLBACK__KEY": str(certificate.key),
    }
    fleet = CutFleet(tmp_path, vtn, secret, vens=VENS, settings=settings)

    def pushed() -> list[int]:
        """For how many VENs of each shard push works."""
        found = []
        for number in range(2):
            page: Any = requests.get(f"{fleet.base_url}/shards/{number}/readyz", timeout=10)
            found.append(page.json()["push"]["vens"])
        return found

    def called(path: str) -> int:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port, context=ssl.create_default_context(cafile=certificate.certificate)
        )
        connection.putrequest("GET", path)
        connection.endheaders()
        status = connection.getresponse().status
        connection.close()
        return status

    try:
        wait_until(lambda: sum(pushed()) == len(VENS), timeout_s=40, otherwise=lambda: fleet.log)
        assert all(pushed())
        assert [called(path) for path in ("/0/..", "/0/x", "/7/x", "/hooks/0/%2e%2e")] == [404] * 4
    finally:
        fleet.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"FLEET__SHARDS": "1"}, "FLEET__SHARDS: is 1"),
        ({"FLEET__SHARDS": "4"}, "FLEET__SHARDS: is 4, and the fleet in "),
    ],
)
def test_a_gateway_of_another_fleet_does_not_begin(
    fleet: CutFleet, settings: dict[str, str], words: str
) -> None:
    gateway = fleet.start("gateway", **settings)

    assert gateway.join() == 2
    assert words in gateway.log


def test_a_gateway_whose_sources_are_wrong_does_not_begin(fleet: CutFleet) -> None:
    gateway = fleet.start("gateway", SOURCES_FILE="none.toml")

    assert gateway.join() == 2
    assert "none.toml cannot be read" in gateway.log
    assert "is at" not in gateway.log


def test_a_gateway_of_before_a_reshard_refuses_nothing(make_fleet: MakeCutFleet) -> None:
    """Given a gateway that goes on while the fleet is cut into more; then it takes nothing until it
    is started again: what it does not know is no meter that nobody has."""
    fleet = make_fleet()
    for process in fleet.processes:
        assert process.stop() == 0
    assert fleet.start("reshard", "4").join() == 0
    fleet.processes = [fleet.run(number, FLEET__SHARDS="4") for number in range(4)]
    for process in fleet.processes:
        process.wait_for("schedule:")

    refused = fleet.post(*VENS, at=now())

    assert refused.status_code == 503
    assert "has 4 shards: set FLEET__SHARDS=4" in refused.json()["detail"]
    assert fleet.readyz()["ready"] is False
    assert fleet.gateway.stop() == 0
    fleet.gateway = fleet.start("gateway", FLEET__SHARDS="4")
    fleet.gateway.wait_for("readings are taken at")
    assert fleet.post(*VENS, at=now()).json()["taken"] == len(VENS)
