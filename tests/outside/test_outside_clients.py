"""Clients that others wrote use the embedded VTN, as business logic and as VEN."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from app.vtn import EmbeddedCredentials, EmbeddedVtn
from tests.outside.environments import environment
from tests.support.callback import Callback

HERE = Path(__file__).parent
BASE_301 = "/openadr3/3.0.1"


@pytest.fixture
def vtn(calling_vtn: EmbeddedVtn) -> EmbeddedVtn:
    return calling_vtn


@pytest.mark.parametrize(("version", "base"), [("3.1.0", ""), ("3.0.1", BASE_301)])
def test_openadr3_client(
    vtn: EmbeddedVtn, hook: Callback, tmp_path: Path, version: str, base: str
) -> None:
    python = environment("openadr3-client==2.4.2", python=(3, 12))

    done = run(
        python, "openadr3_client_session.py", vtn, hook, tmp_path, base, "--version", version
    )

    assert done[-1] == "everything is deleted and gone"
    assert hook.challenged == 2


def test_toadr3(vtn: EmbeddedVtn, hook: Callback, tmp_path: Path) -> None:
    python = environment("toadr3==0.29.0", python=(3, 11))

    done = run(python, "toadr3_session.py", vtn, hook, tmp_path, BASE_301)

    assert done[-1] == "everything is deleted and gone"
    assert hook.challenged == 2


def run(
    python: Path,
    script: str,
    vtn: EmbeddedVtn,
    hook: Callback,
    tmp_path: Path,
    base: str,
    *arguments: str,
) -> list[str]:
    """A session; what it did, or a failure with its words."""
    secrets = EmbeddedCredentials.of(tmp_path / "data" / "vtn")
    command = [
        *(str(python), str(HERE / script)),
        *("--base-url", vtn.base_url + base, "--token-url", f"{vtn.base_url}/auth/token"),
        *("--bl-id", secrets.bl_client_id, "--ven-id", "ven-of-others"),
        *("--callback-url", hook.url, *arguments),
    ]
    ended = subprocess.run(
        command,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "BL_SECRET": secrets.bl_client_secret,
            "VEN_SECRET": secrets.ven_secret,
        },
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return list(json.loads(ended.stdout))
