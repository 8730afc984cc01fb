"""Which VEN is in which shard: the same in every version, on every machine."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.platform import THE_FLEET, Shard, shard_of
from app.settings import Settings, SettingsError

VTN = {"base_url": "http://127.0.0.1:9/openadr3/3.1.0"}


@pytest.mark.parametrize(
    ("ven_name", "of_3", "of_1024"),
    [("Aarhus", 2, 362), ("Ærøskøbing", 1, 186), ("VEN 287", 2, 851)],
)
def test_a_name_is_where_it_always_was(ven_name: str, of_3: int, of_1024: int) -> None:
    """Stores are cut by this: another number would be another VEN's store."""
    assert (shard_of(ven_name, 3), shard_of(ven_name, 1_024)) == (of_3, of_1024)


@given(name=st.text(min_size=1), shards=st.integers(1, 50), times=st.integers(1, 20))
def test_where_there_are_n_times_as_many_each_becomes_n(name: str, shards: int, times: int) -> None:
    assert shard_of(name, shards * times) % shards == shard_of(name, shards)


@given(name=st.text(), shards=st.integers(1, 1_024))
def test_every_name_is_in_one_shard(name: str, shards: int) -> None:
    assert [each for each in range(shards) if Shard(each, shards).has(name)] == [
        shard_of(name, shards)
    ]


@given(name=st.text(alphabet="åéñöüøÆ한글a"), shards=st.integers(1, 1_024))
def test_letters_that_are_composed_otherwise_are_the_same(name: str, shards: int) -> None:
    assert shard_of(unicodedata.normalize("NFD", name), shards) == shard_of(name, shards)


def test_a_fleet_that_is_not_cut_has_every_ven_in_it() -> None:
    assert THE_FLEET.has("Aarhus")
    assert (THE_FLEET.is_whole, THE_FLEET.schema) == (True, None)


class TestSettings:
    def test_there_is_one_shard_unless_it_is_said(self) -> None:
        assert Settings().shard == THE_FLEET

    def test_a_shard_has_its_own_folder(self) -> None:
        settings = Settings(vtn=VTN, fleet={"shards": 3, "shard": 2})

        assert str(settings.store_dir) == "data/shard-2"
        assert str(settings.database_url) == "sqlite:///data/shard-2/fleet.db"
        assert str(settings.audit_file) == "data/shard-2/audit.log"

    def test_or_its_own_schema(self) -> None:
        url = "postgresql+psycopg://somebody@127.0.0.1/fleet"
        settings = Settings(vtn=VTN, fleet={"shards": 3, "shard": 2}, database={"url": url})

        assert (settings.database_url, settings.database_schema) == (url, "shard_2")

    def test_which_one_it_is_has_to_be_said_where_there_are_several(self) -> None:
        settings = Settings(vtn=VTN, fleet={"shards": 3})

        with pytest.raises(SettingsError, match=r"^FLEET__SHARD: must say which of the 3 shards"):
            _ = settings.shard
        assert [each.shard.number for each in settings.of_each_shard()] == [0, 1, 2]

    @pytest.mark.parametrize(
        ("given_settings", "words"),
        [
            (
                {"vtn": VTN, "fleet": {"shards": 3, "shard": 3}},
                "FLEET: FLEET__SHARD must be from 0 to 2, as FLEET__SHARDS is 3",
            ),
            (
                {"fleet": {"shards": 2, "shard": 0}},
                "FLEET__SHARDS: more than one shard needs VTN__BASE_URL, since the embedded VTN"
                " belongs to one process",
            ),
            (
                {
                    "vtn": VTN,
                    "fleet": {"shards": 2, "shard": 0},
                    "database": {"url": "sqlite:///x.db"},
                },
                "FLEET__SHARDS: each shard has an SQLite file of its own, under DATA_DIR; leave"
                " DATABASE__URL blank, or name a PostgreSQL database",
            ),
        ],
    )
    def test_what_does_not_go_together_is_said(
        self, given_settings: dict[str, object], words: str
    ) -> None:
        with pytest.raises(SettingsError) as caught:
            Settings(**given_settings)

        assert str(caught.value) == words
