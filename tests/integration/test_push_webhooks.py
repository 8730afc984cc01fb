"""The VTN tells of changes by webhooks, over TLS (openadr.md, 'Push')."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.openadr import Notifiers
from app.vtn import Callbacks, EmbeddedVtn
from app.vtn.callbacks import anywhere
from tests.conftest import MakeContainer
from tests.support.certificates import Certificate
from tests.support.pushed import PushedFleet
from tests.support.servers import Answer, ReceivedRequest, ScriptedVtn, free_port
from tests.support.waiting import wait_until

MakeFleet = Callable[..., PushedFleet]


@pytest.fixture
def make_fleet(
    tmp_path: Path, make_container: MakeContainer, certificate: Certificate
) -> Iterator[MakeFleet]:
    """A fleet with callbacks, at an embedded VTN that calls them."""
    made: list[tuple[EmbeddedVtn, PushedFleet]] = []

    def make(api_version: str = "3.1.0") -> PushedFleet:
        port, heard_at = free_port(), free_port()
        callbacks = Callbacks(verify_tls=certificate.certificate, allows=anywhere)
        server = EmbeddedVtn(directory=tmp_path / "data" / "vtn", port=port, callbacks=callbacks)
        server.start()
        container = make_container(
            vtn={"embedded_port": port, "api_version": api_version},
            callback={
                "public_url": f"https://127.0.0.1:{heard_at}/hooks",
                "port": heard_at,
                "certificate": certificate.certificate,
                "key": certificate.key,
            },
        )
        fleet = PushedFleet(container, server)
        made.append((server, fleet))
        fleet.manager.poll_events()  # 3.0.1 subscribes by program, which it has to know
        return fleet

    yield make
    for server, fleet in made:
        fleet.close()
        server.close()


@pytest.fixture
def fleet(make_fleet: MakeFleet) -> PushedFleet:
    made = make_fleet()
    made.start()
    return made


def subscriptions(fleet: PushedFleet) -> list[dict[str, Any]]:
    return fleet.vtn.store.select("SUBSCRIPTION")


@pytest.mark.parametrize("api_version", ["3.1.0", "3.0.1"])
def test_a_new_event_reaches_the_vens_without_a_poll(
    make_fleet: MakeFleet, api_version: str
) -> None:
    fleet = make_fleet(api_version)
    fleet.start()
    assert fleet.to_poll() == []

    event_id = fleet.send()

    fleet.wait_until_known(event_id)
    # Counted after it is known.
    wait_until(lambda: fleet.counts().get("taken") == len(fleet.names))


def test_a_deleted_event_ends(fleet: PushedFleet) -> None:
    event_id = fleet.send()
    fleet.wait_until_known(event_id)

    fleet.business.delete(event_id)

    fleet.wait_until_unknown(event_id)


def test_each_ven_has_a_path_and_a_token_of_its_own(fleet: PushedFleet) -> None:
    operations = [subscription["objectOperations"][0] for subscription in subscriptions(fleet)]

    assert len({operation["callbackUrl"] for operation in operations}) == len(fleet.names)
    assert len({operation["bearerToken"] for operation in operations}) == len(fleet.names)


class TestTheSubscription:
    def test_it_is_removed_with_the_application(self, fleet: PushedFleet) -> None:
        assert len(subscriptions(fleet)) == len(fleet.names)

        fleet.close()

        assert subscriptions(fleet) == []

    def test_one_that_was_left_is_used_again(
        self, fleet: PushedFleet, make_container: MakeContainer
    ) -> None:
        before = {subscription["id"] for subscription in subscriptions(fleet)}
        fleet.stop_watching()
        fleet.container.platform.shutdown().set()
        fleet.container.push.callback_server().close()  # as after a crash: nothing is removed
        again = make_container(**fleet.container.settings().model_dump(exclude_unset=True))

        restarted = PushedFleet(again, fleet.vtn)
        try:
            restarted.start()

            assert {subscription["id"] for subscription in subscriptions(fleet)} == before
        finally:
            restarted.close()

    def test_one_that_the_vtn_lost_is_made_again(self, fleet: PushedFleet) -> None:
        lost = subscriptions(fleet)[0]
        fleet.vtn.store.remove("SUBSCRIPTION", lost["id"])
        fleet.container.push.webhooks().look_again_s = 0.1

        wait_until(lambda: len(subscriptions(fleet)) == len(fleet.names))

        fleet.container.push.webhooks().look_again_s = 300.0
        fleet.wait_until_it_works()
        fleet.wait_until_known(fleet.send())

    def test_what_a_new_program_had_before_it_was_subscribed_to_is_asked_for(
        self, make_fleet: MakeFleet
    ) -> None:
        fleet = make_fleet("3.0.1")
        fleet.start()
        fleet.stop_watching()
        bl = fleet.business_logic()
        program_id = bl.make("/programs", {"programName": "second"})["id"]
        fleet.manager.poll_events()
        for name in fleet.names:
            fleet.container.vens.poll_plan().ask([name])
        fleet.manager.poll_asked()
        event_id = bl.make("/events", {"programID": program_id})["id"]

        fleet.container.push.webhooks().serve(fleet.manager.vens, Notifiers())

        fleet.wait_until_known(event_id)

    def test_when_the_vtn_says_that_it_has_no_webhooks_any_more_vens_are_polled(
        self, fleet: PushedFleet
    ) -> None:
        fleet.stop_watching()

        fleet.container.push.webhooks().serve(fleet.manager.vens, Notifiers())

        assert fleet.to_poll() == fleet.names

    def test_who_is_refused_for_one_of_its_programs_is_polled(
        self, make_fleet: MakeFleet, caplog: pytest.LogCaptureFixture
    ) -> None:
        fleet = make_fleet("3.0.1")
        hidden = fleet.business_logic().make("/programs", {"programName": "second"})["id"]
        fleet.manager.poll_events()
        fleet.vtn.store.remove("PROGRAM", hidden)  # unseen, so that the VENs want it still

        fleet.container.push.service().start()

        wait_until(lambda: f"does not subscribe VEN {fleet.names[0]} and 2 more" in caplog.text)
        assert fleet.to_poll() == fleet.names
        assert len(subscriptions(fleet)) == len(fleet.names), "they are told of the other one"

    def test_a_vtn_that_never_asks_back_is_polled(
        self, tmp_path: Path, make_container: MakeContainer, certificate: Certificate
    ) -> None:
        # openleadr takes subscriptions and calls nobody.
        def script(asked: ReceivedRequest) -> Answer:
            answers: dict[str, Any] = {"/notifiers": {"WEBHOOK": True}}
            if asked.method == "POST" and asked.path == "/vens":
                return Answer(201, {"id": "ven", "venName": "Aalborg"})
            if asked.method == "POST":
                return Answer(201, {"id": "made"})
            return Answer(200, answers.get(asked.path, []))

        silent = ScriptedVtn(script)
        container = make_container(
            vtn={"base_url": silent.base_url, "bearer_token": "t"},
            callback={"public_url": "https://ven.example/hooks", "port": free_port()},
        )
        del certificate, tmp_path
        fleet = PushedFleet(container, EmbeddedVtn(directory=Path("none"), port=1), vens=1)

        container.push.watch()._callbacks[0]()

        assert silent.of("POST", "/subscriptions")
        assert fleet.to_poll() == ["Aalborg"]
        silent.close()


def test_a_certificate_that_cannot_be_used_is_named_and_polling_goes_on(
    tmp_path: Path, make_container: MakeContainer, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("server.pem", "server.key"):
        (tmp_path / name).write_text("precious")
    files = {"certificate": tmp_path / "server.pem", "key": tmp_path / "server.key"}
    container = make_container(callback={"public_url": "https://ven.example", **files})

    container.push.callback_server().start()

    assert "CALLBACK__CERTIFICATE or CALLBACK__KEY cannot be used" in caplog.text
    assert "precious" not in caplog.text


class TestWhoCalls:
    """What comes to the callback from somebody else, or is not what it should be."""

    @pytest.fixture
    def call(
        self, fleet: PushedFleet, certificate: Certificate
    ) -> Callable[..., requests.Response]:
        (operation,) = next(
            subscription["objectOperations"]
            for subscription in subscriptions(fleet)
            if subscription["clientName"] == "Aarhus"
        )

        def call(
            method: str = "POST", *, body: Any = b"", token: str | None = None, path: str = ""
        ) -> requests.Response:
            token = operation["bearerToken"] if token is None else token
            url = path or operation["callbackUrl"]
            return requests.request(
                method,
                url,
                data=body if isinstance(body, bytes) else json.dumps(body),
                headers={"Authorization": f"Bearer {token}"},
                verify=str(certificate.certificate),
                timeout=5,
            )

        return call

    def test_without_the_token_nothing_is_taken(
        self, fleet: PushedFleet, call: Callable[..., requests.Response]
    ) -> None:
        event = {"id": "forged", "programID": "p", "intervals": []}
        told = {"objectType": "EVENT", "operation": "CREATE", "object": event}

        assert call(body=told, token="wrong").status_code == 401
        assert call(body=told, path=_elsewhere(fleet)).status_code == 404

        assert fleet.counts()["refused"] == 2
        assert fleet.knowing("forged") == []

    def test_a_body_that_is_too_large_is_refused(
        self, fleet: PushedFleet, call: Callable[..., requests.Response]
    ) -> None:
        assert call(body=b"x" * (1 << 21)).status_code == 413
        assert fleet.counts()["refused"] == 1

    def test_a_malformed_one_makes_the_ven_ask(
        self, fleet: PushedFleet, call: Callable[..., requests.Response]
    ) -> None:
        asked = fleet.container.openadr.http().request_stats.outcomes()

        assert call(body=b"{").status_code == 200

        wait_until(lambda: fleet.counts().get("malformed") == 1)
        wait_until(lambda: fleet.container.openadr.http().request_stats.outcomes() != asked)
        assert fleet.trusted() == len(fleet.names)

    def test_the_challenge_is_answered_with_what_it_says(
        self, call: Callable[..., requests.Response], fleet: PushedFleet
    ) -> None:
        (first, *_) = subscriptions(fleet)
        url = first["objectOperations"][0]["callbackUrl"]

        answer = call("GET", path=f"{url}?echo=abc")

        assert (answer.status_code, answer.text) == (200, "abc")
        assert answer.headers["Content-Type"].startswith("text/plain")


def _elsewhere(fleet: PushedFleet) -> str:
    (first, *_) = subscriptions(fleet)
    return str(first["objectOperations"][0]["callbackUrl"])[:-3] + "xyz"
