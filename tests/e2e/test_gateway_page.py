"""The page of a fleet in two shards, and what it does not open."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest
import requests

from tests.e2e.conftest import MakeCutFleet, Open
from tests.support.cut_fleet import CutFleet
from tests.support.waiting import wait_until

pytestmark = pytest.mark.rest


@pytest.fixture(scope="module")
def fleet(lasting_fleet: CutFleet) -> CutFleet:
    lasting_fleet.wait_for_pages()
    return lasting_fleet


def said_raw(base_url: str, path: str, method: str = "POST") -> int:
    """The status of an answer to exactly this path."""
    parts = urlsplit(base_url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    connection.putrequest(method, path)
    connection.putheader("Content-Length", "2")
    connection.endheaders(b"{}")
    status = connection.getresponse().status
    connection.close()
    return status


class TestThePage:
    def test_shows_all_shards_and_their_power(self, fleet: CutFleet, window: Open) -> None:
        page = window(fleet)

        page.look_at("/")

        wait_until(lambda: page.figure("shards run") == "2 of 2")
        assert page.figure("VENs") == "4"
        assert page.cell("HEAT_PUMP", "power").endswith("kW")
        assert page.barriers() == []
        page.shoot("shards")
        assert page.complaints == []

    def test_opens_a_ven_in_whatever_shard_it_is_and_changes_it(
        self, fleet: CutFleet, window: Open
    ) -> None:
        page = window(fleet)
        name = fleet.ven_in(1)
        page.look_at("/")

        page.page.get_by_label("Name of a VEN").fill(name)
        page.press("Open")
        page.row("model").wait_for()
        page.page.get_by_role("button", name="Suspend model").click()

        wait_until(lambda: page.cell("model", "status") == "SUSPENDED")
        assert page.page.url.endswith(f"/shards/1/vens/{name}")
        assert page.complaints == []

    def test_goes_through_the_views_of_a_shard_and_back(
        self, fleet: CutFleet, window: Open
    ) -> None:
        page = window(fleet)
        page.look_at("/")

        page.page.get_by_role("link", name="shard 0").click()
        for view in ("Events", "Tasks", "Sources", "Orders", "Delivery", "Wiring"):
            page.page.get_by_role("link", name=view, exact=True).click()
            page.page.get_by_role("heading", name=view, exact=True).wait_for()
        page.page.get_by_role("link", name="All shards").click()

        page.page.get_by_role("heading", name="Shards").wait_for()
        assert page.complaints == []

    def test_no_other_site_may_ask(self, fleet: CutFleet) -> None:
        for path in ("/", "/shards/0/", "/metrics"):
            answer = requests.get(
                fleet.base_url + path, headers={"Host": "elsewhere.example"}, timeout=10
            )
            assert answer.status_code == 421

    @pytest.mark.parametrize(
        "path", ["/shards/2/", "/shards/x/", "/shards/-1/", f"/shards/{'9' * 5000}/"]
    )
    def test_a_shard_that_is_none_is_not_found(self, fleet: CutFleet, path: str) -> None:
        assert requests.get(fleet.base_url + path, timeout=10).status_code == 404


class TestWhatThePageDoesNotOpen:
    """Whoever sees the page has no token of a source or an actuator."""

    @pytest.mark.parametrize(
        "path",
        [
            "/shards/0/intake/measurements",
            "/shards/0/../intake/measurements",
            "/shards/0/%2e%2e/intake/measurements",
            "/shards/0/..%2fintake/measurements",
            "/shards/0//intake/measurements",
            "/shards/0/callback/x",
        ],
    )
    def test_readings_and_callbacks(self, fleet: CutFleet, path: str) -> None:
        before = fleet.metric("ven_intake_without_token_total")

        status = said_raw(fleet.base_url, path)

        assert status in (404, 405)
        assert fleet.metric("ven_intake_without_token_total") == before

    def test_what_makes_no_sense_is_no_traceback(self, fleet: CutFleet) -> None:
        assert said_raw(fleet.base_url, "*", method="OPTIONS") in (400, 404, 405)

        assert "Traceback" not in fleet.log

    def test_changes_where_others_reach_it_and_there_is_no_token(
        self, make_fleet: MakeCutFleet, window: Open
    ) -> None:
        fleet = make_fleet()
        fleet.wait_for_pages()
        assert fleet.gateway.stop() == 0
        fleet.gateway = fleet.start("gateway", OPS__NAMES="fleet.example.com")
        fleet.gateway.wait_for("readings are taken at")
        page = window(fleet)
        page.look_at(f"/vens/{fleet.ven_in(0)}")
        page.row("model").wait_for()

        page.page.get_by_role("button", name="Suspend model").click()

        page.page.get_by_text("Nothing can be changed from here: set OPS__TOKEN").wait_for()
