"""The embedded VTN's objects: privacy, scopes, references, searches, in both versions."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from app.vtn import EmbeddedCredentials, EmbeddedVtn
from tests.support.callers import Caller, listed, make_event
from tests.support.servers import free_port


def enrol(ven: Caller, name: str = "A") -> dict[str, Any]:
    return ven.make("/vens", {"objectType": "VEN_VEN_REQUEST", "venName": name})


def grant(bl: Caller, ven: dict[str, Any], *targets: str) -> None:
    body = {
        "objectType": "BL_VEN_REQUEST",
        "venName": ven["venName"],
        "clientID": ven["clientID"],
        "targets": list(targets),
    }
    assert bl("PUT", f"/vens/{ven['id']}", body).status_code == 200


class TestTargets:
    """Definition, Object Privacy."""

    def test_a_search_shows_what_has_targets_only_where_they_are_asked_for(
        self, ven: Caller, bl: Caller
    ) -> None:
        grant(bl, enrol(ven), "a", "b")
        event = make_event(bl, targets=["a"])

        assert event["id"] not in listed(ven, "/events")
        assert listed(ven, "/events", targets=["a"]) == [event["id"]]
        assert listed(ven, "/events", targets=["b"]) == []
        assert ven("GET", f"/events/{event['id']}").status_code == 200

    def test_report_descriptors_for_others_are_not_shown(self, ven: Caller, bl: Caller) -> None:
        grant(bl, enrol(ven), "a")
        wanted = [["a", "b"], ["b"], None]
        event = make_event(
            bl,
            reportDescriptors=[
                {"payloadType": "READING", **({"targets": each} if each else {})} for each in wanted
            ],
        )

        found = ven("GET", f"/events/{event['id']}").json()

        assert [each.get("targets") for each in found["reportDescriptors"]] == [["a"], None]
        assert found in ven("GET", "/events").json(), "a search shows the same"

    def test_of_typed_descriptors_of_3_0_1_only_what_was_granted_is_shown(
        self, ven: Caller, bl: Caller, old_bl: Caller
    ) -> None:
        grant(bl, enrol(ven), "GROUP=mine")
        (program, *_) = bl("GET", "/programs").json()
        descriptors = [
            {"payloadType": "READING", "targets": [{"type": "GROUP", "values": [value]}]}
            for value in ("mine", "theirs")
        ]
        body = {"programID": program["id"], "intervals": [], "reportDescriptors": descriptors}
        event = old_bl.make("/events", body)

        found = ven("GET", f"/events/{event['id']}").json()

        assert [each["targets"] for each in found["reportDescriptors"]] == [["GROUP=mine"]]

    def test_asking_for_targets_that_were_not_granted_shows_nothing(
        self, ven: Caller, bl: Caller
    ) -> None:
        grant(bl, enrol(ven), "a")
        event = make_event(bl, targets=["b"])

        assert listed(ven, "/events", targets=["b"]) == []
        assert ven("GET", f"/events/{event['id']}").status_code == 404

    def test_of_the_targets_only_those_that_were_asked_for_are_shown(
        self, ven: Caller, bl: Caller
    ) -> None:
        grant(bl, enrol(ven), "a", "b")
        event = make_event(bl, targets=["a", "b", "c"])

        (found,) = ven("GET", "/events", targets=["a"]).json()

        assert found["targets"] == ["a"]
        assert ven("GET", f"/events/{event['id']}").json()["targets"] == ["a", "b"]
        assert bl("GET", f"/events/{event['id']}").json()["targets"] == ["a", "b", "c"]

    def test_a_resources_targets_count_too(self, ven: Caller, bl: Caller) -> None:
        mine = enrol(ven)
        body = {"objectType": "BL_RESOURCE_REQUEST", "venID": mine["id"], "clientID": "client-a"}
        bl.make("/resources", {**body, "resourceName": "r", "targets": ["a"]})
        event = make_event(bl, targets=["a"])

        assert listed(ven, "/events", targets=["a"]) == [event["id"]]

    def test_programs_are_hidden_alike(self, ven: Caller, bl: Caller) -> None:
        hidden = bl.make("/programs", {"programName": "hidden", "targets": ["a"]})

        assert hidden["id"] not in listed(ven, "/programs")
        assert hidden["id"] in listed(bl, "/programs")
        subscription = {"clientName": "me", "programID": hidden["id"], "objectOperations": []}
        assert ven("POST", "/subscriptions", subscription).status_code == 409

    def test_what_an_earlier_version_kept_as_targets_and_are_none_does_not_count(
        self, vtn: EmbeddedVtn, bl: Caller, old_bl: Caller
    ) -> None:
        (program,) = bl("GET", "/programs").json()
        odd = {"programID": program["id"], "targets": [{"type": "GROUP"}, 7, None]}
        vtn.store.add("EVENT", odd, parent=program["id"])

        for caller in (bl, old_bl):
            assert len(caller("GET", "/events").json()) == 2

    def test_business_logic_filters_by_targets(self, ven: Caller, bl: Caller) -> None:
        mine = enrol(ven)
        grant(bl, mine, "a")
        event = make_event(bl, targets=["a"])

        assert listed(bl, "/events", targets=["a"]) == [event["id"]]
        assert listed(bl, "/vens", targets=["a"]) == [mine["id"]]
        assert listed(bl, "/vens", targets=["b"]) == []


class TestScopes:
    @pytest.mark.parametrize(
        ("scope", "method", "path", "status"),
        [
            ("read_targets", "GET", "/events", 200),
            ("read_targets", "GET", "/vens", 403),
            ("read_ven_objects", "GET", "/vens", 200),
            ("read_ven_objects", "GET", "/programs", 403),
            ("write_vens", "GET", "/reports", 403),
            ("read_all", "GET", "/vens", 200),
            ("read_all", "GET", "/events", 200),
        ],
    )
    def test_a_token_allows_what_it_was_asked_for(
        self,
        vtn: EmbeddedVtn,
        secrets: EmbeddedCredentials,
        scope: str,
        method: str,
        path: str,
        status: int,
    ) -> None:
        ven = Caller(vtn, "client-a", secrets.ven_secret, scope=scope)

        assert ven(method, path).status_code == status

    def test_a_scope_of_another_role_is_refused(
        self, vtn: EmbeddedVtn, secrets: EmbeddedCredentials
    ) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": "client-a",
            "client_secret": secrets.ven_secret,
            "scope": "write_events",
        }

        answer = requests.post(f"{vtn.base_url}/auth/token", data=form, timeout=5)

        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_scope"})

    def test_credentials_may_be_in_the_header_instead_but_not_in_both(
        self, vtn: EmbeddedVtn, secrets: EmbeddedCredentials
    ) -> None:
        pair = base64.b64encode(f"client-a:{secrets.ven_secret}".encode()).decode()
        form = {"grant_type": "client_credentials"}

        def ask(**more: str) -> int:
            url = f"{vtn.base_url}/auth/token"
            headers = {"Authorization": f"Basic {pair}"}
            return requests.post(url, data={**form, **more}, headers=headers, timeout=5).status_code

        assert ask() == 200
        assert ask(client_id="client-a", client_secret=secrets.ven_secret) == 400


class TestReferences:
    def test_an_event_needs_its_program(self, bl: Caller) -> None:
        assert bl("POST", "/events", {"programID": "gone"}).status_code == 409

    def test_a_report_needs_an_event_that_its_ven_may_see(self, ven: Caller, bl: Caller) -> None:
        event = make_event(bl, targets=["others"])
        report = {"eventID": event["id"], "clientName": "A", "resources": []}

        assert ven("POST", "/reports", report).status_code == 409

    def test_names_are_free_again_after_a_change(self, bl: Caller) -> None:
        first = bl.make("/programs", {"programName": "first"})
        second = bl.make("/programs", {"programName": "second"})

        path = f"/programs/{second['id']}"
        assert bl("PUT", path, {"programName": "first"}).status_code == 409
        assert bl("PUT", f"/programs/{first['id']}", {"programName": "other"}).status_code == 200
        assert bl("PUT", path, {"programName": "first"}).status_code == 200

    def test_a_program_goes_with_its_events_and_a_ven_with_its_resources(
        self, ven: Caller, bl: Caller
    ) -> None:
        program = bl.make("/programs", {"programName": "p"})
        event = bl.make("/events", {"programID": program["id"]})
        mine = enrol(ven)
        form = {"objectType": "VEN_RESOURCE_REQUEST", "venID": mine["id"], "resourceName": "r"}
        resource = ven.make("/resources", form)

        assert bl("DELETE", f"/programs/{program['id']}").status_code == 200
        assert ven("DELETE", f"/vens/{mine['id']}").status_code == 200

        assert bl("GET", f"/events/{event['id']}").status_code == 404
        assert bl("GET", f"/resources/{resource['id']}").status_code == 404

    def test_a_ven_that_gets_another_client_takes_its_resources_along(
        self, ven: Caller, other: Caller, bl: Caller
    ) -> None:
        mine = enrol(ven)
        form = {"objectType": "VEN_RESOURCE_REQUEST", "venID": mine["id"], "resourceName": "r"}
        resource = ven.make("/resources", form)
        body = {"objectType": "BL_VEN_REQUEST", "venName": "A", "clientID": "client-b"}

        assert bl("PUT", f"/vens/{mine['id']}", body).status_code == 200

        assert listed(ven, "/resources") == []
        assert listed(other, "/resources") == [resource["id"]]

    def test_a_report_that_changes_is_found_by_its_program(self, ven: Caller, bl: Caller) -> None:
        event = make_event(bl)
        body = {"eventID": event["id"], "clientName": "A", "resources": []}
        report = ven.make("/reports", body)

        ven("PUT", f"/reports/{report['id']}", {**body, "reportName": "second"})

        query = {"programID": event["programID"], "eventID": event["id"], "clientName": "A"}
        assert listed(bl, "/reports", **query) == [report["id"]]
        assert listed(bl, "/reports", clientName="B") == []


class TestSearches:
    def test_events_that_have_transpired_are_left_out_on_request(self, bl: Caller) -> None:
        def event(begins: timedelta, **fields: Any) -> str:
            start = (datetime.now(UTC) + begins).isoformat()
            period = {"start": start, "duration": "PT1H"}
            interval = {"id": 0, "payloads": [{"type": "SIMPLE", "values": [1]}]}
            body = {"intervalPeriod": period, "intervals": [interval], **fields}
            return str(make_event(bl, **body)["id"])

        over = event(timedelta(hours=-2))
        loops = event(timedelta(hours=-2), duration="P1D")
        now = event(timedelta(minutes=-1))
        comes = event(timedelta(hours=1))

        active = listed(bl, "/events", active="true")

        assert over not in active
        assert {loops, now, comes} <= set(active)
        assert over in listed(bl, "/events", active="false")

    @pytest.mark.parametrize(
        ("path", "query"),
        [
            ("/events", {"active": "perhaps"}),
            ("/events", {"programID": "a b"}),
            ("/events", {"skip": "1.5"}),
            ("/programs", {"targets": [""]}),
            ("/subscriptions", {"objects": ["SOMETHING"]}),
            ("/events/a%20b", {}),
        ],
    )
    def test_what_cannot_be_asked_is_named(
        self, bl: Caller, path: str, query: dict[str, Any]
    ) -> None:
        answer = bl("GET", path, **query)

        assert answer.status_code == 400
        assert answer.json()["detail"]

    def test_other_methods_are_named(self, bl: Caller) -> None:
        answer = bl("DELETE", "/events")

        assert answer.status_code == 405
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


class TestNotifiers:
    """3.1.0, 'Notifications via Additional Protocols', where there is no broker."""

    def test_webhooks_are_there_for_any_token(self, ven: Caller, bl: Caller) -> None:
        assert ven("GET", "/notifiers").json() == bl("GET", "/notifiers").json()
        assert ven("GET", "/notifiers").json() == {"WEBHOOK": True}

    def test_topics_are_not(self, ven: Caller) -> None:
        assert ven("GET", "/notifiers/mqtt/topics/programs").status_code == 404

    @pytest.mark.parametrize("path", ["vens/{}", "vens/{}/resources", "programs"])
    def test_topics_are_for_those_who_may_read_what_they_tell_of(
        self, tmp_path: Path, path: str
    ) -> None:
        server = EmbeddedVtn(
            directory=tmp_path, port=free_port(), broker_url=f"mqtt://127.0.0.1:{free_port()}"
        )
        server.start()
        secret = EmbeddedCredentials.of(tmp_path).ven_secret
        mine = enrol(Caller(server, "client-a", secret))["id"]
        narrow = Caller(server, "client-a", secret, scope="write_vens")
        full = Caller(server, "client-a", secret)

        answers = [
            caller("GET", f"/notifiers/mqtt/topics/{path.format(mine)}").status_code
            for caller in (narrow, full)
        ]

        assert answers == [403, 200]
        server.close()

    def test_3_0_1_has_none_of_it(self, old_ven: Caller) -> None:
        assert old_ven("GET", "/notifiers").status_code == 404
        assert old_ven("GET", "/auth/server").status_code == 404
