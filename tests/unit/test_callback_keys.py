"""Paths and tokens of callbacks: the same over restarts, another for each VEN, never guessed."""

from __future__ import annotations

from pathlib import Path

from app.push import CallbackKeys
from app.push.callback_keys import FILE, KEY_BYTES


def shown(directory: Path, ven_name: str) -> tuple[str, str]:
    keys = CallbackKeys(directory)
    return keys.path(ven_name), keys.token(ven_name)


def test_they_stay_over_restarts(tmp_path: Path) -> None:
    assert shown(tmp_path, "Aarhus") == shown(tmp_path, "Aarhus")


def test_each_ven_and_each_installation_has_its_own(tmp_path: Path) -> None:
    all_of_them = {
        *shown(tmp_path, "Aarhus"),
        *shown(tmp_path, "Aalborg"),
        *shown(tmp_path / "elsewhere", "Aarhus"),
    }

    assert len(all_of_them) == 6


def test_the_secret_is_private(tmp_path: Path) -> None:
    shown(tmp_path / "data", "Aarhus")

    assert (tmp_path / "data" / FILE).stat().st_mode & 0o777 == 0o600


def test_half_a_secret_is_not_used(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"")

    path, token = shown(tmp_path, "Aarhus")

    assert len((tmp_path / FILE).read_bytes()) == KEY_BYTES
    assert (path, token) == shown(tmp_path, "Aarhus")
