"""The actuators of the file of sources: what they say, and what they refuse."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from app.actuation import ActuatorsError, ActuatorsFile
from app.actuation.actuators import HttpActuator, MqttActuator
from app.platform import LogOnce
from tests.support.fakes import FakeClock

MQTT = '[[actuator]]\nname = "homes"\ntype = "mqtt"\nurl = "mqtts://broker.example"\n'
HTTP = (
    '[[actuator]]\nname = "plants"\ntype = "http"\n'
    'url = "https://gateway.example/{ven}/{resource}"\n'
)


def actuators_of(folder: Path, text: str) -> ActuatorsFile:
    path = folder / "sources.toml"
    path.write_text(text)
    return ActuatorsFile(path, monotonic=FakeClock().monotonic, log_once=LogOnce())


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    homes = actuators_of(tmp_path, MQTT).all()["homes"]

    assert isinstance(homes, MqttActuator)
    assert (homes.valid_for, homes.ack_timeout) == (timedelta(minutes=2), timedelta(seconds=10))
    assert (homes.prefix, homes.keep_alive_s, homes.half_s) == ("ven-fleet", 15, 60.0)


def test_names_are_encoded_where_they_stand_in_topics_and_urls(tmp_path: Path) -> None:
    homes, plants = actuators_of(tmp_path, MQTT + HTTP).all().values()

    assert isinstance(homes, MqttActuator)
    assert isinstance(plants, HttpActuator)
    assert homes.topic("Århus +1", "a/b#", "desired") == (
        "ven-fleet/%C3%85rhus%20%2B1/a%2Fb%23/desired"
    )
    assert plants.url_of("A?b", "-._~") == "https://gateway.example/A%3Fb/-._~"


def test_sources_may_stand_beside_them(tmp_path: Path) -> None:
    text = MQTT + '[[source]]\nname = "portal"\ntype = "file"\n'

    assert list(actuators_of(tmp_path, text).all()) == ["homes"]


def test_without_a_file_there_is_none(tmp_path: Path) -> None:
    found = ActuatorsFile(
        tmp_path / "none.toml", monotonic=FakeClock().monotonic, log_once=LogOnce()
    )

    assert found.all() == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('actuator = "a"\n', "'actuator' is not [[actuator]]"),
        (MQTT.replace("homes", "a b"), "'a b' is no name of an actuator"),
        (MQTT.replace("mqtts:", "mqtt:"), "must begin with mqtts://, or allow_plain be true"),
        (MQTT + 'valid_for = "PT5S"\n', "valid_for: is not from PT8S to PT1H"),
        (MQTT + 'valid_for = "soon"\n', "valid_for: 'soon' is no duration"),
        (MQTT + 'ack_timeout = "PT61S"\n', "ack_timeout: is not from PT1S to half of valid_for"),
        (MQTT + 'prefix = "fleet/+"\n', "prefix: must be a topic without +"),
        (MQTT + 'prefix = "fleet//a"\n', "prefix: must be a topic without +"),
        (MQTT + 'colour = "red"\n', "colour: type mqtt has no such key"),
        (MQTT + MQTT, "actuator 'homes' stands twice"),
        (MQTT + MQTT.replace("homes", "other"), "'homes' and 'other' have one prefix"),
        (HTTP.replace("{ven}", "ven"), "needs {ven} and {resource} in its path"),
        (HTTP.replace("https", "http"), "must begin with https://, or allow_plain be true"),
        (HTTP.replace("https://", "https://fleet:s3cret@"), "see token_file"),
        (HTTP + 'token_file = "none.token"\n', "none.token cannot be read"),
        (HTTP + 'outcome_token = "s3cret"\n', "a token stands in a file of its own"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ActuatorsError) as raised:
        actuators_of(tmp_path, text).all()

    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "s3cret" not in str(raised.value)
