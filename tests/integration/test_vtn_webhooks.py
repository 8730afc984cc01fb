"""The embedded VTN's subscriptions and the callbacks that it makes (Definition, Webhooks)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.vtn import Callbacks, EmbeddedCredentials, EmbeddedVtn
from app.vtn.callbacks import anywhere, is_public
from app.vtn.webhooks import TRIES, Webhooks
from tests.support.callback import Callback, callback
from tests.support.callers import Caller
from tests.support.certificates import Certificate, make_certificate
from tests.support.servers import free_port
from tests.support.waiting import wait_until


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


@pytest.fixture
def hook(certificate: Certificate) -> Iterator[Callback]:
    with callback(certificate) as made:
        yield made


@pytest.fixture
def vtn(tmp_path: Path, certificate: Certificate) -> Iterator[EmbeddedVtn]:
    """A VTN that calls back on this machine, too."""
    callbacks = Callbacks(verify_tls=certificate.certificate, allows=anywhere, timeout_s=2.0)
    directory = tmp_path / "data" / "vtn"
    server = EmbeddedVtn(directory=directory, port=free_port(), callbacks=callbacks)
    server.start()
    yield server
    server.close()


def wish(url: str, **fields: Any) -> dict[str, Any]:
    operation = {
        "objects": ["EVENT"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "callbackUrl": url,
        "bearerToken": "secret-of-the-subscriber",
    }
    return {"clientName": "me", "objectOperations": [operation], **fields}


def make_event(bl: Caller, **fields: Any) -> dict[str, Any]:
    (program, *_) = bl("GET", "/programs").json()
    return bl.make("/events", {"programID": program["id"], **fields})


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

    def test_it_is_made_again_when_a_subscription_changes(
        self, ven: Caller, hook: Callback
    ) -> None:
        made = ven.make("/subscriptions", wish(hook.url))
        hook.said = "hello"

        answer = ven("PUT", f"/subscriptions/{made['id']}", wish(hook.url, clientName="other"))

        assert answer.status_code == 400
        assert ven("GET", f"/subscriptions/{made['id']}").json() == made


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.1", "[::1]", "169.254.1.1"])
def test_private_addresses_are_refused_unless_told_otherwise(tmp_path: Path, host: str) -> None:
    server = EmbeddedVtn(directory=tmp_path, port=free_port())
    server.start()
    secrets = EmbeddedCredentials.of(tmp_path)
    ven = Caller(server, "client-a", secrets.ven_secret)

    answer = ven("POST", "/subscriptions", wish(f"https://{host}:9/callback"))

    assert (answer.status_code, "private address" in answer.json()["detail"]) == (400, True)
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

        wait_until(lambda: len(hook.told) == 3)
        assert hook.told == [
            {"objectType": "EVENT", "operation": operation, "object": told}
            for operation, told in (("CREATE", event), ("UPDATE", changed), ("DELETE", changed))
        ]
        assert set(hook.tokens) == {"Bearer secret-of-the-subscriber"}

    def test_3_0_1_calls_the_operations_after_http(
        self, vtn: EmbeddedVtn, secrets: EmbeddedCredentials, bl: Caller, hook: Callback
    ) -> None:
        old = Caller(vtn, "client-a", secrets.ven_secret, base="/openadr3/3.0.1")
        (program,) = bl("GET", "/programs").json()
        old.make("/subscriptions", wish(hook.url, programID=program["id"]))

        make_event(bl)

        wait_until(lambda: hook.told)
        assert hook.told[0]["operation"] == "POST"

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

        wait_until(lambda: hook.told)
        assert hook.told[0]["object"] == event

    def test_a_ven_is_not_told_of_what_it_may_not_see(
        self, ven: Caller, bl: Caller, hook: Callback
    ) -> None:
        mine = ven.make("/vens", {"objectType": "VEN_VEN_REQUEST", "venName": "A"})
        ven.make("/subscriptions", wish(hook.url))

        make_event(bl, targets=["others"])
        grant = {"objectType": "BL_VEN_REQUEST", "venName": "A", "clientID": ven.client_id}
        bl("PUT", f"/vens/{mine['id']}", {**grant, "targets": ["mine"]})
        seen = make_event(bl, targets=["mine", "others"])

        wait_until(lambda: hook.told)
        (told,) = hook.told
        assert told["object"]["id"] == seen["id"]
        assert told["object"]["targets"] == ["mine"], "of targets, those that were granted"

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

        wait_until(lambda: hook.told_at("/callback/wide") == 2)
        assert hook.told_at("/callback/narrow") == 0

    def test_a_token_is_shown_to_its_subscriber_only(
        self, ven: Caller, bl: Caller, hook: Callback
    ) -> None:
        made = ven.make("/subscriptions", wish(hook.url))

        seen = bl("GET", f"/subscriptions/{made['id']}").json()

        assert made["objectOperations"][0]["bearerToken"] == "secret-of-the-subscriber"
        assert seen["objectOperations"][0]["bearerToken"] is None
        assert bl("DELETE", f"/subscriptions/{made['id']}").status_code == 403


class TestABrokenCallback:
    @pytest.fixture
    def webhooks(self, certificate: Certificate) -> Iterator[Webhooks]:
        callbacks = Callbacks(verify_tls=certificate.certificate, allows=anywhere)
        made = Webhooks(callbacks, first_pause_s=0.001)
        yield made
        made.close()

    def tell(self, webhooks: Webhooks, hook: Callback, *numbers: int) -> None:
        for number in numbers:
            webhooks.tell("subscription", 0, hook.url, None, {"number": number})

    def test_what_fails_is_tried_again_in_order(self, webhooks: Webhooks, hook: Callback) -> None:
        hook.status = 503
        self.tell(webhooks, hook, 1, 2)
        wait_until(lambda: hook.tokens)

        hook.status = 200

        wait_until(lambda: len(hook.told) == 2)
        assert hook.told == [{"number": 1}, {"number": 2}]

    def test_one_that_never_answers_well_is_set_aside(
        self, webhooks: Webhooks, hook: Callback
    ) -> None:
        hook.status = 500
        self.tell(webhooks, hook, 1)

        wait_until(lambda: webhooks.broken() == [hook.url])

        assert len(hook.tokens) == TRIES
        hook.status = 200
        self.tell(webhooks, hook, 2)
        webhooks.forget("subscription")
        self.tell(webhooks, hook, 3)
        wait_until(lambda: hook.told)
        assert hook.told == [{"number": 3}], "until its subscription is written anew"

    def test_redirects_are_not_followed(self, webhooks: Webhooks, hook: Callback) -> None:
        hook.status = 302
        self.tell(webhooks, hook, 1)

        wait_until(webhooks.broken)

        assert hook.paths() == {"/callback"}

    def test_one_that_hangs_does_not_hold_the_others(
        self, webhooks: Webhooks, hook: Callback, certificate: Certificate
    ) -> None:
        hook.may_answer.clear()
        self.tell(webhooks, hook, 1)

        with callback(certificate) as other:
            webhooks.tell("other", 0, other.url, None, {"number": 2})

            wait_until(lambda: other.told)
        assert hook.told == []


def test_a_host_is_reached_by_its_name_at_whichever_address_answers(
    certificate: Certificate, hook: Callback
) -> None:
    callbacks = Callbacks(verify_tls=certificate.certificate, allows=anywhere)

    callbacks.tell(hook.url.replace("127.0.0.1", "localhost"), None, {"number": 1})

    assert hook.told == [{"number": 1}], "the certificate is that of the name"
    callbacks.close()


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
    ],
)
def test_which_addresses_are_of_the_open_internet(address: str, public: bool) -> None:
    assert is_public(address) is public
