"""The embedded VTN: roles, visibility, conflicts, filters, pages, problems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from app.vtn import EmbeddedCredentials, EmbeddedVtn, VtnStartError
from tests.support.callers import Caller
from tests.support.servers import free_port


def ven_request(name: str) -> dict[str, Any]:
    return {"objectType": "VEN_VEN_REQUEST", "venName": name}


def resource_request(ven_id: str, name: str) -> dict[str, Any]:
    return {"objectType": "VEN_RESOURCE_REQUEST", "venID": ven_id, "resourceName": name}


def test_an_empty_start_asks_for_readings(ven: Caller) -> None:
    (program,) = ven("GET", "/programs").json()
    (event,) = ven("GET", "/events").json()

    assert event["programID"] == program["id"]
    assert "targets" not in event
    assert event["reportDescriptors"] == [
        {
            "payloadType": "READING",
            "frequency": 0,
            "repeat": -1,
            "reportIntervals": "OPEN_INTERVALS",
        }
    ]


def test_its_state_outlives_it(vtn: EmbeddedVtn, ven: Caller, tmp_path: Path) -> None:
    made = ven("POST", "/vens", ven_request("A")).json()
    vtn.close()

    again = EmbeddedVtn(directory=tmp_path / "data" / "vtn", port=vtn.port)
    again.start()

    assert again.store.get("VEN", made["id"]) == made
    assert len(again.store.select("PROGRAM")) == 1
    again.close()


def test_credentials_are_private_and_stay(secrets: EmbeddedCredentials, tmp_path: Path) -> None:
    path = tmp_path / "data" / "vtn" / "credentials.json"

    assert path.stat().st_mode & 0o777 == 0o600
    assert EmbeddedCredentials.of(path.parent) == secrets
    assert secrets.ven_secret not in repr(secrets)


def test_damaged_credentials_are_named(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{}")

    with pytest.raises(ValueError, match=r"credentials\.json is damaged"):
        EmbeddedCredentials.of(tmp_path)


def test_a_port_in_use_is_named(vtn: EmbeddedVtn, tmp_path: Path) -> None:
    port = vtn.port

    with pytest.raises(VtnStartError, match=f":{port}: Address already in use.*VTN__EMBEDDED_PORT"):
        EmbeddedVtn(directory=tmp_path / "other", port=port).start()


@pytest.mark.parametrize("name", ["credentials.json", "vtn.db"])
def test_a_state_that_is_damaged_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious, " * 1000)

    with pytest.raises(VtnStartError, match="the embedded VTN's state"):
        EmbeddedVtn(directory=tmp_path, port=free_port()).start()


def test_a_ven_grants_itself_no_targets(ven: Caller) -> None:
    made = ven("POST", "/vens", {**ven_request("A"), "targets": ["group-1"]}).json()

    assert "targets" not in made


def test_business_logic_names_the_client_of_a_ven(bl: Caller) -> None:
    answer = bl("POST", "/vens", {"objectType": "BL_VEN_REQUEST", "venName": "A"})

    assert (answer.status_code, answer.json()["detail"]) == (400, "clientID: Field required")


def test_starting_and_closing_twice_is_harmless(vtn: EmbeddedVtn) -> None:
    vtn.start()
    vtn.close()
    vtn.close()


def test_tokens_name_their_scopes(bl: Caller, ven: Caller) -> None:
    assert "write_reports" in ven.granted["scope"]
    assert "write_events" in bl.granted["scope"]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "client_credentials", "client_id": "a"}, 401, "invalid_client"),
        ({"grant_type": "password", "client_id": "a"}, 400, "unsupported_grant_type"),
    ],
)
def test_wrong_credentials_get_no_token(
    vtn: EmbeddedVtn, form: dict[str, str], status: int, error: str
) -> None:
    answer = requests.post(f"{vtn.base_url}/auth/token", data=form, timeout=5)

    assert (answer.status_code, answer.json()) == (status, {"error": error})
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_answer_with_a_token_is_kept_nowhere(ven: Caller) -> None:
    headers = ven.token_headers

    assert (headers["Cache-Control"], headers["Pragma"]) == ("no-store", "no-cache")


def test_without_a_token_there_is_nothing(vtn: EmbeddedVtn) -> None:
    answer = requests.get(f"{vtn.base_url}/programs", timeout=5)

    assert answer.status_code == 401
    assert answer.json()["status"] == 401


def test_each_ven_sees_only_its_own(ven: Caller, other: Caller, bl: Caller) -> None:
    mine = ven("POST", "/vens", ven_request("A")).json()
    resource = ven("POST", "/resources", resource_request(mine["id"], "r")).json()

    assert mine["clientID"] == resource["clientID"] == "client-a"
    assert [each["id"] for each in ven("GET", "/vens").json()] == [mine["id"]]
    assert other("GET", "/vens").json() == other("GET", "/resources").json() == []
    assert other("GET", f"/vens/{mine['id']}").status_code == 404
    assert other("POST", "/resources", resource_request(mine["id"], "x")).status_code == 404
    assert len(bl("GET", "/vens").json()) == 1


def test_conflicts(ven: Caller, other: Caller) -> None:
    mine = ven("POST", "/vens", ven_request("A")).json()
    ven("POST", "/resources", resource_request(mine["id"], "r"))

    assert ven("POST", "/vens", ven_request("B")).status_code == 409, "one ven object per client"
    assert other("POST", "/vens", ven_request("A")).status_code == 409, "names are unique"
    assert ven("POST", "/resources", resource_request(mine["id"], "r")).status_code == 409
    report = {"eventID": "gone", "clientName": "A", "resources": []}
    assert ven("POST", "/reports", report).status_code == 409


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/events", {"programID": "p"}, 403),
        ("/programs", {"programName": "p"}, 403),
        ("/vens", {"objectType": "BL_VEN_REQUEST", "venName": "A", "clientID": "x"}, 400),
        ("/vens", {"objectType": "VEN_VEN_REQUEST"}, 400),
        ("/vens", [], 400),
        ("/nothing", {}, 404),
    ],
)
def test_what_a_ven_may_not_write(ven: Caller, path: str, body: Any, status: int) -> None:
    answer = ven("POST", path, body)

    assert answer.status_code == status
    assert answer.json()["title"]


def test_business_logic_writes_no_reports(bl: Caller) -> None:
    report = {"eventID": "e", "clientName": "A", "resources": []}

    assert bl("POST", "/reports", report).status_code == 403


def test_targets_decide_who_sees_an_event(ven: Caller, other: Caller, bl: Caller) -> None:
    (program,) = bl("GET", "/programs").json()
    mine = ven("POST", "/vens", ven_request("A")).json()
    body = {"programID": program["id"], "targets": ["group-1"]}
    event = bl("POST", "/events", body).json()
    assert ven("GET", f"/events/{event['id']}").status_code == 404

    granted = {
        "objectType": "BL_VEN_REQUEST",
        "venName": "A",
        "clientID": "client-a",
        "targets": ["group-1"],
    }
    assert bl("PUT", f"/vens/{mine['id']}", granted).json()["targets"] == ["group-1"]

    assert ven("GET", f"/events/{event['id']}").json() == event
    assert event in ven("GET", "/events", targets=["group-1", "x"]).json()
    assert event not in other("GET", "/events").json()
    assert ven("PUT", f"/vens/{mine['id']}", ven_request("A")).json()["targets"] == ["group-1"]


def test_pages_and_filters(ven: Caller, bl: Caller) -> None:
    mine = ven("POST", "/vens", ven_request("A")).json()
    for number in range(60):
        ven("POST", "/resources", resource_request(mine["id"], f"r{number}"))

    first = ven("GET", "/resources", venID=mine["id"]).json()
    second = ven("GET", "/resources", venID=mine["id"], skip=50, limit=50).json()

    assert [each["resourceName"] for each in first + second] == [f"r{n}" for n in range(60)]
    assert len(ven("GET", "/resources", resourceName="r7").json()) == 1
    assert ven("GET", "/resources", limit=51).status_code == 400
    assert ven("GET", "/resources", skip=-1).status_code == 400
    assert ven("GET", "/resources", limit=0).json() == []
    assert bl("GET", "/vens", venName="B").json() == []


def test_events_change_and_go(ven: Caller, bl: Caller) -> None:
    (event,) = bl("GET", "/events").json()
    changed = bl("PUT", f"/events/{event['id']}", {"programID": event["programID"], "priority": 1})

    assert changed.json()["priority"] == 1
    assert changed.json()["createdDateTime"] == event["createdDateTime"]
    assert ven("DELETE", f"/events/{event['id']}").status_code == 403
    assert bl("DELETE", f"/events/{event['id']}").json()["id"] == event["id"]
    assert ven("GET", f"/events/{event['id']}").status_code == 404


def test_a_body_that_is_no_json_is_a_problem(vtn: EmbeddedVtn, ven: Caller) -> None:
    answer = requests.post(
        f"{vtn.base_url}/vens",
        data=b"{",
        headers={"Authorization": f"Bearer {ven.granted['access_token']}"},
        timeout=5,
    )

    assert (answer.status_code, answer.json()["detail"]) == (400, "the body is not JSON")
