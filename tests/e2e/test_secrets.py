"""Secrets never reach the output, at any level, whatever goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.support.servers import Answer, ReceivedRequest, Script, ScriptedVtn

MakeVtn = Callable[[Script], ScriptedVtn]
TOKEN, SECRET, PASSWORD, MISSPELT = "tok3n-4711", "s3cret-4712", "passw0rd-4713", "m1sspelt-4714"
DEBUG = {
    "LOG__LEVEL": "DEBUG",
    "FLEET__SEED_SAMPLE": "true",
    "FLEET__VENS": "1",
    "FLEET__RESOURCES_PER_VEN": "2",
}


def echoes(asked: ReceivedRequest) -> Answer:
    """A VTN that says back what it was told, which is what careless ones do."""
    if asked.path == "/auth/token":
        return Answer(400, {"error": "invalid_client", "error_description": asked.body.decode()})
    if asked.path == "/auth/server":
        return Answer(404, {"title": "no such path"})
    return Answer(200, [])


TOKENS = {"VTN__BEARER_TOKEN": TOKEN, "OPS__TOKEN": TOKEN}
SETTINGS = [
    (TOKENS, TOKEN),
    ({"VTN__CLIENT_ID": "c", "VTN__CLIENT_SECRET": SECRET}, SECRET),
    ({"DATABASE__URL": f"postgresql+psycopg://u:{PASSWORD}@127.0.0.1:1/d"}, PASSWORD),
    ({"DATABASE__URL": f"nonsense:{PASSWORD}"}, PASSWORD),
    ({"VTN__CLIENT_SECERT": MISSPELT}, MISSPELT),
    ({"VTN__TOKEN_URL": f"https://u:{PASSWORD}@vtn.example/token"}, PASSWORD),
]


@pytest.mark.parametrize(("settings", "secret"), SETTINGS)
def test_no_secret_is_logged(
    start: Start, scripted_vtn: MakeVtn, settings: dict[str, str], secret: str
) -> None:
    vtn = scripted_vtn(echoes)

    application = start("run", "--once", VTN__BASE_URL=vtn.base_url, **DEBUG, **settings)
    application.join()

    assert secret not in application.log + application.output
    assert application.log, "there was something to search"


def test_the_secrets_of_the_embedded_vtn_are_not_shown(start: Start, tmp_path: Path) -> None:
    application = start("run", "--once", **DEBUG)
    assert application.join() == 0

    credentials = json.loads((tmp_path / "data" / "vtn" / "credentials.json").read_text())
    for name in ("bl_client_secret", "ven_secret"):
        assert credentials[name] not in application.log
