"""One VEN's view of its VTN: pages, odd objects, and what a listing leaves out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.openadr import (
    Dialect310,
    Event,
    OutcomeUnknown,
    SharedCredentials,
    SharedReadings,
    VtnClient,
    VtnHttp,
    VtnLists,
    VtnUnavailable,
    by_id,
)
from app.platform.log_once import LogOnce
from app.reporting.delivery.locator import ReportLocator, find
from tests.conftest import MakeHttp
from tests.support.servers import Answer, ReceivedRequest, Script, ScriptedVtn

MakeVtn = Callable[[Script], ScriptedVtn]
PROBLEM = {"title": "no", "detail": "it is too late", "status": 400}


def events_of(client: VtnClient) -> dict[str, Event]:
    return by_id(client.events(frozenset(), SharedReadings()))


class TestClient:
    """One VEN's view: pages, odd objects, and what a listing leaves out."""

    def make(self, http: VtnHttp, lists: VtnLists | None = None) -> VtnClient:
        return VtnClient(
            "Aarhus",
            http=http,
            credentials=SharedCredentials("token"),
            dialect=Dialect310(),
            log_once=LogOnce(),
            lists=lists or VtnLists(http),
        )

    def test_all_pages_are_read_and_what_moved_comes_once(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp
    ) -> None:
        vens = [{"id": f"v{number}", "venName": f"n{number}"} for number in range(120)]

        def pages(asked: ReceivedRequest) -> Answer:
            skip = int(asked.query["skip"][0])
            assert asked.query["limit"] == ["50"]
            return Answer(200, vens[max(skip - 1, 0) :][:50])  # one object slips to the next page

        vtn = scripted_vtn(pages)

        names = [ven.ven_name for ven in self.make(make_http(vtn.base_url)).vens()]

        assert names == [f"n{number}" for number in range(120)]
        assert vtn.asked[0].headers["Authorization"] == "Bearer token"

    def limited(self, events: list[str], most: int) -> Script:
        """A VTN that gives fewer entries than are asked for."""

        def answer(asked: ReceivedRequest) -> Answer:
            skip, limit = (int(asked.query[name][0]) for name in ("skip", "limit"))
            page = events[skip : skip + min(limit, most)]
            return Answer(200, [{"id": each, "programID": "p"} for each in page])

        return answer

    @pytest.mark.parametrize("most", [1, 7, 20, 26, 49])
    def test_a_vtn_that_gives_fewer_than_asked_for_is_read_to_its_end(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp, most: int
    ) -> None:
        events = [f"e{number}" for number in range(26)]
        client = self.make(make_http(scripted_vtn(self.limited(events, most)).base_url))

        assert len(events_of(client)) == 26

        events.append("newest")
        for _ in range(10):
            found = events_of(client)
        assert len(found) == 27

    def test_a_list_that_stays_as_it_is_costs_a_tenth_more(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp
    ) -> None:
        vtn = scripted_vtn(self.limited(["e1", "e2", "e3"], 50))
        client = self.make(make_http(vtn.base_url))
        for _ in range(2):
            events_of(client)
        before = len(vtn.asked)

        for _ in range(100):
            events_of(client)

        assert 100 <= len(vtn.asked) - before <= 110

    def test_pages_that_were_cut_once_are_not_the_last(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp
    ) -> None:
        """A VTN that gives twenty at most; of another list it has just twenty."""
        events = [f"e{number}" for number in range(26)]
        vtn = scripted_vtn(self.limited(events, 20))
        client = self.make(make_http(vtn.base_url))
        events_of(client)
        del events[20:]
        before = len(vtn.asked)

        for _ in range(5):
            events_of(client)

        assert len(vtn.asked) - before == 10, "each time it is looked for more"

    def test_a_page_shorter_than_one_before_is_the_last(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp
    ) -> None:
        events = [f"e{number}" for number in range(26)]
        vtn = scripted_vtn(self.limited(events, 20))
        client = self.make(make_http(vtn.base_url))

        events_of(client)

        assert [asked.query["skip"] for asked in vtn.asked] == [["0"], ["20"]]

    def test_a_list_that_has_changed_is_read_on_at_once(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp
    ) -> None:
        events = ["e1", "e2", "e3"]
        vtn = scripted_vtn(self.limited(events, 3))
        client = self.make(make_http(vtn.base_url))
        for _ in range(5):
            events_of(client)

        events.insert(0, "newest")

        assert len(events_of(client)) == 4

    def test_a_report_is_looked_for_to_the_end_of_the_list(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp
    ) -> None:
        """A report that was overlooked would be sent twice."""
        names = [f"r{number}" for number in range(26)]

        def answer(asked: ReceivedRequest) -> Answer:
            skip = int(asked.query["skip"][0])
            page = [{"id": name, "reportName": name} for name in names[skip : skip + 7]]
            return Answer(200, page)

        client = self.make(make_http(scripted_vtn(answer).base_url))
        locator = ReportLocator(
            ven_name="Aarhus", event_id="e", name="r25", body_bytes=1000, reports_before=0
        )

        assert [report.report_id for report in find(client, locator)] == ["r25"]

    def test_a_vtn_that_repeats_one_page_for_ever_is_left(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp
    ) -> None:
        page = [{"id": f"v{number}", "venName": "n"} for number in range(50)]
        vtn = scripted_vtn(lambda _: Answer(200, page))

        assert len(self.make(make_http(vtn.base_url)).vens()) == 50
        assert len(vtn.asked) == 2

    def test_an_event_that_is_gone_is_none(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp
    ) -> None:
        client = self.make(make_http(scripted_vtn(lambda _: Answer(404, PROBLEM)).base_url))

        assert client.event("e1") is None

    def test_a_list_without_content_is_an_empty_one(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp
    ) -> None:
        client = self.make(make_http(scripted_vtn(lambda _: Answer(204, "")).base_url))

        assert events_of(client) == {}
        assert client.vens() == []

    def test_what_is_no_list_is_refused(self, scripted_vtn: MakeVtn, make_http: MakeHttp) -> None:
        client = self.make(make_http(scripted_vtn(lambda _: Answer(200, {"a": 1})).base_url))

        with pytest.raises(VtnUnavailable, match="no list"):
            events_of(client)

    def test_a_creation_without_an_id_is_an_unknown_outcome(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp
    ) -> None:
        client = self.make(make_http(scripted_vtn(lambda _: Answer(201, {})).base_url))

        with pytest.raises(OutcomeUnknown):
            client.create_ven()
