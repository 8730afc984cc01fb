"""Orders that are posted, and outcomes that are answered or posted to us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from app.actuation.order import OrderStatus
from tests.conftest import MakeContainer
from tests.integration.actuation.conftest import VALID_FOR_S, OrdersBench
from tests.support.servers import Answer, ReceivedRequest, ScriptedVtn, free_port
from tests.support.waiting import wait_until

TOKEN = "a-token-of-the-homes"
OUTCOME_TOKEN = "a-token-for-outcomes"
HOMES = f"""
[[actuator]]
name = "homes"
type = "http"
url = "{{url}}/devices/{{{{ven}}}}/{{{{resource}}}}"
token_file = "homes.token"
outcome_token_file = "outcomes.token"
valid_for = "PT{VALID_FOR_S}S"
ack_timeout = "PT1S"
"""


class Gateway:
    """Stands before many devices, and answers for them as a test says."""

    def __init__(self) -> None:
        self.answer = Answer(status=200, body={"status": "ACCEPTED"})
        self.orders: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        """Path, body and headers of what came."""
        self._server = ScriptedVtn(self._take)
        self.url = self._server.base_url

    def _take(self, asked: ReceivedRequest) -> Answer:
        order = orjson.loads(asked.body)
        self.orders.append((asked.path, order, dict(asked.headers)))
        if not isinstance(self.answer.body, dict):
            return self.answer
        return Answer(status=self.answer.status, body={"seq": order["seq"], **self.answer.body})

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.close()


@pytest.fixture
def bench(gateway: Gateway, make_container: MakeContainer) -> Iterator[OrdersBench]:
    for name, token in (("homes.token", TOKEN), ("outcomes.token", OUTCOME_TOKEN)):
        Path(name).write_text(token)
        Path(name).chmod(0o600)
    Path("sources.toml").write_text(HOMES.format(url=gateway.url))
    made = OrdersBench(make_container(intake={"port": free_port()}), resources=["pump", "hall 1/2"])
    made.start(connected=False)
    yield made
    made.stop()


def test_an_order_is_posted_with_our_token(bench: OrdersBench, gateway: Gateway) -> None:
    bench.ask(("DISPATCH_SETPOINT", 2.5))

    wait_until(lambda: bench.status("hall 1/2") is OrderStatus.ACCEPTED)
    posted = {path: (order, headers) for path, order, headers in gateway.orders}
    order, headers = posted["/devices/Aarhus/hall%201%2F2"]
    assert order["setpoint_kw"] == 2.5
    assert headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.rest
def test_one_that_does_not_arrive_is_posted_again(
    bench: OrdersBench, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.answer = Answer(status=503, body="busy")
    bench.ask(("DISPATCH_SETPOINT", 2.5))
    wait_until(lambda: len(gateway.orders) >= 4)
    assert bench.status() is OrderStatus.WAITING

    gateway.answer = Answer(status=200, body={"status": "ACCEPTED"})

    wait_until(lambda: bench.status() is OrderStatus.ACCEPTED)
    (line,) = [line for line in caplog.messages if "did not arrive" in line]
    assert line.startswith("actuator homes: an order did not arrive: it answers 503 (VEN Aarhus")


@pytest.mark.rest
@pytest.mark.parametrize("body", ["OK", "[]", '{"status": "ACCEPTED"}'])
def test_an_answer_that_is_none_accepts_nothing(
    bench: OrdersBench, gateway: Gateway, body: str
) -> None:
    gateway.answer = Answer(status=200, body=body)

    bench.ask(("DISPATCH_SETPOINT", 2.5))

    wait_until(lambda: bench.container.orders.inbox().refused >= 2)
    assert bench.status() is OrderStatus.WAITING


@pytest.mark.rest
def test_a_release_is_posted_too(bench: OrdersBench, gateway: Gateway) -> None:
    bench.ask(("DISPATCH_SETPOINT", 2.5))
    wait_until(lambda: bench.status() is OrderStatus.ACCEPTED)

    bench.ask()

    wait_until(lambda: bench.status() is OrderStatus.RELEASED)
    assert any(order["release"] for _, order, _ in gateway.orders)


class TestPostedOutcomes:
    @pytest.fixture
    def post(self, bench: OrdersBench) -> Iterator[Any]:
        server = bench.container.intake.server()
        server.start()
        port = bench.container.settings().intake.port

        def send(token: str = OUTCOME_TOKEN, **outcome: Any) -> requests.Response:
            return requests.post(
                f"http://127.0.0.1:{port}/outcomes",
                json=outcome,
                headers={"Authorization": f"Bearer {token}"},
                timeout=10,
            )

        yield send
        server.close()

    def test_they_are_followed(self, bench: OrdersBench, gateway: Gateway, post: Any) -> None:
        """As of a gateway that answers only that it has passed the order on."""
        gateway.answer = Answer(status=202, body="")
        bench.ask(("DISPATCH_SETPOINT", 2.5))
        wait_until(lambda: bench.status() is OrderStatus.WAITING)
        seq = bench.orders()["pump"].seq

        answer = post(ven_name="Aarhus", resource_name="pump", seq=seq, status="ACCEPTED")

        assert answer.status_code == 204
        wait_until(lambda: bench.status() is OrderStatus.ACCEPTED)

    def test_of_others_they_are_not(self, bench: OrdersBench, post: Any) -> None:
        wait_until(lambda: bench.container.orders.inbox().refused == 0)

        post(ven_name="Aarhus", resource_name="nobody", seq=1, status="OPTED_OUT")

        wait_until(lambda: bench.container.orders.inbox().refused == 1)
        assert not bench.container.fleet.participation().current().opt_outs

    @pytest.mark.parametrize(
        ("outcome", "status"),
        [
            ({"seq": 1, "status": "ACCEPTED"}, 422),
            ({"ven_name": "A", "resource_name": "r", "status": "ACCEPTED"}, 422),
            ({"ven_name": 5, "resource_name": "r", "seq": 1, "status": "ACCEPTED"}, 422),
        ],
    )
    def test_what_is_none_is_a_problem(
        self, post: Any, outcome: dict[str, Any], status: int
    ) -> None:
        answer = post(**outcome)

        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"

    def test_they_need_the_token_of_their_actuator(self, post: Any) -> None:
        assert post(token=TOKEN, seq=1, status="ACCEPTED").status_code == 401
