"""`check-device`, at a device that keeps the contract and at some that do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.support.broker import Broker
from tests.support.device import ContractDevice, MqttDevice
from tests.support.documents import ROOT
from tests.support.processes import Application
from tests.support.retained import Retained
from tests.support.servers import Answer, ReceivedRequest, ScriptedVtn, free_port
from tests.support.waiting import wait_until

VALID_FOR_S = 8
pytestmark = pytest.mark.rest


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker", anonymous=True)
    made.start()
    yield made
    made.stop()


def as_shown() -> list[str]:
    """What the documentation says that it prints, without where it waits."""
    page = (ROOT / "docs" / "reference" / "device-contract.md").read_text()
    return page.partition("Waiting for the device at")[2].partition("\n```")[0].splitlines()[1:]


def checking(*options: str, cwd: Path) -> Application:
    return Application(
        *("check-device", "Home", "pump", "--valid-for", f"PT{VALID_FOR_S}S", *options),
        cwd=cwd,
        settings={},
    )


def test_a_device_at_a_broker_that_keeps_the_contract(broker: Broker, tmp_path: Path) -> None:
    port = free_port()
    check = checking(
        *("--broker", broker.url, "--listen", f"127.0.0.1:{port}"),
        cwd=tmp_path,
    )
    wait_until(lambda: "Waiting for the device" in check.output)
    device = MqttDevice(port, "Home", "pump", valid_for_s=VALID_FOR_S, keep_alive_s=1)

    code = check.join(timeout_s=180)

    device.close()
    assert code == 0, check.output
    assert check.output.splitlines()[1:] == as_shown()
    left = Retained(broker.port)
    left.publish("marker", b"x", is_retained=True)
    wait_until(left.all)
    assert left.all() == {"marker": b"x"}
    left.close()


def test_a_device_over_http_that_answers_nothing(tmp_path: Path) -> None:
    server = ScriptedVtn(lambda _: Answer(status=404, body=""))

    check = checking("--url", f"{server.base_url}/{{ven}}/{{resource}}", cwd=tmp_path)
    code = check.join(timeout_s=60)

    server.close()
    assert code == 1
    assert check.output.splitlines()[-2:] == [
        "FAILED  it answers an order, and accepts it: no answer (it answers 404)",
        "0 of 1 hold.",
    ]


def test_a_device_over_http_that_keeps_the_contract(tmp_path: Path) -> None:
    device = ContractDevice(valid_for_s=VALID_FOR_S)

    def answer(asked: ReceivedRequest) -> Answer:
        told = device.take(asked.body)
        return Answer(status=200, body="" if told is None else orjson.dumps(told).decode())

    server = ScriptedVtn(answer)
    check = checking("--url", f"{server.base_url}/{{ven}}/{{resource}}", cwd=tmp_path)
    code = check.join(timeout_s=180)

    server.close()
    assert code == 0, check.output
    assert check.output.splitlines()[-1] == "17 of 17 hold."


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "error: say either --broker or --url"),
        (
            ["--broker", "mqtts://127.0.0.1"],
            "error: --broker: 'mqtts://127.0.0.1' is no host and port, such as 127.0.0.1:1884",
        ),
        (["--broker", "127.0.0.1", "--valid-for", "1"], "error: --valid-for: '1' is no duration"),
        (["--broker", "127.0.0.1", "--valid-for", "PT1S"], "error: --valid-for: is not from PT8S"),
        (["--broker", "127.0.0.1:1"], "error: 127.0.0.1:1884 or the broker: Connection refused"),
    ],
)
def test_what_is_said_wrong(options: list[str], line: str, tmp_path: Path) -> None:
    check = checking(*options, cwd=tmp_path)

    assert check.join(timeout_s=60) == 2
    assert check.log.splitlines()[-1].startswith(line)


def test_a_broker_that_knows_nobody(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    broker.start()

    check = checking("--broker", f"mqtt://127.0.0.1:{broker.port}", cwd=tmp_path)
    code = check.join(timeout_s=60)

    broker.stop()
    assert code == 2
    assert check.log.splitlines()[-1] == "error: the broker: Not authorized"
