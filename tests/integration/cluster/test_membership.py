"""Who may join a cluster: a machine with the same version, settings, database and token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from app.cluster.engine import ClusterError, ClusterRecord, Common, Membership, MembershipError
from app.platform import GatewayToken, Registry, make_engine
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


def refused(membership: Membership, head: str | None = HEAD, *, mends: bool = False) -> str:
    """Why it may not join; `mends`: a later try may succeed, when the head is as this machine."""
    with pytest.raises(ClusterError) as caught:
        membership.check(head)
    assert isinstance(caught.value, MembershipError) is not mends
    return str(caught.value)


def test_a_machine_like_the_head_may_join(make: Make) -> None:
    make().check(HEAD)


def test_what_belongs_to_the_machine_may_differ(make: Make) -> None:
    make(ops={"port": 9_999}, log={"level": "DEBUG"}).check(HEAD)


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

    make(vtn={**vtn, "client_secret": "rotated"}).check(HEAD)


def test_another_token_is_said_to_be_one(make: Make) -> None:
    gateway = {"token": "another one, of this machine"}

    other = make(token=gateway["token"], gateway=gateway)

    assert refused(other, mends=True) == "GATEWAY__TOKEN: is not that of the head"


def test_a_token_of_this_machine_alone_is_none(make: Make) -> None:
    assert refused(make(token=None)).startswith("GATEWAY__TOKEN: is what nodes know each other by")


def test_more_than_one_node_needs_a_server(make: Make) -> None:
    assert "DATABASE__URL: more than one node needs PostgreSQL" in refused(make(kind="file"))


def test_another_address_is_not_the_head(make: Make) -> None:
    words = refused(make(), "127.0.0.9:6379", mends=True)

    assert words == f"127.0.0.9:6379 is not the head of this fleet, which is at {HEAD}"


def test_a_machine_that_only_itself_reaches_cannot_join_another(make: Make) -> None:
    make().begin("192.0.2.7:6379")

    assert refused(make(), "192.0.2.7:6379").startswith("GATEWAY__HOST: must be the address")


def test_the_head_needs_none(make: Make) -> None:
    make(kind="file", token=None).check(None)


def test_a_fleet_in_one_shard_needs_no_cluster(make: Make) -> None:
    assert refused(make(fleet={"shards": 1}), None).startswith("FLEET__SHARDS: is 1")


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
