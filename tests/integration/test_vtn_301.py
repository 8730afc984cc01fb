"""The embedded VTN as it speaks 3.0.1: the same objects under the other base path."""

from __future__ import annotations

from app.vtn import EmbeddedCredentials, EmbeddedVtn
from tests.integration.conftest import BASE_301
from tests.support.callers import Caller, listed, make_event


def test_resources_live_under_their_ven(old_ven: Caller) -> None:
    mine = old_ven.make("/vens", {"venName": "A"})
    path = f"/vens/{mine['id']}/resources"
    resource = old_ven.make(path, {"resourceName": "r"})

    assert "clientID" not in mine
    assert old_ven("GET", path, resourceName="r").json() == [resource]
    changed = old_ven("PUT", f"{path}/{resource['id']}", {"resourceName": "s"}).json()
    assert (changed["resourceName"], changed["venID"]) == ("s", mine["id"])
    assert old_ven("GET", f"/vens/gone/resources/{resource['id']}").status_code == 404
    assert old_ven("DELETE", f"{path}/{resource['id']}").json() == changed
    assert old_ven("GET", path).json() == []
    assert old_ven("GET", "/resources").status_code == 404


def test_a_token_that_may_write_resources_only_changes_and_removes_them(
    vtn: EmbeddedVtn, secrets: EmbeddedCredentials, old_ven: Caller
) -> None:
    ven_id = old_ven.make("/vens", {"venName": "A"})["id"]
    path = f"/vens/{ven_id}/resources"
    made = old_ven.make(path, {"resourceName": "R"})
    writing = Caller(vtn, "client-a", secrets.ven_secret, base=BASE_301, scope="write_vens")

    changed = writing("PUT", f"{path}/{made['id']}", {"resourceName": "S"})
    removed = writing("DELETE", f"{path}/{made['id']}")

    assert (changed.status_code, removed.status_code) == (200, 200)


def test_resources_in_the_ven_itself_are_not_kept(old_ven: Caller) -> None:
    made = old_ven.make("/vens", {"venName": "A", "resources": [{"resourceName": "r"}]})

    assert "resources" not in made
    assert old_ven("GET", f"/vens/{made['id']}/resources").json() == []


def test_business_logic_makes_vens_for_the_clients_named_like_them(
    old_bl: Caller, old_ven: Caller
) -> None:
    made = old_bl.make("/vens", {"venName": "client-a"})
    old_bl.make("/vens", {"venName": "client-b"})

    assert listed(old_ven, "/vens") == [made["id"]]


def test_targets_of_one_version_are_seen_in_the_other(
    bl: Caller, old_bl: Caller, old_ven: Caller, ven: Caller
) -> None:
    typed = [{"type": "GROUP", "values": ["x", 1]}]
    (program, *_) = bl("GET", "/programs").json()
    theirs = old_bl.make("/events", {"programID": program["id"], "intervals": [], "targets": typed})
    ours = make_event(bl, targets=["GROUP=x", "y"])

    assert bl("GET", f"/events/{theirs['id']}").json()["targets"] == ["GROUP=1", "GROUP=x"]
    assert old_bl("GET", f"/events/{ours['id']}").json()["targets"] == [
        {"type": "GROUP", "values": ["x"]},
        {"type": "TARGET", "values": ["y"]},
    ]
    query = {"targetType": "GROUP", "targetValues": ["x"]}
    assert listed(old_ven, "/events", **query) == [theirs["id"]]
    assert theirs["id"] not in listed(ven, "/events"), "3.1.0 wants it granted"


def test_what_3_0_1_demands(old_bl: Caller, old_ven: Caller) -> None:
    (program, *_) = old_bl("GET", "/programs").json()
    report = {"eventID": "e", "clientName": "A", "resources": []}

    assert old_bl("POST", "/events", {"programID": program["id"]}).status_code == 400
    assert old_ven("POST", "/reports", report).status_code == 400
    period = {"duration": "PT1H"}
    body = {"programID": program["id"], "intervals": [], "intervalPeriod": period}
    assert old_bl("POST", "/events", body).status_code == 400
