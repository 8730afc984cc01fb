"""Settings: sources and their order, and what a wrong one says."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import pytest

from app.scheduling import every
from app.settings import Settings, SettingsError, effective_settings
from containers import Container

ROOT = Path(__file__).parents[2]


def write_file(text: str, name: str = "settings.env") -> None:
    Path(name).write_text(text)


def test_settings_env_shows_every_setting_with_its_default() -> None:
    lines = (ROOT / "settings.env").read_text().splitlines()
    shown_there = dict(
        line[1:].split("=", 1) for line in lines if re.match(r"#[A-Z][A-Z0-9_]*=", line)
    )

    tasks = Container().scheduled_tasks()
    defaults = {name: task.schedule for name, task in tasks.items()}
    settings = effective_settings(Settings(), defaults)
    assert shown_there == {setting.name: setting.value for setting in settings}


def test_every_line_of_settings_env_is_a_comment() -> None:
    assert all(
        not line or line.startswith("#")
        for line in (ROOT / "settings.env").read_text().splitlines()
    )


def test_environment_beats_file_beats_default(monkeypatch: pytest.MonkeyPatch) -> None:
    write_file("FLEET__VENS=3\nFLEET__RESOURCES_PER_VEN=4\n")
    monkeypatch.setenv("FLEET__VENS", "5")

    fleet = Settings().fleet

    assert (fleet.vens, fleet.resources_per_ven, fleet.seed_sample) == (5, 4, None)


def test_a_blank_from_the_environment_means_the_default_and_beats_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_file("FLEET__VENS=3\n")
    monkeypatch.setenv("FLEET__VENS", "")

    assert Settings().fleet.vens == 10


def test_nothing_is_interpolated() -> None:
    write_file("VTN__CLIENT_ID=x\nVTN__CLIENT_SECRET='a${HOME}b'\n")

    secret = Settings().vtn.client_secret

    assert secret is not None
    assert secret.get_secret_value() == "a${HOME}b"


def test_another_file_is_named_by_settings_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write_file("FLEET__VENS=3\n")
    write_file("FLEET__VENS=4\n", "other.env")
    monkeypatch.setenv("SETTINGS_FILE", "other.env")

    assert Settings().fleet.vens == 4


def test_a_named_file_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETTINGS_FILE", "missing.env")

    with pytest.raises(SettingsError, match="SETTINGS_FILE"):
        Settings()


def test_the_environment_is_read_when_settings_are_made_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = Settings()
    monkeypatch.setenv("FLEET__VENS", "7")

    assert (before.fleet.vens, Settings().fleet.vens) == (10, 7)


class TestSchedules:
    """The highest source that names a schedule replaces all of it from lower sources."""

    def test_seconds_from_the_environment_replace_cron_from_the_file(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_file("TASKS__HEARTBEAT__CRON=0 * * * *\n")
        monkeypatch.setenv("TASKS__HEARTBEAT__SECONDS", "7")

        assert Settings().trigger_of("heartbeat", every(minutes=5)) == {
            "trigger_type": "interval",
            "seconds": 7.0,
        }

    def test_seconds_replace_the_default_minutes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TASKS__HEARTBEAT__SECONDS", "7")

        assert Settings().task("heartbeat", every(minutes=5)).minutes is None

    def test_a_blank_one_replaces_the_file_by_the_default(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_file("TASKS__HEARTBEAT__SECONDS=7\n")
        monkeypatch.setenv("TASKS__HEARTBEAT__CRON", "")

        assert Settings().trigger_of("heartbeat", every(minutes=5)) == {
            "trigger_type": "interval",
            "minutes": 5.0,
        }

    def test_other_fields_keep_the_default_schedule(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TASKS__HEARTBEAT__JITTER_S", "3")

        assert Settings().trigger_of("heartbeat", every(minutes=5)) == {
            "trigger_type": "interval",
            "minutes": 5.0,
            "jitter": 3,
        }

    def test_cron_and_an_interval_in_one_source_are_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TASKS__HEARTBEAT__CRON", "0 * * * *")
        monkeypatch.setenv("TASKS__HEARTBEAT__HOURS", "1")

        with pytest.raises(SettingsError, match="TASKS__HEARTBEAT: CRON goes without"):
            Settings()


WRONG = {
    "FLEET__VENS": "many-secret",
    "VTN__TIMEOUT_S": "-7331",
    "VTN__VERIFY_TLS": "perhaps-secret",
    "VTN__BASE_URL": "https://user:secret@vtn.example",
    "VTN__TOKEN_URL": "ftp://secret.example/token",
    "VTN__EMBEDDED_PORT": "99999",
    "LOG__LEVEL": "secret",
    "TASKS__POLL_EVENTS__SECONDS": "secret",
    "TASKS__POLL_EVENTS__ENABLED": "secret",
    "VTN__CREDENTIALS_FILE": "/secret/file",
    "STORE__MAX_LAG": "banana",
    "STORE__KEEP_UNASKED": "P1M",
    "STORE__MAX_AGE": "-PT5H",
    "STORE__MAX_BYTES": "17",
    "STORE__WHEN_FULL": "explode",
    "DELIVERY__SETTLE_S": "-1",
    "DELIVERY__WHEN_UNREADABLE": "perhaps",
    "GATEWAY__TOKEN": "nobody-guesses-it",
}


@pytest.mark.parametrize(("name", "value"), WRONG.items())
def test_a_wrong_value_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as caught:
        Settings()

    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert "\n" not in message
    assert value not in message
    assert "secret" not in message.lower().replace("vtn__client_secret", "")


def test_a_time_zone_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER__TIMEZONE", "Mars/Olympus")

    with pytest.raises(SettingsError) as caught:
        Settings()

    assert str(caught.value).startswith("SCHEDULER__TIMEZONE: time zone 'Mars/Olympus' cannot be")


@pytest.mark.parametrize("where", ["environment", "file"])
def test_an_unknown_name_is_refused_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "file":
        write_file("VTN__CLIENT_SECRT=hunter2\n")
    else:
        monkeypatch.setenv("VTN__CLIENT_SECRT", "hunter2")

    with pytest.raises(SettingsError) as caught:
        Settings()

    assert "VTN__CLIENT_SECRT" in str(caught.value)
    assert "was VTN__CLIENT_SECRET meant?" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_foreign_name_in_the_environment_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMEBODY__ELSE", "x")

    assert Settings().fleet.vens == 10


@pytest.mark.parametrize(
    "text", ["FLEET__VENS\n", "FLEET__VENS='3\n", "= 3\n", "FLEET__VENS=3\nfleet__vens=4\n"]
)
def test_a_broken_line_of_the_file_is_named(text: str) -> None:
    write_file("# first\n" + text)

    with pytest.raises(SettingsError, match=r"settings\.env"):
        Settings()


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, "embedded"),
        ({"base_url": "https://x"}, "none"),
        ({"base_url": "https://x", "bearer_token": "t"}, "token"),
        ({"client_id": "c", "client_secret": "s"}, "template"),
    ],
)
def test_the_kind_of_credentials_follows_from_what_is_given(
    settings: dict[str, str], kind: str
) -> None:
    assert Settings(vtn=settings).vtn.credentials_kind == kind


def test_a_client_id_without_a_secret_is_refused() -> None:
    with pytest.raises(SettingsError, match="VTN__CLIENT_ID and VTN__CLIENT_SECRET go together"):
        Settings(vtn={"client_id": "x"})


def test_a_credentials_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "credentials.csv"
    path.write_text("a,b,c\n")
    path.chmod(0o644)

    with pytest.raises(SettingsError, match="chmod 600"):
        Settings(vtn={"credentials_file": path})


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET__VENS", "3")
    monkeypatch.setenv("NOTIFY_SOCKET", "@systemd")
    settings = Settings()

    monkeypatch.setenv("FLEET__VENS", "4")
    monkeypatch.setenv("LOG__LEVEL", "DEBUG")
    monkeypatch.setenv("NOTIFY_SOCKET", "@other")
    monkeypatch.setenv("SETTINGS_FILE", "gone.env")

    found = {
        effective_setting.name: (effective_setting.value, effective_setting.source)
        for effective_setting in effective_settings(settings, {})
    }
    assert found["FLEET__VENS"] == ("3", "environment")
    assert found["LOG__LEVEL"] == ("INFO", "default")
    assert settings.notify_socket == "@systemd"
    assert settings.source == "the environment"


def test_effective_settings_say_where_each_is_from_and_mask_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_file("VTN__BEARER_TOKEN=hunter2\n")
    monkeypatch.setenv("FLEET__VENS", "3")

    found = {
        effective_setting.name: (effective_setting.value, effective_setting.source)
        for effective_setting in effective_settings(Settings(), {})
    }

    assert found["FLEET__VENS"] == ("3", "environment")
    assert found["VTN__BEARER_TOKEN"] == ("**********", "settings.env")
    assert found["LOG__LEVEL"] == ("INFO", "default")


def test_the_sample_fills_an_empty_fleet_only_with_the_embedded_vtn() -> None:
    assert Settings().sample_size == (10, 20)
    assert Settings(vtn={"base_url": "https://x"}).sample_size is None
    assert Settings(vtn={"base_url": "https://x"}, fleet={"seed_sample": True}).sample_size


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT1H", 3600), ("P30D", 2_592_000), ("90", 90), ("0.5", 0.5)]
)
def test_a_duration_is_iso_8601_or_seconds(text: str, seconds: float) -> None:
    write_file(f"STORE__MAX_LAG={text}\n")

    assert Settings().store.max_lag.total_seconds() == seconds


def test_a_size_may_have_a_unit() -> None:
    write_file("STORE__MAX_BYTES=2GiB\n")

    assert Settings().store.max_bytes == 2 << 30


SECRETS = {
    "VTN__BEARER_TOKEN": {},
    "VTN__CLIENT_SECRET": {"VTN__CLIENT_ID": "c"},
    "VTN__CLIENT_ID": {"VTN__CLIENT_SECRET": "s"},
    "BL__CLIENT_SECRET": {"BL__CLIENT_ID": "c"},
    "OPS__TOKEN": {},
    "VTN__MQTT_URL": {},
    "DATABASE__URL": {},
}


class TestSecretsThatCannotBeSent:
    """One line that names the setting, and never what is in it."""

    @pytest.mark.parametrize("name", SECRETS)
    @pytest.mark.parametrize("odd", ["\n", "\r\nX: y", "\t", "\x00", "\x7f"])
    def test_a_control_character_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, odd: str
    ) -> None:
        (tmp_path / "secrets").mkdir()
        scheme = "mqtt://127.0.0.1/" if name.endswith("URL") else ""
        (tmp_path / "secrets" / name).write_bytes(f"{scheme}hunter2{odd}hunter3".encode())
        monkeypatch.setenv("SECRETS_DIR", "secrets")
        for other, value in SECRETS[name].items():
            monkeypatch.setenv(other, value)

        with pytest.raises(SettingsError) as caught:
            Settings()

        line = str(caught.value)
        assert line.startswith(f"{name}: ")
        assert "hunter" not in line
        assert len(line.splitlines()) == 1
        assert "hunter" not in "".join(traceback.format_exception(caught.value))

    @pytest.mark.parametrize("odd", [" ", "ø", "\u200b"])
    def test_a_bearer_token_is_of_what_a_header_carries(
        self, monkeypatch: pytest.MonkeyPatch, odd: str
    ) -> None:
        monkeypatch.setenv("VTN__BEARER_TOKEN", f"hunter2{odd}hunter3")

        with pytest.raises(SettingsError, match="no header can carry"):
            Settings()

    @pytest.mark.parametrize(
        "content", [b"\xef\xbb\xbft0ken", b"t0ken\r\n", b"t0ken\n\n", b" t0ken"]
    )
    def test_a_file_of_one_secret_is_read_as_editors_write_it(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
    ) -> None:
        (tmp_path / "VTN__BEARER_TOKEN").write_bytes(content)
        monkeypatch.setenv("SECRETS_DIR", str(tmp_path))

        token = Settings().vtn.bearer_token

        assert token is not None
        assert token.get_secret_value() == "t0ken"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_settings_file_is_read_as_editors_write_it(
    tmp_path: Path, encoding: str, ends: str
) -> None:
    lines = ["FLEET__VENS=3", "# æøå", "FLEET__RESOURCES_PER_VEN=4", ""]
    (tmp_path / "settings.env").write_bytes(ends.join(lines).encode(encoding))

    fleet = Settings().fleet

    assert (fleet.vens, fleet.resources_per_ven) == (3, 4)


def test_a_settings_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "settings.env").write_text("FLEET__VENS=3", encoding="utf-16")

    with pytest.raises(SettingsError, match=r"settings\.env is UTF-16 text; save it as UTF-8"):
        Settings()
