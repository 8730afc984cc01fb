"""Reads messages as measurements, by what the file of sources says of their topics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from paho.mqtt.matcher import MQTTMatcher

from app.intake.files import refuse_negative
from app.intake.instant_rows import InstantRows, finite_number
from app.intake.lenient_json import loads
from app.intake.measurement import Measurements, MeterName, Refusals, SeriesKey
from app.intake.mqtt.inbox import Incoming
from app.intake.mqtt.instants import instant_us
from app.intake.mqtt.together import TOGETHER_US, Group, Together, needed
from app.intake.sources import MqttSource
from app.intake.topics import DEVICE, FIELD, MessageValue, Topic
from app.intake.units import Ratio, is_unit_of, ratio
from app.mqtt import Message

logger = logging.getLogger(__name__)
MAX_MESSAGE_BYTES = 64 << 10
MAX_KNOWN = 100_000
"""Topics that are remembered from message to message, and fields that keep their values."""
MAX_REMEMBERED = 512
"""Characters of such a topic."""
MAX_DEVICE = 256
ABSENT = object()


@dataclass(kw_only=True)
class MessagesRead:
    """What messages came to."""

    measurements: Measurements | None
    """None: there is none."""
    topics: Sequence[str]
    """The topic of each value."""
    refused: Refusals
    """What is no measurement; where it was heard stands in `file`."""
    ignored: int
    """Messages that say nothing of what is asked for."""


class _Column(NamedTuple):
    """A value of a shape of topics."""

    value: MessageValue
    pointer: tuple[str, ...]
    minus: tuple[str, ...] | None
    ratio: Ratio | None
    """None: its unit is said by a message."""


class _Route(NamedTuple):
    """A shape of topics, and what its messages mean."""

    topic: Topic
    device_at: int | None
    field_at: int | None
    columns: Sequence[_Column]
    time: tuple[str, ...] | None
    parts: frozenset[str]
    """The fields that are put together."""


class _Place(NamedTuple):
    """What a topic is to a route."""

    route: _Route
    device: str
    field: str
    keys: Sequence[SeriesKey]


class MessageReader:
    """Reads the messages of one source. Used by one thread."""

    def __init__(self, source: MqttSource) -> None:
        self._zone = source.zone
        self._matcher = MQTTMatcher()
        by_filter: dict[str, list[_Route]] = {}
        for topic in source.topics:
            by_filter.setdefault(topic.topic_filter, []).append(_route(topic))
        for topic_filter, routes in by_filter.items():
            self._matcher[topic_filter] = routes
        self._places: dict[str, list[_Place]] = {}
        self._together = Together()
        self._kept_values: dict[tuple[int, str], dict[str, Message]] = {}
        """Of topics with changes only, by device: the last message of each field."""
        self._rows = InstantRows()
        self._refused = Refusals()
        self._ignored = 0

    @property
    def waits(self) -> bool:
        """Whether some messages wait for others that belong to them."""
        return self._together.has_any

    def read(self, messages: Iterable[Incoming], idle_us: int | None = None) -> MessagesRead:
        """What these messages come to, and what is complete by them.

        Those that wait for others are not settled. `idle_us`: until when nothing else came; None:
        more may have come.
        """
        self._rows, self._refused, self._ignored = InstantRows(), Refusals(), 0
        for incoming in messages:
            topic = incoming.message.topic
            places = [
                place
                for place in self._places_of(topic)
                if place.route.topic.is_timed == incoming.is_kept
            ]
            if not places:
                self._ignored += 1
            for place in places:
                self._guarded(topic, self._of_message, incoming, place)
            incoming.is_read = True
        if idle_us is not None:
            for group in self._together.close_begun_before(idle_us - TOGETHER_US):
                self._guarded(group.topic.topic, self._of_group, group)
        return MessagesRead(
            measurements=self._rows.measurements(),
            topics=self._rows.places,
            refused=self._refused,
            ignored=self._ignored,
        )

    def _guarded(self, topic: str, work: Callable[..., None], *args: Any) -> None:
        """One message does not hold back the others."""
        try:
            work(*args)
        except Exception:
            logger.exception("MQTT: a message on %s is not read", topic[:MAX_REMEMBERED])
            self._refuse(topic, "a defect: see the log")

    def _places_of(self, topic: str) -> list[_Place]:
        places = self._places.get(topic)
        if places is None:
            levels = topic.split("/")
            places = [
                place
                for routes in self._matcher.iter_match(topic)
                for route in routes
                if (place := _place(route, levels)) is not None
            ]
            if len(self._places) >= MAX_KNOWN:
                self._places = {}
            if len(topic) <= MAX_REMEMBERED:
                self._places[topic] = places
        return places

    def _of_message(self, incoming: Incoming, place: _Place) -> None:
        message, route = incoming.message, place.route
        is_of_any_time = message.is_retained and not (route.topic.is_timed and not place.field)
        if is_of_any_time or not message.body:
            self._ignored += 1  # the latter takes back what was retained
        elif len(message.body) > MAX_MESSAGE_BYTES:
            self._refuse(message.topic, f"it is larger than {MAX_MESSAGE_BYTES >> 10} KiB")
        elif route.field_at is not None:
            groups = (
                self._together.add(route.topic, place.device, place.field, incoming)
                if place.field in route.parts
                else None
            )
            if groups is None:
                self._ignored += 1
            for group in groups or ():
                self._of_group(group)
        else:
            self._of_whole(incoming, place)

    def _of_whole(self, incoming: Incoming, place: _Place) -> None:
        """A message that says everything."""
        topic, route = incoming.message.topic, place.route
        try:
            document = _document(incoming.message.body, route)
        except ValueError as error:
            self._refuse(topic, str(error))
            return
        found = [
            (column, key, said)
            for column, key in zip(route.columns, place.keys, strict=True)
            if (said := _said(document, column)) is not ABSENT
        ]
        if not found:
            self._ignored += 1
            return
        at_us = incoming.came_us
        if route.time is not None:
            try:
                said = _at(document, route.time)
                if said is ABSENT:
                    raise ValueError("it has values and no time")
                at_us = instant_us(said, route.topic.time_unit, self._zone, incoming)
            except ValueError as error:
                self._refuse(topic, str(error), count=len(found))
                return
        for column, key, said in found:
            self._add(key, at_us, said, column.ratio, topic)

    def _of_group(self, group: Group) -> None:
        """Messages that were put together."""
        first = next(iter(group.messages.values()))
        place = next(
            each for each in self._places_of(first.message.topic) if each.route.topic is group.topic
        )
        said = {name: each.message._replace(delivery=None) for name, each in group.messages.items()}
        if group.topic.only_changes:
            said = self._kept_values.setdefault((id(group.topic), group.device), {}) | said
            if len(self._kept_values) > MAX_KNOWN:
                self._kept_values = {}
            self._kept_values[id(group.topic), group.device] = said
        values = [
            (column, key, said[column.value.field])
            for column, key in zip(place.route.columns, place.keys, strict=True)
            if column.value.field in said
        ]
        if not values:
            self._ignored += len(said)
            return
        topic = values[0][2].topic
        try:
            at_us, unit = first.came_us, ""
            if group.topic.time_field:
                time = _text(_part(said, group.topic.time_field).body)
                at_us = instant_us(time, group.topic.time_unit, self._zone, first)
            if group.topic.unit_field and not all(column.ratio for column, _, _ in values):
                told = said.get(group.topic.unit_field)
                unit = "" if told is None else _text(told.body)
                if not any(is_unit_of(unit, column.value.quantity) for column, _, _ in values):
                    self._ignored += len(said)  # a sensor of something else, or a text
                    return
            for column, key, message in values:
                of_unit = column.ratio or ratio(unit, column.value.quantity)
                self._add(key, at_us, _text(message.body), of_unit, message.topic)
        except ValueError as error:
            self._refuse(topic, str(error), count=len(values))

    def _add(
        self, key: SeriesKey, at_us: int, said: Any, of_unit: Ratio | None, topic: str
    ) -> None:
        try:
            value = finite_number(said)
            if value is not None and of_unit is not None:
                refuse_negative(value, key)
                self._rows.add(key, at_us, value * of_unit.multiplied / of_unit.divided, topic)
        except ValueError as error:
            self._refuse(topic, f"value: {error}")

    def _refuse(self, topic: str, reason: str, *, count: int = 1) -> None:
        one = Refusals()
        one.add(0, "", reason, count=count)
        self._refused.extend(one, file=topic)


def _route(topic: Topic) -> _Route:
    levels = topic.levels
    return _Route(
        topic=topic,
        device_at=levels.index(DEVICE) if DEVICE in levels else None,
        field_at=levels.index(FIELD) if FIELD in levels else None,
        columns=[
            _Column(
                value=value,
                pointer=_tokens(value.pointer),
                minus=_tokens(value.minus) if value.minus else None,
                ratio=ratio(value.unit, value.quantity) if value.unit else None,
            )
            for value in topic.values
        ],
        time=None if topic.time is None else _tokens(topic.time),
        parts=frozenset(needed(topic)),
    )


def _place(route: _Route, levels: Sequence[str]) -> _Place | None:
    device = route.topic.device if route.device_at is None else levels[route.device_at]
    if not 0 < len(device) <= MAX_DEVICE:
        return None
    meter = MeterName(device=device)
    return _Place(
        route=route,
        device=device,
        field="" if route.field_at is None else levels[route.field_at],
        keys=[
            SeriesKey(meter, each.quantity, each.direction, each.channel)
            for each in route.topic.values
        ],
    )


def _tokens(pointer: str) -> tuple[str, ...]:
    """Of a JSON pointer (RFC 6901, 4)."""
    parts = pointer.split("/")[1:]
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


def _at(document: Any, pointer: Sequence[str]) -> Any:
    """What stands there; ABSENT: nothing does."""
    for token in pointer:
        if isinstance(document, dict):
            if token not in document:
                return ABSENT
            document = document[token]
        elif isinstance(document, list) and token.isdecimal() and int(token) < len(document):
            document = document[int(token)]
        else:
            return ABSENT
    return document


def _said(document: Any, column: _Column) -> Any:
    """A value, less what is taken from it; ABSENT: it is not there."""
    said = _at(document, column.pointer)
    if column.minus is None or said is ABSENT:
        return said
    less = _at(document, column.minus)
    if less is ABSENT:
        return said if column.value.minus_may_be_absent else ABSENT
    for part in (said, less):
        try:
            if finite_number(part) is None:
                return None
        except ValueError:
            return part  # and is refused as a value
    return float(said) - float(less)


def _document(body: bytes, route: _Route) -> Any:
    """ValueError: it is no JSON, or no text."""
    if any(column.pointer for column in route.columns) or route.time:
        try:
            return loads(body)
        except (ValueError, RecursionError):
            raise ValueError("it is no JSON") from None
    return _text(body)


def _text(body: bytes) -> str:
    """Of a message that is one value, or a JSON string of it."""
    try:
        text = body.decode().strip()
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(loads(text.encode()))
        except ValueError:
            return text[1:-1]
    return text


def _part(said: Mapping[str, Any], name: str) -> Any:
    if name not in said:
        raise ValueError(f"no {name} came with it")
    return said[name]
