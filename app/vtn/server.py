"""Starts and stops the embedded VTN in this process."""

from __future__ import annotations

import ipaddress
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from app.platform import AsgiServer
from app.vtn.announcement import Announcement
from app.vtn.callbacks import Callbacks
from app.vtn.credentials import EmbeddedCredentials
from app.vtn.errors import VtnStartError
from app.vtn.mqtt import MqttPublisher
from app.vtn.store import VtnStore
from app.vtn.tokens import LIFETIME_S, Tokens

if TYPE_CHECKING:
    from app.vtn.notifier import Notifier
    from app.vtn.webhooks import WebhookDelivery

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
NAME = "ven-fleet-vtn"
MAX_REQUESTS = 500
"""At a time."""
TELEMETRY_PROGRAM = {"programName": "telemetry"}
TELEMETRY_EVENT = {
    "eventName": "telemetry",
    "reportDescriptors": [
        {
            "payloadType": "READING",
            "frequency": 0,
            "repeat": -1,
            "reportIntervals": "OPEN_INTERVALS",
        }
    ],
}


class ServesApplication(Protocol):
    """What brings an ASGI application its requests."""

    @property
    def is_serving(self) -> bool: ...

    def listen(self) -> None: ...

    def serve(self, application: Any) -> None: ...

    def close(self) -> None: ...


class EmbeddedVtn:
    """A VTN with its state under `directory`. Building it does no I/O.

    On an empty start it holds one telemetry program with an untargeted event. `broker_url`: the
    MQTT broker that notifications are published to; None: none. `callbacks`: how webhooks are
    reached. `on_token` is told of every token with its client's id. `announce`: by mDNS. `server`:
    what else than a server at `host` and `port` brings it requests.
    """

    def __init__(
        self,
        *,
        directory: Path,
        port: int,
        host: str = HOST,
        callbacks: Callbacks | None = None,
        broker_url: str | None = None,
        broker_tls: bool | Path = True,
        token_lifetime_s: int = LIFETIME_S,
        on_token: Callable[[str, str], None] = lambda _client_id, _token: None,
        announce: bool = False,
        server: ServesApplication | None = None,
    ) -> None:
        self._directory = directory
        self.port = port
        self._host = host
        self.base_url = f"http://{_reached_at(host)}:{port}"
        self.store = VtnStore(directory / "vtn.db")
        self._server = server or AsgiServer(
            host=host, port=port, name="vtn", max_requests=MAX_REQUESTS
        )
        self._callbacks = callbacks or Callbacks()
        self.broker = (
            None if broker_url is None else MqttPublisher(broker_url, verify_tls=broker_tls)
        )
        self._token_lifetime_s = token_lifetime_s
        self._on_token = on_token
        self._announcement = (
            Announcement(name=NAME, port=port, interfaces=_announced_on(host)) if announce else None
        )
        self._tokens: Tokens | None = None
        self.webhooks: WebhookDelivery | None = None
        self._notifier: Notifier | None = None

    def start(self) -> None:
        """Listen; requests that come before the server is up wait for it. VtnStartError if not."""
        if self._server.is_serving:
            return
        # Here and not above: a process that starts no VTN does not pay for its web framework.
        from app.vtn.api import make_api
        from app.vtn.notifier import Notifier
        from app.vtn.objects import Objects
        from app.vtn.webhooks import WebhookDelivery

        try:
            self._server.listen()
        except OSError as error:
            raise VtnStartError(
                f"the embedded VTN cannot listen on {self._host}:{self.port}: {error.strerror};"
                " choose another VTN__EMBEDDED_PORT, or name a VTN with VTN__BASE_URL"
            ) from None
        try:
            credentials = EmbeddedCredentials.of(self._directory)
            self._fill_when_empty()
        except (ValueError, sqlite3.Error) as error:
            self._server.close()
            raise VtnStartError(f"the embedded VTN's state in {self._directory}: {error}") from None
        except OSError:
            self._server.close()
            raise
        self._tokens = Tokens(
            credentials, lifetime_s=self._token_lifetime_s, on_issue=self._on_token
        )
        self.webhooks = WebhookDelivery(self._callbacks)
        self._notifier = Notifier(
            store=self.store,
            webhooks=self.webhooks,
            broker=self.broker,
            bl_client_id=credentials.bl_client_id,
        )
        objects = Objects(self.store, verify=self._callbacks.verify, changed=self._notifier.changed)
        self._notifier.start(objects)
        self._server.serve(make_api(objects=objects, tokens=self._tokens, broker=self.broker))
        if self._announcement is not None:
            try:
                self._announcement.start()
            except OSError as error:
                logger.warning("VTN: it cannot be announced: %s", error.strerror or error)

    def _fill_when_empty(self) -> None:
        if not self.store.select("PROGRAM", limit=1):
            program = self.store.add("PROGRAM", dict(TELEMETRY_PROGRAM), name="telemetry")
            event = {**TELEMETRY_EVENT, "programID": program["id"]}
            self.store.add("EVENT", event, parent=program["id"])

    def close(self) -> None:
        """Stop listening and close the store. May be called again."""
        if self._announcement is not None:
            self._announcement.close()
        self._server.close()
        if self._notifier is not None:
            self._notifier.close()
            self._notifier = None
        self.store.close()


def _announced_on(host: str) -> tuple[str, ...]:
    """The addresses where it listens; none: all that this machine has."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return ()
    return () if address.is_unspecified else (str(address),)


def _reached_at(host: str) -> str:
    """How this machine reaches what listens there."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return HOST
    return f"[{host}]" if address.version == 6 else host
