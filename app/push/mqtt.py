"""Push by MQTT: which broker, which topics, one connection per identity (openadr.md, 'Push')."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from paho.mqtt.matcher import MQTTMatcher

from app.fleet import VEN
from app.mqtt import BrokerLoop, Login, Message, Session, tls_context
from app.openadr import (
    BrokerAddress,
    BrokerToken,
    MqttBinding,
    Notifiers,
    VtnClient,
    VtnError,
    broker_addresses,
    slug,
)
from app.platform import FanOut, LogOnce
from app.push.inbox import Inbox
from app.vens import PushTrust

logger = logging.getLogger(__name__)

SOURCE = "MQTT"
ANONYMOUS, OAUTH2, CERTIFICATE = "ANONYMOUS", "OAUTH2_BEARER_TOKEN", "CERTIFICATE"
OF_A_VEN = ("vens/{}", "vens/{}/events", "vens/{}/programs", "vens/{}/resources")


class BrokerConnection:
    """A connection to the broker, and the VENs that share it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.topics: dict[str, frozenset[str]] = {}
        """By VEN: the filters of its own."""
        self._matcher = MQTTMatcher()

    def serve(self, topics: Mapping[str, frozenset[str]]) -> frozenset[str]:
        """From now on with these topics for these VENs, too; all filters of the session."""
        self.topics = {**self.topics, **topics}
        by_filter: dict[str, list[str]] = {}
        for name, own in self.topics.items():
            for topic_filter in own:
                by_filter.setdefault(topic_filter, []).append(name)
        matcher = MQTTMatcher()
        for topic_filter, names in by_filter.items():
            matcher[topic_filter] = names
        self._matcher = matcher
        return frozenset(by_filter)

    def concerned(self, topic: str) -> set[str]:
        """The VENs that a topic is for."""
        return {name for names in self._matcher.iter_match(topic) for name in names}


class MqttPush:
    """Keeps VENs connected to their VTN's broker.

    `verify_tls`: as for HTTPS: True, False or a CA file. `plain_to`: hosts that may be reached
    without TLS; None: all. `room_for`: how many connections there may be, of so many.
    """

    def __init__(
        self,
        *,
        loop: BrokerLoop,
        inbox: Inbox,
        trust: PushTrust,
        program_ids: Callable[[str], frozenset[str]],
        client_for: Callable[[str], VtnClient],
        verify_tls: bool | Path,
        plain_to: Sequence[str] | None,
        fan_out: FanOut,
        room_for: Callable[[int], int],
        log_once: LogOnce,
    ) -> None:
        self._loop = loop
        self._room_for = room_for
        self._inbox = inbox
        self._trust = trust
        self._program_ids = program_ids
        self._client_for = client_for
        self._verify_tls = str(verify_tls) if isinstance(verify_tls, Path) else verify_tls
        self._plain_to = plain_to
        self._fan_out = fan_out
        self._connections: dict[object, BrokerConnection] = {}
        """Connections by broker identity; VENs with the same credentials share one."""
        self._served_as: dict[str, tuple[str | None, frozenset[str]]] = {}
        """By VEN: its id at the VTN, and its programs, as they were when it was served."""
        self._topics_of_ven: dict[str, tuple[str, frozenset[str]]] = {}
        """By VEN: its id at the VTN, and its own topics."""
        self._of_program: dict[str, frozenset[str]] = {}
        self._connected_to: tuple[frozenset[BrokerAddress], str, str] | None = None
        self._run_id = secrets.token_hex(4)
        self._tls: ssl.SSLContext | None = None
        self._log_once = log_once
        self._without_room: set[str] = set()
        """VENs for whose connection there was no room."""

    def serve(self, vens: Sequence[VEN], notifiers: Notifiers) -> None:
        """Connect what is not connected yet, and subscribe to what is new. Raises VtnError."""
        binding = notifiers.mqtt
        if binding is None:
            self._start_over()
            return
        addresses = broker_addresses(binding.uris, plain_to=self._plain_to)
        problem = self._problem(binding, addresses)
        if problem is not None:
            self._start_over()
            self._say(problem)
            return
        wanted = frozenset(addresses), binding.method, binding.username
        if wanted != self._connected_to:
            self._start_over()
            self._connected_to = wanted
        new = [ven for ven in vens if self._served_as.get(ven.ven_name) != self._state(ven)]
        outcomes = self._fan_out(new, self._topics, failure=VtnError)
        by_identity: dict[object, dict[str, frozenset[str]]] = {}
        first_of: dict[object, VEN] = {}
        for ven, outcome in outcomes:
            if isinstance(outcome, VtnError):
                self._served_as.pop(ven.ven_name, None)
                self._trust.lost(SOURCE, [ven.ven_name])
                continue
            self._served_as[ven.ven_name] = self._state(ven)
            if not outcome:
                self._trust.lost(SOURCE, [ven.ven_name])
                self._say("push: the VTN names no MQTT topics to its VENs")
                continue
            anonymous = _method(binding) == ANONYMOUS
            identity = None if anonymous else self._client_for(ven.ven_name).identity
            by_identity.setdefault(identity, {})[ven.ven_name] = outcome
            first_of.setdefault(identity, ven)
        unknown = [identity for identity in by_identity if identity not in self._connections]
        room = self._room_for(len(self._connections) + len(unknown)) - len(self._connections)
        for identity in unknown[: max(0, room)]:
            self._connections[identity] = self._connection(first_of[identity], addresses, binding)
        without = set(self._without_room)
        for identity, topics in by_identity.items():
            if identity in self._connections:
                self._connect(self._connections[identity], topics)
            else:
                self._trust.lost(SOURCE, topics)
                without.update(topics)
        if without > self._without_room:
            self._without_room = without
            logger.warning(
                "push: %d VENs go without and are polled: this process may not open more files"
                " and connections; raise its limit (ulimit -n, LimitNOFILE)",
                len(without),
            )
        errors = [outcome for _, outcome in outcomes if isinstance(outcome, VtnError)]
        if errors:
            raise errors[0]

    def _start_over(self) -> None:
        """The VTN names another broker, or another way to connect: nothing of before holds."""
        for connection in self._connections.values():
            self._loop.remove(connection.session)
            self._trust.lost(SOURCE, connection.topics)
        for kept in (self._connections, self._served_as, self._topics_of_ven, self._of_program):
            kept.clear()
        self._connected_to = None
        self._without_room = set()

    def _state(self, ven: VEN) -> tuple[str | None, frozenset[str]]:
        return ven.vtn_ven_id, self._program_ids(ven.ven_name)

    def _connect(self, connection: BrokerConnection, topics: Mapping[str, frozenset[str]]) -> None:
        begins = not connection.topics
        self._trust.require(SOURCE, topics)
        filters = connection.serve(topics)
        if begins:
            connection.session.filters = filters
            self._loop.add(connection.session)
        else:
            self._loop.subscribe(connection.session, filters)

    def close(self, timeout_s: float = 1.0) -> None:
        """Disconnect. May be called again."""
        self._loop.close(timeout_s)

    def _problem(self, binding: MqttBinding, addresses: Sequence[BrokerAddress]) -> str | None:
        if not addresses:
            return (
                f"push: the VTN's broker {_shown(binding.uris) or 'without a URI'} is not used:"
                " it has to be mqtts, or on this machine (see VTN__ALLOW_HTTP)"
            )
        if _method(binding) not in (ANONYMOUS, OAUTH2, CERTIFICATE):
            return f"push: the VTN's broker wants {binding.method}, which is not known"
        return None

    def _topics(self, ven: VEN) -> frozenset[str]:
        """What a VEN wants to hear: of its own, and of its programs."""
        client = self._client_for(ven.ven_name)
        programs = self._program_ids(ven.ven_name)
        return self._own_topics(ven, client).union(
            *(self._topics_of_program(program, client) for program in programs)
        )

    def _own_topics(self, ven: VEN, client: VtnClient) -> frozenset[str]:
        known = self._topics_of_ven.get(ven.ven_name)
        if known is not None and known[0] == ven.vtn_ven_id:
            return known[1]
        named = [client.topics(pattern.format(ven.vtn_ven_id)) for pattern in OF_A_VEN]
        topics = {topic for names in named for topic in names}
        # openleadr names events/vens/{id}/… and publishes below the ven's own topic.
        topics |= {topic[:-1] + "#" for topic in named[0] if topic.endswith("/+")}
        self._topics_of_ven[ven.ven_name] = str(ven.vtn_ven_id), frozenset(topics)
        return frozenset(topics)

    def _topics_of_program(self, program_id: str, client: VtnClient) -> frozenset[str]:
        known = self._of_program.get(program_id, frozenset())
        if not known:  # what one VEN is not told another may be
            known = frozenset(client.topics(f"programs/{program_id}/events"))
            self._of_program[program_id] = known
        return known

    def _connection(
        self, ven: VEN, addresses: Sequence[BrokerAddress], binding: MqttBinding
    ) -> BrokerConnection:
        """A connection for this VEN and all that show the same to the broker."""
        client = self._client_for(ven.ven_name)

        def login() -> Login:
            token = client.broker_token() if _method(binding) == OAUTH2 else None
            return _login(token, binding, ven)

        def received(message: Message) -> None:
            names = connection.concerned(message.topic)
            if names:
                self._inbox.put(
                    names, message.body, topic=message.topic, is_old=message.is_retained
                )
            else:
                self._inbox.count("not_ours")

        def subscribed(confirmed: frozenset[str]) -> None:
            if names := self._trust.confirmed(SOURCE, list(connection.topics), confirmed):
                self._inbox.ask(names)  # what they missed is not known
                self._say(None)

        def disconnected(reason: str) -> None:
            self._inbox.count("no_connection")
            self._trust.interrupted(SOURCE, list(connection.topics))
            self._say(f"push: no connection to {session.address}: {reason}")

        session = Session(
            addresses=addresses,
            client_id=_client_id(ven.ven_name, self._run_id),
            tls=lambda address: self._context(address, binding, client),
            login=login,
            refused=lambda login: client.refuse_token(login.password or ""),
            on_message=received,
            on_subscribed=subscribed,
            on_disconnected=disconnected,
        )
        connection = BrokerConnection(session)
        return connection

    def _context(
        self, address: BrokerAddress, binding: MqttBinding, client: VtnClient
    ) -> ssl.SSLContext | None:
        if not address.tls:
            return None
        if _method(binding) == CERTIFICATE:
            own = client.notifiers().mqtt or binding  # each VEN has its own, and a new one in time
            return tls_context(
                verify=self._verify_tls,
                ca=own.ca_cert,
                certificate=own.client_cert,
                key=own.client_key,
            )
        if self._tls is None:
            self._tls = tls_context(verify=self._verify_tls)
        return self._tls

    def _say(self, problem: str | None) -> None:
        """When it begins, and its end: not for each VEN, nor for each reason."""
        same = None if problem is None else "push by MQTT has a problem"
        self._log_once.problem(
            logger, "push by MQTT", same, line=problem or "", recovered="push: connected again"
        )


def _client_id(ven_name: str, run_id: str) -> str:
    """Readable, and another one for each name: a broker closes the older of two."""
    return f"{slug(ven_name)[:80]}-{hashlib.sha256(ven_name.encode()).hexdigest()[:8]}-{run_id}"


def _shown(uris: Sequence[str]) -> str:
    """Without user and password."""
    return ", ".join(re.sub(r"//.*@", "//", uri) for uri in uris)


def _method(binding: MqttBinding) -> str:
    """openleadr writes OAUTH2BEARERTOKEN."""
    return OAUTH2 if binding.method.replace("_", "") == "OAUTH2BEARERTOKEN" else binding.method


def _login(token: BrokerToken | None, binding: MqttBinding, ven: VEN) -> Login:
    if token is None:
        return Login()
    client_id = token.client_id or slug(ven.ven_name)
    return Login(
        username=binding.username.replace("{clientID}", client_id),
        password=token.token,
        renew_at_s=token.renew_at_s,
    )
