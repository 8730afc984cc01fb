"""Who may join a cluster: a machine with the same version, settings, database and token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from app.cluster.engine import ClusterError, ClusterRecord, Common, Membership, MembershipError
from app.cluster.engine.membership import Head
from app.cluster.engine.record import NodeSeen, Seen
from app.platform import GatewayToken, Registry, make_engine, process_name
from app.settings import Settings

pytest.importorskip("ray", reason="needs the extra `cluster`")
TOKEN = "a token, the same for all"
HEAD = "127.0.0.2:6379"
SETTINGS: dict[str, Any] = {
    "fleet": {"shards": 2},
    "vtn": {"base_url": "http://127.0.0.1:9"},
    "gateway": {"token": TOKEN},
}
Make = Callable[..., Membership]


def beside_others(address: str) -> dict[str, str]:
    """How a machine of several has its gateway; any file is one, as nothing is read here."""
    return {"host": address, "token": TOKEN, "certificate": __file__, "key": __file__}


@pytest.fixture
def make(registry: Registry, record: ClusterRecord, tmp_path: Path) -> Make:
    """A machine with these settings, at the database of the fleet."""

    def of(
        *,
        kind: Literal["file", "server"] = "server",
        token: str | None = TOKEN,
        at: ClusterRecord = record,
        **more: Any,
    ) -> Membership:
        settings = Settings(data_dir=tmp_path, **{**SETTINGS, **more})
        return Membership(
            shards=settings.fleet.shards,
            host=settings.gateway.host,
            kind=kind,
            has_token=token is not None,
            token=GatewayToken(token, directory=tmp_path / "own"),
            digests=settings.digests,
            registry=registry,
            record=at,
        )

    of().begin(HEAD)
    return of


def join(membership: Membership, address: str = HEAD) -> Head:
    return membership.check(address, port=6_379, is_new=False)


def become_head(membership: Membership, *, port: int = 6_379, is_new: bool = False) -> Head:
    return membership.check(None, port=port, is_new=is_new)


def refused(membership: Membership, *, mends: bool = False) -> str:
    """Why it may not join; `mends`: a later try may succeed, when the head is as this machine."""
    with pytest.raises(ClusterError) as caught:
        join(membership)
    assert isinstance(caught.value, MembershipError) is not mends
    return str(caught.value)


def refused_as_head(membership: Membership, *, is_new: bool = False) -> str:
    with pytest.raises(MembershipError) as caught:
        become_head(membership, is_new=is_new)
    return str(caught.value)


def seen_on(host: str) -> Seen:
    """A cluster with one node, there."""
    node = NodeSeen(f"{host}:17", "127.0.0.2", cpus=2, is_ours=True, has_gateway=True)
    at = datetime(2026, 7, 1, tzinfo=UTC)
    return Seen(f"{host}:18", nodes=[node], shards=[], supervisors=1, at=at)


def test_a_machine_like_the_head_may_join(make: Make) -> None:
    assert join(make()) == Head(HEAD, is_here=False)


def test_what_belongs_to_the_machine_may_differ(make: Make) -> None:
    join(make(ops={"port": 9_999}, log={"level": "DEBUG"}))


def test_settings_that_differ_are_named_without_their_values(make: Make) -> None:
    other = make(bl={"client_id": "b", "client_secret": "s"}, ops={"token": "a hidden one"})

    words = refused(other, mends=True)

    assert (
        words
        == "BL__CLIENT_ID, OPS__TOKEN: differ from the head's: give this machine the same settings"
    )
    assert other.difference() == words


def test_a_secret_that_is_read_again_when_it_changes_may_differ(make: Make) -> None:
    vtn = {"base_url": "http://127.0.0.1:9", "client_id": "c"}
    make(vtn={**vtn, "client_secret": "before"}).begin(HEAD)

    join(make(vtn={**vtn, "client_secret": "rotated"}))


def test_another_token_is_said_to_be_one(make: Make) -> None:
    gateway = {"token": "another one, of this machine"}

    other = make(token=gateway["token"], gateway=gateway)

    assert refused(other, mends=True) == "GATEWAY__TOKEN: is not that of the head"


def test_a_token_of_this_machine_alone_is_none(make: Make) -> None:
    assert refused(make(token=None)).startswith("GATEWAY__TOKEN: is what nodes know each other by")


def test_more_than_one_node_needs_a_server(make: Make) -> None:
    assert "DATABASE__URL: more than one node needs PostgreSQL" in refused(make(kind="file"))


def test_the_head_is_known_whichever_address_is_given(make: Make) -> None:
    assert join(make(), "former.example:6379") == Head(HEAD, is_here=False)


def test_a_machine_that_only_itself_reaches_cannot_join_another(make: Make) -> None:
    make().begin("192.0.2.7:6379")

    assert refused(make()).startswith("GATEWAY__HOST: must be the address")


def test_a_head_that_only_itself_reaches_cannot_be_joined_by_another(make: Make) -> None:
    other = make(gateway=beside_others("192.0.2.8"))

    words = refused(other, mends=True)

    assert words.startswith(f"the head of this fleet is at {HEAD}, where only its own machine")


class TestAHead:
    def test_needs_no_server_and_no_token(self, make: Make) -> None:
        assert become_head(make(kind="file", token=None)) == Head(HEAD, is_here=True)

    def test_may_have_another_port_than_before(self, make: Make) -> None:
        assert become_head(make(), port=7_000).at == "127.0.0.2:7000"

    def test_needs_shards(self, make: Make) -> None:
        assert refused_as_head(make(fleet={"shards": 1})).startswith("FLEET__SHARDS: is 1")

    def test_is_not_replaced_by_another_machine_that_was_not_told_to(self, make: Make) -> None:
        make().begin("192.0.2.7:6379")
        other = make(gateway=beside_others("192.0.2.8"))

        assert refused_as_head(other) == (
            "the head of this fleet is at 192.0.2.7:6379: join it with --address 192.0.2.7:6379, or"
            " make this machine the head instead with --new-head"
        )
        assert become_head(other, is_new=True) == Head("192.0.2.8:6379", is_here=True)

    def test_is_not_replaced_by_one_with_the_same_address_of_its_own(
        self, make: Make, record: ClusterRecord
    ) -> None:
        record.show(seen_on("another machine"))

        assert "--new-head" in refused_as_head(make())

    def test_goes_on_where_its_nodes_were_on_its_machine(
        self, make: Make, record: ClusterRecord
    ) -> None:
        record.show(seen_on(process_name().rpartition(":")[0]))

        assert become_head(make()).is_here

    def test_of_several_machines_is_one_that_others_reach(self, make: Make) -> None:
        make().begin("192.0.2.7:6379")

        assert refused_as_head(make(), is_new=True).startswith("GATEWAY__HOST: must be the address")

    def test_goes_on_as_the_head_though_it_once_joined_another(self, make: Make) -> None:
        """Given a unit that says --address; when its machine has become the head, with other
        settings by now."""
        gateway = beside_others("192.0.2.8")
        make(gateway=gateway).begin("192.0.2.8:6379")

        again = join(make(gateway=gateway, ops={"token": "another one"}), "192.0.2.7:6379")

        assert again == Head("192.0.2.8:6379", is_here=True)


def test_a_fleet_in_one_shard_needs_no_cluster(make: Make) -> None:
    assert refused(make(fleet={"shards": 1})).startswith("FLEET__SHARDS: is 1")


def test_another_version_is_refused(make: Make, record: ClusterRecord) -> None:
    begun = record.begun()
    assert begun is not None
    record.begin(HEAD, Common("ven-fleet 9.9", begun.common.settings))

    assert refused(make(), mends=True).startswith(
        "the head has ven-fleet 9.9, this machine ven-fleet "
    )


def test_there_is_nothing_to_join_where_no_cluster_has_begun(make: Make, tmp_path: Path) -> None:
    other = Registry(make_engine(f"sqlite:///{tmp_path}/other.db", pools=False))

    words = refused(make(at=ClusterRecord(other)), mends=True)

    assert words.startswith("no cluster has begun on the fleet in ")
    assert "call `ven-fleet cluster start`" in words


def test_a_head_with_other_settings_does_not_go_on_where_another_one_ended(make: Make) -> None:
    assert make().is_as_before(HEAD)
    assert not make(bl={"client_id": "b", "client_secret": "s"}).is_as_before(HEAD)


def test_a_head_does_not_go_on_with_what_it_kept_before_another_one_ran(make: Make) -> None:
    make().begin("127.0.0.9:6379")

    assert not make().is_as_before(HEAD)


def test_what_ray_knows_members_by_changes_with_what_they_have_in_common(
    make: Make,
) -> None:
    before = make().resource()
    make(bl={"client_id": "b", "client_secret": "s"}).begin(HEAD)

    assert make().resource() != before


def test_the_token_of_ray_is_its_owner_s_alone(make: Make, tmp_path: Path) -> None:
    place = make().place(tmp_path)

    assert place.token_file.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(place.token_file.read_text())) == 32
    assert TOKEN not in place.token_file.read_text()
