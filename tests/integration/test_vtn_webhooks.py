"""The embedded VTN's subscriptions and the callbacks that it makes (Definition, Webhooks)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.vtn import EmbeddedCredentials, EmbeddedVtn
from app.vtn.api import MAX_CHALLENGES
from app.vtn.callbacks import is_public
from tests.support.callback import Callback
from tests.support.callers import Caller, make_event
from tests.support.servers import free_port
from tests.support.waiting import wait_until


@pytest.fixture
def vtn(calling_vtn: EmbeddedVtn) -> EmbeddedVtn:
    return calling_vtn


def wish(url: str, **fields: Any) -> dict[str, Any]:
    operation = {
        "objects": ["EVENT"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "callbackUrl": url,
        "bearerToken": "secret-of-the-subscriber",
    }
    return {"clientName": "me", "objectOperations": [operation], **fields}


class TestTheChallenge:
    def test_a_subscription_is_made_when_the_callback_says_back_the_value(
        self, ven: Caller, hook: Callback
    ) -> None:
        made = ven.make("/subscriptions", wish(hook.url))

        assert hook.challenged == 1
        assert made["clientID"] == ven.client_id
        assert ven("GET", "/subscriptions").json() == [made]

    def test_none_is_made_when_it_says_something_else(self, ven: Caller, hook: Callback) -> None:
        hook.said = "hello"

        answer = ven("POST", "/subscriptions", wish(hook.url))

        assert (answer.status_code, "say back" in answer.json()["detail"]) == (400, True)
        assert ven("GET", "/subscriptions").json() == []

    def test_none_is_made_when_nobody_is_there(self, ven: Caller) -> None:
        answer = ven("POST", "/subscriptions", wish(f"https://127.0.0.1:{free_port()}/"))

        assert answer.status_code == 400

    def test_plain_http_is_refused(self, ven: Caller) -> None:
        answer = ven("POST", "/subscriptions", wish("http://127.0.0.1/callback"))

        assert (answer.status_code, "must be https" in answer.json()["detail"]) == (400, True)

    def test_each_callback_is_asked_once_however_often_it_is_named(
        self, ven: Caller, hook: Callback
    ) -> None:
        body = wish(hook.url)
        body["objectOperations"] *= 5

        ven.make("/subscriptions", body)

        assert hook.challenged == 1

    def test_all_of_a_subscription_have_the_time_of_one(self, ven: Caller, hook: Callback) -> None:
        hook.drips = True
        body = wish(hook.url)
        body["objectOperations"] = [wish(f"{hook.url}/{n}")["objectOperations"][0] for n in (1, 2)]

        answer = ven("POST", "/subscriptions", body)

        assert "does not answer within 2 s" in answer.json()["detail"], answer.text
        assert hook.challenged == 1

    def test_nobody_else_waits_for_those_that_do_not_answer(
        self, ven: Caller, vtn: EmbeddedVtn, secrets: EmbeddedCredentials, hook: Callback
    ) -> None:
        hook.may_answer.clear()
        with ThreadPoolExecutor(50) as pool:
            hanging = [
                pool.submit(ven, "POST", "/subscriptions", wish(f"{hook.url}/{number}"))
                for number in range(50)
            ]
            wait_until(lambda: hook.challenged == MAX_CHALLENGES)

            another = Caller(vtn, "client-b", secrets.ven_secret)

            assert another("GET", "/subscriptions").json() == []
            assert not any(each.done() for each in hanging)
            hook.may_answer.set()

    def test_a_subscription_that_is_removed_meanwhile_is_not_there(
        self, ven: Caller, hook: Callback
    ) -> None:
        made = ven.make("/subscriptions", wish(hook.url))
        hook.may_answer.clear()
        with ThreadPoolExecutor(1) as pool:
            changing = pool.submit(ven, "PUT", f"/subscriptions/{made['id']}", wish(hook.url))
            wait_until(lambda: hook.challenged == 2)

            ven("DELETE", f"/subscriptions/{made['id']}")
            hook.may_answer.set()

            assert changing.result().status_code == 404

    def test_a_program_that_is_removed_meanwhile_is_not_there(
        self, ven: Caller, bl: Caller, hook: Callback
    ) -> None:
        program_id = bl.make("/programs", {"programName": "short"})["id"]
        hook.may_answer.clear()
        with ThreadPoolExecutor(1) as pool:
            body = wish(hook.url, programID=program_id)
            making = pool.submit(ven, "POST", "/subscriptions", body)
            wait_until(lambda: hook.challenged == 1)

            bl("DELETE", f"/programs/{program_id}")
            hook.may_answer.set()

            assert making.result().status_code == 409

    def test_it_is_made_again_when_a_subscription_changes(
        self, ven: Caller, hook: Callback
    ) -> None:
        made = ven.make("/subscriptions", wish(hook.url))
        hook.said = "hello"

        answer = ven("PUT", f"/subscriptions/{made['id']}", wish(hook.url, clientName="other"))

        assert answer.status_code == 400
        assert ven("GET", f"/subscriptions/{made['id']}").json() == made


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.0.0.1", "[::1]", "169.254.1.1", "nowhere.invalid"]
)
def test_hosts_that_are_not_of_the_open_internet_are_refused_with_the_same_words(
    tmp_path: Path, host: str
) -> None:
    server = EmbeddedVtn(directory=tmp_path, port=free_port())
    server.start()
    secrets = EmbeddedCredentials.of(tmp_path)
    ven = Caller(server, "client-a", secrets.ven_secret)

    answer = ven("POST", "/subscriptions", wish(f"https://{host}:9/callback"))

    assert (answer.status_code, "has no public address" in answer.json()["detail"]) == (400, True)
    server.close()


class TestWhatIsTold:
    def test_each_operation_with_the_object_and_the_token(
        self, ven: Caller, bl: Caller, hook: Callback
    ) -> None:
        ven.make("/subscriptions", wish(hook.url))

        event = make_event(bl)
        body = {"programID": event["programID"], "priority": 1}
        changed = bl("PUT", f"/events/{event['id']}", body).json()
        bl("DELETE", f"/events/{event['id']}")

        wait_until(lambda: len(hook.received) == 3)
        assert hook.received == [
            {"objectType": "EVENT", "operation": operation, "object": received}
            for operation, received in (("CREATE", event), ("UPDATE", changed), ("DELETE", changed))
        ]
        assert set(hook.tokens) == {"Bearer secret-of-the-subscriber"}

    def test_nothing_of_before_the_subscription(
        self, ven: Caller, bl: Caller, hook: Callback
    ) -> None:
        event = make_event(bl)
        for _ in range(50):
            bl.make("/events", {"programID": event["programID"]})
        ven.make("/subscriptions", wish(hook.url))

        last = bl.make("/events", {"programID": event["programID"]})

        wait_until(lambda: hook.received)
        assert hook.received[0]["object"] == last

    def test_3_0_1_calls_the_operations_after_http(
        self, vtn: EmbeddedVtn, secrets: EmbeddedCredentials, bl: Caller, hook: Callback
    ) -> None:
        old = Caller(vtn, "client-a", secrets.ven_secret, base="/openadr3/3.0.1")
        (program,) = bl("GET", "/programs").json()
        old.make("/subscriptions", wish(hook.url, programID=program["id"]))

        make_event(bl)

        wait_until(lambda: hook.received)
        assert hook.received[0]["operation"] == "POST"

    def test_3_0_1_tells_every_ven_of_what_has_targets_of_its_kind(
        self, vtn: EmbeddedVtn, secrets: EmbeddedCredentials, bl: Caller, hook: Callback
    ) -> None:
        base = "/openadr3/3.0.1"
        old = Caller(vtn, "client-a", secrets.ven_secret, base=base)
        old_bl = Caller(vtn, secrets.bl_client_id, secrets.bl_client_secret, base=base)
        (program,) = bl("GET", "/programs").json()
        old.make("/subscriptions", wish(hook.url, programID=program["id"]))

        targets = [{"type": "VEN_NAME", "values": ["A"]}]
        event = old_bl.make(
            "/events", {"programID": program["id"], "intervals": [], "targets": targets}
        )

        wait_until(lambda: hook.received)
        assert hook.received[0]["object"] == event

    def test_a_ven_is_not_told_of_what_it_may_not_see(
        self, ven: Caller, bl: Caller, hook: Callback
    ) -> None:
        mine = ven.make("/vens", {"objectType": "VEN_VEN_REQUEST", "venName": "A"})
        ven.make("/subscriptions", wish(hook.url))

        make_event(bl, targets=["others"])
        grant = {"objectType": "BL_VEN_REQUEST", "venName": "A", "clientID": ven.client_id}
        bl("PUT", f"/vens/{mine['id']}", {**grant, "targets": ["mine"]})
        seen = make_event(bl, targets=["mine", "others"])

        wait_until(lambda: hook.received)
        (received,) = hook.received
        assert received["object"]["id"] == seen["id"]
        assert received["object"]["targets"] == ["mine"], "of targets, those that were granted"

    def test_who_loses_sight_of_an_event_is_told_that_it_is_gone(
        self, ven: Caller, bl: Caller, hook: Callback
    ) -> None:
        ven.make("/subscriptions", wish(hook.url))
        event = make_event(bl)

        body = {"programID": event["programID"], "targets": ["others"]}
        bl("PUT", f"/events/{event['id']}", body)

        wait_until(lambda: len(hook.received) == 2)
        assert hook.received[1] == {"objectType": "EVENT", "operation": "DELETE", "object": event}

    def test_who_asked_for_one_program_is_told_when_an_event_leaves_it(
        self, bl: Caller, ven: Caller, hook: Callback
    ) -> None:
        event = make_event(bl)
        ven.make("/subscriptions", wish(hook.url, programID=event["programID"]))
        elsewhere = bl.make("/programs", {"programName": "another"})["id"]

        bl("PUT", f"/events/{event['id']}", {"programID": elsewhere})

        wait_until(lambda: hook.received)
        assert hook.received == [{"objectType": "EVENT", "operation": "DELETE", "object": event}]

    def test_a_ven_that_changes_hands_is_gone_for_the_one_and_changed_for_the_other(
        self, ven: Caller, other: Caller, bl: Caller, hook: Callback
    ) -> None:
        mine = ven.make("/vens", {"objectType": "VEN_VEN_REQUEST", "venName": "A"})
        request = {"objectType": "VEN_RESOURCE_REQUEST", "resourceName": "R", "venID": mine["id"]}
        ven.make("/resources", request)
        for caller, path in ((ven, "before"), (other, "after")):
            body = wish(f"{hook.url}/{path}")
            body["objectOperations"][0]["objects"] = ["VEN", "RESOURCE"]
            caller.make("/subscriptions", body)

        given = {"objectType": "BL_VEN_REQUEST", "venName": "A", "clientID": other.client_id}
        bl("PUT", f"/vens/{mine['id']}", given)

        def received() -> set[tuple[str, str, str]]:
            # Each at least once: an answer that comes too late is no answer.
            return {(path, each["objectType"], each["operation"]) for path, each in hook.each()}

        wait_until(lambda: len(received()) >= 4, otherwise=lambda: f"told: {received()}")
        assert received() == {
            ("/callback/before", "VEN", "DELETE"),
            ("/callback/before", "RESOURCE", "DELETE"),
            ("/callback/after", "VEN", "UPDATE"),
            ("/callback/after", "RESOURCE", "UPDATE"),
        }

    def test_nobody_subscribes_to_what_may_not_be_read(
        self, vtn: EmbeddedVtn, secrets: EmbeddedCredentials, hook: Callback
    ) -> None:
        scope = "read_ven_objects write_subscriptions"
        narrow = Caller(vtn, "client-a", secrets.ven_secret, scope=scope)

        answer = narrow("POST", "/subscriptions", wish(hook.url))

        assert (answer.status_code, hook.challenged) == (403, 0)

    @pytest.mark.parametrize(
        "fields",
        [{"programID": "other"}, {"targets": ["group-1"]}, {"operations": ["DELETE"]}],
        ids=["another program", "other targets", "another operation"],
    )
    def test_only_what_was_asked_for(
        self, bl: Caller, hook: Callback, fields: dict[str, Any]
    ) -> None:
        if "programID" in fields:
            fields = {"programID": bl.make("/programs", {"programName": "other"})["id"]}
        operations = fields.pop("operations", ["CREATE"])
        narrow, wide = wish(f"{hook.url}/narrow", **fields), wish(f"{hook.url}/wide")
        narrow["objectOperations"][0]["operations"] = operations
        bl.make("/subscriptions", narrow)
        bl.make("/subscriptions", wide)

        make_event(bl)
        make_event(bl)

        wait_until(lambda: hook.calls_at("/callback/wide") == 2)
        assert hook.calls_at("/callback/narrow") == 0

    def test_a_token_is_shown_to_its_subscriber_only(
        self, ven: Caller, bl: Caller, hook: Callback
    ) -> None:
        made = ven.make("/subscriptions", wish(hook.url))

        seen = bl("GET", f"/subscriptions/{made['id']}").json()

        assert made["objectOperations"][0]["bearerToken"] == "secret-of-the-subscriber"
        assert seen["objectOperations"][0]["bearerToken"] is None
        assert bl("DELETE", f"/subscriptions/{made['id']}").status_code == 403


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("fec0::1", False),
        ("fe80::1%eth0", False),
        ("::127.0.0.1", False),
        ("::ffff:0:7f00:1", False),
        ("3fff::1", False),
        ("5f00::1", False),
        ("192.88.99.1", False),
        ("192.0.0.8", False),
        ("2001:db8::1", False),
        ("2001::1", False),
        ("0.0.0.0", False),
        ("100.64.0.1", False),
        ("255.255.255.255", False),
        ("1.1.1.1", True),
        ("2a00:1450:400f::1", True),
    ],
)
def test_which_addresses_are_of_the_open_internet(address: str, public: bool) -> None:
    assert is_public(address) is public
