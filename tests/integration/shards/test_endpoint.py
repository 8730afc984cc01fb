"""Where the gateway reaches an owner: only who knows the token, and only that very owner."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from app.platform import CALLBACK, INTAKE, PAGE, Address, EndpointError, OwnerAwayError
from app.platform.shards import FileOwners, GatewayToken
from app.platform.shards.client import AT_ONCE
from app.platform.shards.endpoint import this_network
from app.platform.shards.file_lease import MAX_SILENCE_S
from app.platform.shards.machine import boottime_s
from containers import Container
from tests.integration.shards.conftest import MakeShard
from tests.support.servers import free_port
from tests.support.waiting import wait_until


class Owner:
    """Of shard 0."""

    def __init__(self, container: Container) -> None:
        self.platform: Any = container.platform
        self.settings = container.settings()
        self.platform.endpoint().listen()
        self.platform.owner().acquire()
        self.platform.endpoint().open(self.platform.owner().epoch)

    def serves(self, text: str, part: str = PAGE) -> None:
        """Says this, whatever it is asked."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            del receive
            body = f"{text} {scope['path']} {scope['client'][0]}".encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})

        self.platform.endpoint().part(part).serve(application)

    @property
    def url(self) -> str:
        address = Address.read(self.platform.endpoint().address())
        assert address is not None
        return address.url

    def stop(self) -> None:
        self.platform.endpoint().close()
        self.platform.owner().release()


@pytest.fixture
def owner(make_shard: MakeShard) -> Iterator[Owner]:
    made = Owner(make_shard(0, of=2))
    yield made
    made.stop()


@pytest.fixture
def gateway(make_shard: MakeShard) -> Any:
    """What a gateway asks with."""
    return make_shard(None, of=2).platform


def test_the_gateway_asks_the_owner_that_its_lease_names(owner: Owner, gateway: Any) -> None:
    owner.serves("here")

    answer = gateway.shard_client()(0, "GET", PAGE, "/vens/Aarhus")

    assert (answer.status, answer.body) == (200, b"here /vens/Aarhus 127.0.0.1")


def test_each_part_is_asked_by_its_name(owner: Owner, gateway: Any) -> None:
    owner.serves("page")
    owner.serves("intake", INTAKE)

    assert gateway.shard_client()(0, "GET", INTAKE, "/gaps").body.startswith(b"intake /gaps")
    assert gateway.shard_client()(0, "GET", PAGE, "/gaps").body.startswith(b"page /gaps")


def test_a_part_that_is_not_served_yet_is_asked_again_later(owner: Owner, gateway: Any) -> None:
    owner.serves("page")

    with pytest.raises(OwnerAwayError, match="shard 0: the process starts, or stops"):
        gateway.shard_client()(0, "GET", CALLBACK, "/x")


def test_a_key_opens_one_part_of_one_owner_and_nothing_else(owner: Owner, gateway: Any) -> None:
    for part in (PAGE, INTAKE, CALLBACK):
        owner.serves(part, part)
    token, address = gateway.gateway_token(), owner.platform.endpoint().address()
    right: dict[str, Any] = {
        "shard": 0,
        "of": 2,
        "epoch": owner.platform.owner().epoch,
        "address": address,
        "part": PAGE,
    }

    def status(path: str, **about: Any) -> int:
        headers = {"X-Gateway-Key": token.key(**{**right, **about})}
        return requests.get(owner.url + path, headers=headers, timeout=5).status_code

    assert status("/page/") == 200
    wrong = (
        {"shard": 1},
        {"of": 4},
        {"epoch": right["epoch"] + 1},
        {"address": "127.0.0.1:1"},
    )
    assert [status("/page/", **about) for about in wrong] == [401] * len(wrong)
    elsewhere = (
        "/intake/measurements",
        "/callback/x",
        "/",
        "/page",
        "//intake/x",
        "/page/../intake",
    )
    assert [status(path) for path in elsewhere] == [401, 401, 401, 200, 401, 401]


def test_one_that_is_slow_is_not_waited_for_by_all(owner: Owner, gateway: Any) -> None:
    """Only so many requests wait for an owner at a time."""
    answers, arrived = threading.Event(), []

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        del receive
        arrived.append(scope["path"])
        while not answers.is_set():
            await asyncio.sleep(0.01)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    owner.platform.endpoint().part(PAGE).serve(slow)
    client = gateway.shard_client()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(client, 0, "GET", PAGE, "/") for _ in range(AT_ONCE)]
        wait_until(lambda: len(arrived) == AT_ONCE)

        with pytest.raises(OwnerAwayError, match="shard 0 is slow"):
            client(0, "GET", PAGE, "/")

        answers.set()
        assert [each.result().status for each in waiting] == [200] * AT_ONCE


class TestWhoeverHasNoKey:
    @pytest.mark.parametrize("path", ["/", "/page/metrics", "/intake/measurements", "/healthz/x"])
    def test_is_told_nothing(self, owner: Owner, path: str) -> None:
        owner.serves("secret")

        answer = requests.get(owner.url + path, timeout=5)

        assert answer.status_code == 401
        assert "secret" not in answer.text

    def test_may_ask_whether_it_lives(self, owner: Owner) -> None:
        assert requests.get(f"{owner.url}/healthz", timeout=5).json()["alive"] is True
        assert requests.get(f"{owner.url}/readyz", timeout=5).status_code == 503

    def test_may_not_say_for_whom_it_asks(self, owner: Owner) -> None:
        owner.serves("ready")

        said = requests.get(
            f"{owner.url}/readyz", headers={"X-Gateway-Client": "192.0.2.7"}, timeout=5
        )

        assert said.text == "ready /readyz 127.0.0.1"


def test_a_standby_lives_and_lets_nobody_in(
    owner: Owner, make_shard: MakeShard, gateway: Any
) -> None:
    standby = make_shard(0, of=2).platform.endpoint()
    standby.listen()
    address = Address.read(standby.address())
    assert address is not None

    assert requests.get(f"{address.url}/healthz", timeout=5).status_code == 200
    key = gateway.gateway_token().key(shard=0, of=2, epoch=1, address=str(address), part=PAGE)
    said = requests.get(f"{address.url}/page/", headers={"X-Gateway-Key": key}, timeout=5)
    assert said.status_code == 401
    standby.close()
    assert owner.platform.owner().is_owner()


def test_the_key_of_an_owner_before_is_none(owner: Owner, gateway: Any) -> None:
    url, headers = gateway.owners().reach(0, PAGE)
    owner.serves("here")
    owner.platform.endpoint().open(owner.platform.owner().epoch + 1)

    assert requests.get(f"{url}/page/", headers=headers, timeout=5).status_code == 401
    with pytest.raises(OwnerAwayError, match="another owner, or another GATEWAY__TOKEN"):
        gateway.shard_client()(0, "GET", PAGE, "/")


def test_nobody_is_asked_where_nobody_runs_a_shard(owner: Owner, gateway: Any) -> None:
    with pytest.raises(OwnerAwayError, match="shard 1 is run by nobody"):
        gateway.shard_client()(1, "GET", PAGE, "/")

    owner.stop()
    with pytest.raises(OwnerAwayError, match=r"shard 0 (is run by nobody|does not answer)"):
        gateway.shard_client()(0, "GET", PAGE, "/")


def test_an_address_that_is_taken_is_said(make_shard: MakeShard) -> None:
    port = free_port()
    first = make_shard(0, of=2, gateway={"port": port}).platform.endpoint()
    first.listen()

    with pytest.raises(EndpointError, match=r"the gateway cannot be listened for at 127\.0\.0\.1"):
        make_shard(1, of=2, gateway={"port": port}).platform.endpoint().listen()
    first.close()


class TestALockFile:
    KINDS = ("sqlite",)

    def test_of_an_owner_that_says_nothing_any_more_is_of_nobody(self, owner: Owner) -> None:
        later_s = boottime_s() + MAX_SILENCE_S + 2
        files = owner.settings.run_lock_files

        now = FileOwners(files, boottime=boottime_s)()
        later = FileOwners(files, boottime=lambda: later_s)()

        assert now[0] is not None
        assert later == [None, None]


class TestAddresses:
    @given(
        host=st.sampled_from(["127.0.0.1", "::1", "ven-fleet-0.ven-fleet.svc", "192.0.2.7"]),
        port=st.integers(1, 65_535),
        network=st.sampled_from(["", "boot-id/4026531840"]),
    )
    def test_are_read_as_they_are_written(self, host: str, port: int, network: str) -> None:
        address = Address(host, port, network)

        assert Address.read(str(address)) == address

    @pytest.mark.parametrize("text", ["", "here", "here:", ":80", "here:http"])
    def test_what_is_none(self, text: str) -> None:
        assert Address.read(text) is None

    def test_loopback_of_another_machine_is_not_reached(self) -> None:
        assert Address("127.0.0.1", 80, this_network()).is_reachable
        assert not Address("127.0.0.1", 80, "another-boot/1").is_reachable
        assert not Address("127.0.0.1", 80).is_reachable

    def test_what_leaves_the_machine_is_encrypted(self) -> None:
        assert Address("::1", 80, "x").url == "http://[::1]:80"
        assert Address("192.0.2.7", 80).url == "https://192.0.2.7:80"


class TestTheToken:
    def test_is_one_for_all_processes_of_a_directory(self, tmp_path: Path) -> None:
        one, other = (GatewayToken(None, directory=tmp_path) for _ in range(2))
        asked: dict[str, Any] = {"shard": 0, "of": 2, "epoch": 1, "address": "x:1", "part": PAGE}

        assert one.key(**asked) == other.key(**asked)
        assert (tmp_path / "gateway.token").stat().st_mode & 0o777 == 0o600
