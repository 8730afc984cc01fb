"""Connections to the broker of an actuator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.actuation.actuators import MqttActuator
from app.mqtt import Message, Publishing, Session


def session_of(
    actuator: MqttActuator,
    *,
    folder: Path,
    client_id: str,
    hears: str,
    on_message: Callable[[Message], None],
    on_subscribed: Callable[[frozenset[str]], None],
    on_disconnected: Callable[[str | None], None],
    publishing: Publishing,
) -> Session:
    """One that is not connected yet. `folder`: to which the file's paths are relative; `hears`: the
    one filter that it subscribes to."""
    session = Session(
        addresses=[actuator.address],
        client_id=client_id,
        tls=lambda _: actuator.tls(folder),
        login=lambda: actuator.login(folder),
        refused=lambda _: None,  # its password is read again with the next connection
        on_message=on_message,
        on_subscribed=on_subscribed,
        on_disconnected=on_disconnected,
        publishing=publishing,
        keep_alive_s=actuator.keep_alive_s,
        has_fixed_id=True,
    )
    session.filters = frozenset({hears})
    return session
