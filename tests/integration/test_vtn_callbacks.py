"""Callbacks that fail, hang, drip or are away, and what becomes of the others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from app.vtn import Callbacks
from app.vtn.callbacks import anywhere
from app.vtn.errors import CallbackFailed
from app.vtn.webhooks import (
    ASKS_BROKEN_EVERY_S,
    MAX_AT_ONCE,
    MAX_AT_ONCE_OF_A_CLIENT,
    TRIES,
    WebhookDelivery,
)
from tests.support.callback import Callback, callback
from tests.support.certificates import Certificate
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until

TIMEOUT_S = 1.0
URL = "https://callback.example/"


@pytest.fixture
def callbacks(certificate: Certificate) -> Callbacks:
    return Callbacks(verify_tls=certificate.certificate, allows=anywhere, timeout_s=TIMEOUT_S)


@pytest.fixture
def webhooks(callbacks: Callbacks, hook: Callback) -> Iterator[WebhookDelivery]:
    del hook  # it ends after these
    made = WebhookDelivery(callbacks, first_pause_s=0.001, asks_broken_every_s=1000.0)
    yield made
    made.close()


def tell(webhooks: WebhookDelivery, url: str, *numbers: int, client_id: str = "client-a") -> None:
    """Notifications of one subscription per client and URL."""
    for number in numbers:
        webhooks.tell(
            f"{client_id} {url}",
            0,
            client_id=client_id,
            url=url,
            token=None,
            notification={"number": number},
        )


ReceivedRequest = Callable[[], bool]


@pytest.fixture
def is_set_aside(caplog: pytest.LogCaptureFixture) -> ReceivedRequest:
    """Whether a callback is, as the log says."""
    return lambda: "is set aside" in caplog.text


class TestABrokenCallback:
    def test_what_fails_is_tried_again_in_order(
        self, webhooks: WebhookDelivery, hook: Callback
    ) -> None:
        hook.status = 503
        tell(webhooks, hook.url, 1, 2)
        wait_until(lambda: hook.tokens)

        hook.status = 200

        wait_until(lambda: len(hook.received) == 2)
        assert hook.received == [{"number": 1}, {"number": 2}]

    def test_one_that_never_answers_well_is_set_aside(
        self,
        webhooks: WebhookDelivery,
        hook: Callback,
        caplog: pytest.LogCaptureFixture,
        is_set_aside: ReceivedRequest,
    ) -> None:
        hook.status = 500
        tell(webhooks, hook.url, 1)

        wait_until(is_set_aside)

        assert len(hook.tokens) == TRIES
        assert (
            "a callback at 127.0.0.1 is set aside, and tried every 1000 s: it answers 500"
            in caplog.text
        )

    def test_when_its_subscription_is_written_anew_it_is_told_again(
        self, webhooks: WebhookDelivery, hook: Callback, is_set_aside: ReceivedRequest
    ) -> None:
        hook.status = 500
        tell(webhooks, hook.url, 1)
        wait_until(is_set_aside)
        hook.status = 200
        tell(webhooks, hook.url, 2)

        webhooks.forget(f"client-a {hook.url}")
        tell(webhooks, hook.url, 3)

        wait_until(lambda: hook.received)
        assert hook.received == [{"number": 3}]

    def test_when_it_answers_again_it_hears_the_newest_and_all_that_follows(
        self,
        callbacks: Callbacks,
        hook: Callback,
        clock: FakeClock,
        is_set_aside: ReceivedRequest,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO, "app.vtn")
        webhooks = WebhookDelivery(callbacks, monotonic_s=clock.monotonic, first_pause_s=0.0)
        hook.status = 500
        tell(webhooks, hook.url, 1)
        wait_until(is_set_aside)
        hook.status = 200
        tell(webhooks, hook.url, 2)

        clock.advance(seconds=ASKS_BROKEN_EVERY_S)
        tell(webhooks, hook.url, 3)

        wait_until(lambda: "a callback at 127.0.0.1 answers again" in caplog.text)
        tell(webhooks, hook.url, 4, 5)
        wait_until(lambda: len(hook.received) == 3)
        assert [each["number"] for each in hook.received] == [3, 4, 5]
        webhooks.close()

    def test_redirects_are_not_followed(
        self, webhooks: WebhookDelivery, hook: Callback, is_set_aside: ReceivedRequest
    ) -> None:
        hook.status = 302
        tell(webhooks, hook.url, 1)

        wait_until(is_set_aside)

        assert hook.paths() == {"/callback"}

    def test_one_that_answers_a_byte_at_a_time_is_given_up(
        self, callbacks: Callbacks, hook: Callback
    ) -> None:
        hook.drips = True
        hook.said = "x" * 1000

        with pytest.raises(CallbackFailed, match="does not answer within 1 s"):
            callbacks.verify({"objectOperations": [{"callbackUrl": hook.url}]})

    def test_one_whose_name_takes_too_long_to_look_up_is_not_waited_for_afterwards(
        self, certificate: Certificate, hook: Callback
    ) -> None:
        def slowly(_address: str) -> bool:
            time.sleep(0.3)
            return True

        callbacks = Callbacks(verify_tls=certificate.certificate, allows=slowly, timeout_s=0.2)
        hook.may_answer.clear()

        with pytest.raises(CallbackFailed, match="does not answer"):
            callbacks.tell(hook.url, None, {})

        assert hook.asked == 0


class TestCallbacksThatHang:
    def test_they_do_not_hold_those_of_others(
        self, webhooks: WebhookDelivery, hook: Callback, certificate: Certificate
    ) -> None:
        hook.may_answer.clear()
        for number in range(3 * MAX_AT_ONCE):
            tell(webhooks, f"{hook.url}/{number}", number)
        wait_until(lambda: hook.asked == MAX_AT_ONCE_OF_A_CLIENT)

        with callback(certificate) as other:
            tell(webhooks, other.url, 1, client_id="client-b")

            wait_until(lambda: other.received)
        assert hook.received == []

    def test_nor_when_they_are_those_of_many_clients(self) -> None:
        callbacks = HangingCallbacks()
        webhooks = WebhookDelivery(callbacks, first_pause_s=0.001)
        for number in range(3 * MAX_AT_ONCE):
            tell(webhooks, f"{URL}{number}", number, client_id=f"client-{number}")
        wait_until(lambda: callbacks.hanging == MAX_AT_ONCE)
        callbacks.fail_once()
        wait_until(lambda: callbacks.failed == 3 * MAX_AT_ONCE)
        wait_until(lambda: callbacks.hanging == MAX_AT_ONCE // 2)

        tell(webhooks, f"{URL}good", 1, client_id="good")

        wait_until(lambda: callbacks.received == [f"{URL}good"])
        webhooks.close()
        callbacks.end()

    def test_each_gets_its_turn(self, hook: Callback, callbacks: Callbacks) -> None:
        webhooks = WebhookDelivery(callbacks)
        long, short = f"{hook.url}/long", f"{hook.url}/short"
        tell(webhooks, long, *range(100))
        tell(webhooks, f"{hook.url}/middle", *range(100))
        tell(webhooks, short, 1)

        wait_until(lambda: hook.calls_at("/callback/short"))

        assert hook.calls_at("/callback/long") < 100
        webhooks.close()


class HangingCallbacks:
    """Hang until they are told to fail, each once, and then again; but for the good one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._seen: set[str] = set()
        self._fail_first = self._ended = False
        self.hanging = 0
        self.failed = 0
        self.received: list[str] = []

    def tell(self, url: str, token: str | None, notification: object) -> None:
        del token, notification
        if url.endswith("good"):
            self.received.append(url)
            return
        with self._changed:
            first, self.hanging = url not in self._seen, self.hanging + 1
            self._seen.add(url)
            self._changed.wait_for(lambda: self._ended or (first and self._fail_first), 10)
            self.hanging -= 1
            self.failed += first
        raise CallbackFailed("it hangs")

    def fail_once(self) -> None:
        with self._changed:
            self._fail_first = True
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def test_a_host_is_reached_by_its_name_at_whichever_address_answers(
    callbacks: Callbacks, hook: Callback
) -> None:
    callbacks.tell(hook.url.replace("127.0.0.1", "localhost"), None, {"number": 1})

    assert hook.received == [{"number": 1}], "the certificate is that of the name"
