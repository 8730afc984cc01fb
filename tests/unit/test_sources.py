"""The file of sources: what it says, what it refuses, and when it is read again."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from app.intake import SourcesError
from app.intake.sources_file import SourcesFile
from app.platform import LogOnce
from app.platform.tables_file import LOOKED_AT_EVERY_S
from tests.support.fakes import FakeClock

TOKEN = "a-token-of-the-plant"
PLANT = """
[[source]]
name = "plant"
type = "http"
token_file = "plant.token"
time_zone = "Europe/Copenhagen"
"""
MQTT = """
[[source]]
name = "homes"
type = "mqtt"
url = "mqtt://127.0.0.1"
topics = [{ topic = "meters/{device}", profile = "power-kw" }]
"""
PORTAL = '[[source]]\nname = "portal"\ntype = "file"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    token = tmp_path / "plant.token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    return tmp_path


def sources_of(folder: Path, clock: FakeClock, text: str | None = None) -> SourcesFile:
    path = folder / "sources.toml"
    if text is not None:
        path.write_text(text)
    return SourcesFile(path, keep=timedelta(days=45), monotonic=clock.monotonic, log_once=LogOnce())


def test_what_is_left_out_has_its_default(folder: Path, clock: FakeClock) -> None:
    (source,) = sources_of(folder, clock, PORTAL).all().values()

    assert (source.max_age, source.late, source.wait, source.tell_every) == (
        timedelta(minutes=15),
        timedelta(days=2),
        timedelta(minutes=2),
        timedelta(0),
    )
    assert source.zone is None


def test_durations_are_iso_8601(folder: Path, clock: FakeClock) -> None:
    text = PORTAL + 'max_age = "PT5M"\nlate = "P3D"\n'
    source = sources_of(folder, clock, text).all()["portal"]

    assert (source.max_age, source.late) == (timedelta(minutes=5), timedelta(days=3))


def test_a_source_is_known_by_its_token(folder: Path, clock: FakeClock) -> None:
    sources = sources_of(folder, clock, PLANT + PORTAL)

    found = sources.of_token(TOKEN)

    assert found is not None
    assert found.name == "plant"
    assert sources.of_token("another") is None
    assert sources.of_token("") is None, "a source without a token is not meant"


def test_without_a_file_there_is_no_source(clock: FakeClock) -> None:
    """sources.toml in the working directory need not be there."""
    sources = SourcesFile(
        None, keep=timedelta(days=45), monotonic=clock.monotonic, log_once=LogOnce()
    )

    assert sources.all() == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[source]\n", "at line 1"),
        ('[[sources]]\nname = "a"\n', "'sources' is not [[source]]"),
        ('source = "a"\n', "'source' is not [[source]]"),
        (PORTAL.replace("file", "modbus"), "source 1 (portal): type:"),
        (PORTAL.replace("portal", "simulator"), "'simulator' is no name of a source"),
        (PORTAL + "late = 5\n", "source 1 (portal): late: '5' is no duration such as PT5M"),
        (PORTAL + 'late = "-PT5M"\n', "late: '-PT5M' is no duration such as PT5M"),
        (PORTAL + 'late = "soon"\n', "source 1 (portal): late:"),
        (PORTAL + 'late = "P46D"\n', "late and wait are longer than INTAKE__KEEP"),
        (PORTAL + 'time_zone = "Mars/Base"\n', "time zone 'Mars/Base' cannot be loaded"),
        (PORTAL + 'colour = "red"\n', "source 1 (portal): colour:"),
        (PORTAL + PORTAL, "source 'portal' stands twice"),
        (MQTT.replace('"mqtt://', '"mqtt://fleet:s3cret/x@'), "see username and password_file"),
        (MQTT.replace("meters/", "$share/all/"), "begins with $"),
        (MQTT.replace("power-kw", "none"), "topics.0: there is no profile 'none'"),
        (
            MQTT + MQTT.replace('"homes"', '"other"\nclient_id = "ven-fleet-homes-now"'),
            "'homes' and 'other' have one client_id",
        ),
        (PLANT.replace("token_file", "#"), "type http needs token_file"),
        (PLANT.replace("plant.token", "none.token"), "none.token cannot be read"),
        (PLANT + PLANT.replace('"plant"', '"other"'), "'plant' and 'other' have one token"),
        (PLANT + f'token = "{TOKEN}"\n', "a token stands in a file of its own"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    folder: Path, clock: FakeClock, text: str, problem: str
) -> None:
    with pytest.raises(SourcesError) as raised:
        sources_of(folder, clock, text).all()

    assert problem in str(raised.value)
    assert "sources.toml" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert TOKEN not in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_a_token_that_others_may_read_is_refused(folder: Path, clock: FakeClock) -> None:
    (folder / "plant.token").chmod(0o644)

    with pytest.raises(SourcesError, match="others may read"):
        sources_of(folder, clock, PLANT).all()


class TestWhenItChanges:
    def test_it_is_read_again_after_a_while(self, folder: Path, clock: FakeClock) -> None:
        sources = sources_of(folder, clock, PORTAL)
        sources.all()
        (folder / "sources.toml").write_text(PORTAL + PLANT)

        before = sorted(sources.all())
        clock.advance(seconds=LOOKED_AT_EVERY_S)

        assert (before, sorted(sources.all())) == (["portal"], ["plant", "portal"])

    def test_a_token_that_changes_is_read_again(self, folder: Path, clock: FakeClock) -> None:
        sources = sources_of(folder, clock, PLANT)
        sources.all()
        (folder / "plant.token").write_text("another-token-of-it")
        clock.advance(seconds=LOOKED_AT_EVERY_S)

        assert sources.of_token(TOKEN) is None
        assert sources.of_token("another-token-of-it") is not None

    def test_what_is_wrong_then_leaves_the_old_one_in_force(
        self, folder: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        sources = sources_of(folder, clock, PORTAL)
        sources.all()
        (folder / "sources.toml").write_text("[[source]\n")

        for _ in range(3):
            clock.advance(seconds=LOOKED_AT_EVERY_S)
            assert sorted(sources.all()) == ["portal"]

        (line,) = (each for each in caplog.records if each.levelno == logging.WARNING)
        assert "at line 1" in line.message
        assert "stays in force" in line.message
