"""VTNs announce themselves on the local network, here on loopback, and are found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.openadr.discovery import discover
from app.vtn.announcement import Announcement
from tests.support.servers import free_port

pytestmark = pytest.mark.rest

LOOPBACK = ("127.0.0.1",)
LISTENS_S = 2.5
"""An answer may be kept back for a second, when it was just given (RFC 6762, 6)."""


def test_a_vtn_that_announces_itself_is_found_until_it_stops() -> None:
    port = free_port()
    announcement = Announcement(name="vtn-of-this-test", port=port, interfaces=LOOPBACK)
    announcement.start()

    found = {each.name: each for each in discover(for_s=LISTENS_S, interfaces=LOOPBACK)}

    vtn = found["vtn-of-this-test"]
    assert (vtn.version, vtn.addresses, vtn.requires_auth) == ("3.1.0", LOOPBACK, True)
    assert vtn.url.endswith(f".local:{port}")

    announcement.close()
    announcement.close()
    assert "vtn-of-this-test" not in {
        each.name for each in discover(for_s=0.5, interfaces=LOOPBACK)
    }


def test_the_command_prints_what_it_finds(tmp_path: Path) -> None:
    announcement = Announcement(name="vtn-for-people", port=free_port(), interfaces=LOOPBACK)
    announcement.start()
    command = [sys.executable, "-m", "app", "discover", "--seconds", str(LISTENS_S)]
    command += ["--interface", "127.0.0.1"]

    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    as_json = subprocess.run(
        [*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert "vtn-for-people" in shown.stdout
    assert "vtn-for-people" in [load["name"] for load in json.loads(as_json.stdout)]
    announcement.close()
