"""How a VTN tells of changes: notifiers, MQTT topics, subscriptions, notifications.

OpenADR 3.1.0, Definition, 'Notifications via Additional Protocols' and 'Subscriptions'; openadr.md,
'Push'. Read as leniently as all else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from app.openadr.errors import WireError
from app.openadr.fields import Wire

OPERATIONS = {"POST": "CREATE", "PUT": "UPDATE", "GET": "READ"}
"""What 3.0.1 calls them."""
KINDS = ("PROGRAM", "EVENT", "REPORT", "SUBSCRIPTION", "VEN", "RESOURCE")
TOLD_OF = ("EVENT", "PROGRAM", "VEN", "RESOURCE")
"""What a VEN subscribes to: what it is asked, and the targets that it is granted."""
BROKER_PORTS = {"mqtt": 1883, "mqtts": 8883}
CHANGES = ("CREATE", "UPDATE", "DELETE")


@dataclass(frozen=True, kw_only=True)
class BrokerAddress:
    """Where an MQTT broker listens."""

    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, uri: str) -> BrokerAddress:
        """Of an `mqtt` or `mqtts` URI; user and password in it do not count. ValueError."""
        parts = urlsplit(uri)
        if parts.scheme not in BROKER_PORTS or not parts.hostname or parts.port == 0:
            raise ValueError("must be a URL that begins with mqtt:// or mqtts:// and a host")
        port = parts.port or BROKER_PORTS[parts.scheme]
        return cls(host=parts.hostname, port=port, tls=parts.scheme == "mqtts")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt{'s' if self.tls else ''}://{host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class MqttBinding:
    """3.1.0 mqttNotifierBindingObject."""

    uris: tuple[str, ...]
    method: str
    """ANONYMOUS, OAUTH2_BEARER_TOKEN or CERTIFICATE."""
    username: str = "{clientID}"
    """Of OAUTH2_BEARER_TOKEN; `{clientID}` stands for the client's own."""
    ca_cert: str | None = field(default=None, repr=False)
    """PEM, as the three below: of CERTIFICATE."""
    client_cert: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Notifiers:
    """3.1.0 notifiersResponse: how this VTN tells of changes."""

    webhook: bool = False
    mqtt: MqttBinding | None = None


@dataclass(frozen=True, kw_only=True)
class Notification:
    """What a VTN tells: something happened to an object."""

    kind: str
    """EVENT, PROGRAM, …"""
    operation: str
    """CREATE, UPDATE or DELETE."""
    object: Wire


@dataclass(frozen=True, kw_only=True)
class VtnSubscription:
    """A subscription of this VEN at the VTN."""

    subscription_id: str
    program_id: str | None
    callback_urls: frozenset[str]


def read_notifiers(wire: Any) -> Notifiers:
    """What GET /notifiers answers; what cannot be read is not there."""
    if not isinstance(wire, Mapping):
        return Notifiers()
    return Notifiers(webhook=wire.get("WEBHOOK") is True, mqtt=_binding(wire.get("MQTT")))


def _binding(wire: Any) -> MqttBinding | None:
    if not isinstance(wire, Mapping):
        return None
    how = wire.get("authentication")
    how = how if isinstance(how, Mapping) else {}
    uris = wire.get("URIS")
    texts = {name: value for name, value in how.items() if isinstance(value, str) and value}
    return MqttBinding(
        uris=tuple(uri for uri in uris if isinstance(uri, str)) if isinstance(uris, list) else (),
        method=texts.get("method", "ANONYMOUS"),
        username=texts.get("username", "{clientID}"),
        ca_cert=texts.get("caCert"),
        client_cert=texts.get("clientCert"),
        client_key=texts.get("clientKey"),
    )


def read_topics(wire: Any) -> tuple[str, ...]:
    """The topic filters of a notifierTopicsResponse: ALL, and every operation that is named.

    Some VTNs name ALL and publish to the single operations only (openadr.md, 'Push').
    """
    topics = wire.get("topics") if isinstance(wire, Mapping) else None
    if not isinstance(topics, Mapping):
        return ()
    named = [topics.get(operation) for operation in ("ALL", *CHANGES)]
    usable = [topic for topic in named if isinstance(topic, str) and _is_filter(topic)]
    return tuple(dict.fromkeys(usable))


def _is_filter(topic: str) -> bool:
    """Whether a broker can take it (MQTT 3.1.1, 4.7)."""
    levels = topic.split("/")
    alone = all(level in ("+", "#") or not {"+", "#"} & set(level) for level in levels)
    ends = "#" not in levels[:-1]
    return bool(topic) and "\0" not in topic and len(topic) < 16_384 and alone and ends


def read_notification(body: bytes, topic: str = "") -> Notification:
    """A notification, or an object on its own as some VTNs send it. WireError.

    `topic`: of an object on its own, its end names the operation.
    """
    try:
        wire = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise WireError("a notification that is not JSON") from None
    if not isinstance(wire, Mapping):
        raise WireError("a notification that is not an object")
    changed = wire.get("object")
    if isinstance(changed, Mapping):
        operation = str(wire.get("operation", "")).upper()
        kind = wire.get("objectType") or changed.get("objectType") or _kind(changed)
    else:
        changed = wire
        operation = topic.rpartition("/")[2].upper()
        kind = wire.get("objectType") or _kind(wire)
    operation = OPERATIONS.get(operation, operation)
    if operation not in CHANGES:
        raise WireError("a notification without an operation")
    if kind not in KINDS:
        raise WireError("a notification without an objectType")
    return Notification(kind=str(kind), operation=operation, object=changed)


def _kind(wire: Wire) -> str | None:
    """openleadr leaves objectType out of objects; their names tell them apart."""
    for name, kind in (
        ("programName", "PROGRAM"),
        ("resourceName", "RESOURCE"),
        ("venName", "VEN"),
        ("clientName", None),
        ("programID", "EVENT"),
    ):
        if name in wire:
            return kind
    return None


def read_subscription(wire: Wire) -> VtnSubscription:
    """A subscription object; WireError without an id."""
    subscription_id = wire.get("id")
    if not isinstance(subscription_id, str) or not subscription_id:
        raise WireError("subscription without a usable id")
    operations = wire.get("objectOperations")
    program_id = wire.get("programID")
    return VtnSubscription(
        subscription_id=subscription_id,
        program_id=program_id if isinstance(program_id, str) and program_id else None,
        callback_urls=frozenset(
            str(each.get("callbackUrl"))
            for each in (operations if isinstance(operations, list) else ())
            if isinstance(each, Mapping)
        ),
    )


def subscription(
    *, client_name: str, callback_url: str, token: str, program_id: str | None
) -> Mapping[str, Any]:
    """The body of a subscription to all that concerns a VEN."""
    body: dict[str, Any] = {
        "clientName": client_name,
        "objectOperations": [
            {
                "objects": list(TOLD_OF),
                "operations": list(CHANGES),
                "callbackUrl": callback_url,
                "bearerToken": token,
            }
        ],
    }
    return body if program_id is None else {**body, "programID": program_id}


def broker_addresses(
    uris: Sequence[str], *, plain_to: Sequence[str] | None
) -> tuple[BrokerAddress, ...]:
    """Those that may be used: with TLS, or at one of these hosts without (None: at any)."""
    found = []
    for uri in uris:
        try:
            address = BrokerAddress.of(uri)
        except ValueError:
            continue
        if address.tls or plain_to is None or address.host in plain_to:
            found.append(address)
    return tuple(found)
