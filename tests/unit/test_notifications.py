"""What a VTN says of its notifiers, and what it tells, read leniently."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.openadr import WireError, broker_addresses, read_notification
from app.openadr.notifiers import read_notifiers, read_topics

EVENT = {"id": "e", "programID": "p", "objectType": "EVENT"}


def told(wire: Any, topic: str = "") -> tuple[str, str]:
    notification = read_notification(orjson.dumps(wire), topic)
    return notification.kind, notification.operation


class TestNotifications:
    @pytest.mark.parametrize(
        ("operation", "read"),
        [("CREATE", "CREATE"), ("POST", "CREATE"), ("PUT", "UPDATE"), ("delete", "DELETE")],
    )
    def test_operations_of_either_version(self, operation: str, read: str) -> None:
        wire = {"objectType": "EVENT", "operation": operation, "object": EVENT}

        assert told(wire) == ("EVENT", read)

    def test_an_object_on_its_own_is_what_its_topic_says(self) -> None:
        assert told(EVENT, "openadr3/events/update") == ("EVENT", "UPDATE")

    @pytest.mark.parametrize(
        ("wire", "kind"),
        [
            ({"programName": "x"}, "PROGRAM"),
            ({"programID": "x"}, "EVENT"),
            ({"venName": "x"}, "VEN"),
            ({"resourceName": "x", "venID": "y"}, "RESOURCE"),
        ],
    )
    def test_objects_without_a_type_are_told_apart_by_their_names(
        self, wire: dict[str, Any], kind: str
    ) -> None:
        assert told({"operation": "CREATE", "object": {"id": "x", **wire}}) == (kind, "CREATE")

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"{", "not JSON"),
            (b"[]", "not an object"),
            (b'{"objectType":"EVENT","object":{}}', "without an operation"),
            (b'{"operation":"CREATE","object":{"id":"x"}}', "without an objectType"),
            (b'{"operation":"READ","objectType":"EVENT","object":{}}', "without an operation"),
        ],
    )
    def test_what_cannot_be_read_is_named(self, body: bytes, words: str) -> None:
        with pytest.raises(WireError, match=words):
            read_notification(body)

    @given(
        st.binary()
        | st.builds(
            orjson.dumps,
            st.recursive(
                st.none() | st.booleans() | st.integers(-9, 9) | st.text(),
                lambda inner: (
                    st.lists(inner)
                    | st.dictionaries(
                        st.sampled_from(["object", "operation", "objectType", "id"]) | st.text(),
                        inner,
                    )
                ),
            ),
        )
    )
    def test_anything_is_read_or_refused(self, body: bytes) -> None:
        try:
            notification = read_notification(body)
        except WireError:
            return
        assert notification.operation in ("CREATE", "UPDATE", "DELETE")


class TestNotifiers:
    def test_what_the_specification_shows(self) -> None:
        read = read_notifiers(
            {
                "WEBHOOK": True,
                "MQTT": {
                    "URIS": ["mqtts://broker.example"],
                    "serialization": "JSON",
                    "authentication": {"method": "OAUTH2_BEARER_TOKEN", "username": "{clientID}"},
                },
            }
        )

        assert read.webhook
        assert read.mqtt is not None
        assert (read.mqtt.uris, read.mqtt.method) == (
            ("mqtts://broker.example",),
            "OAUTH2_BEARER_TOKEN",
        )

    def test_certificates_are_secrets(self) -> None:
        how = {"method": "CERTIFICATE", "caCert": "c", "clientCert": "c", "clientKey": "precious"}

        read = read_notifiers({"MQTT": {"URIS": [], "authentication": how}})

        assert read.mqtt is not None
        assert read.mqtt.client_key == "precious"
        assert "precious" not in repr(read)

    @pytest.mark.parametrize("wire", [None, [], {}, {"WEBHOOK": "yes", "MQTT": "no"}])
    def test_what_cannot_be_read_is_not_there(self, wire: Any) -> None:
        read = read_notifiers(wire)

        assert not read.webhook
        assert read.mqtt is None

    def test_every_topic_that_is_named(self) -> None:
        """Also beside ALL: one known VTN publishes only to the single operations."""
        each = {"CREATE": "a/create", "UPDATE": "a/update", "DELETE": "a/delete"}

        assert read_topics({"topics": {**each, "ALL": "a/+"}}) == ("a/+", *each.values())
        assert read_topics({"topics": dict.fromkeys([*each, "ALL"], "a")}) == ("a",)
        assert read_topics({"topics": each}) == ("a/create", "a/update", "a/delete")
        assert read_topics({"topics": {"UPDATE": "a/update"}}) == ("a/update",)
        assert read_topics({"topics": None}) == ()

    def test_plain_mqtt_stays_on_this_machine(self) -> None:
        uris = [
            "ws://broker.example",
            "mqtt://broker.example",
            "MQTTS://user:secret@Broker.Example",
            "mqtt://127.0.0.1:1884",
            "mqtt://127.0.0.1:nine",
            "mqtts://",
        ]

        def usable(plain_to: tuple[str, ...] | None) -> list[str]:
            return [
                str(broker_address) for broker_address in broker_addresses(uris, plain_to=plain_to)
            ]

        assert usable(("127.0.0.1",)) == ["mqtts://broker.example:8883", "mqtt://127.0.0.1:1884"]
        assert usable(None) == [
            "mqtt://broker.example:1883",
            "mqtts://broker.example:8883",
            "mqtt://127.0.0.1:1884",
        ]

    @pytest.mark.parametrize("topic", ["", "a/#/b", "a/b+", "a\0b", "a" * 20_000, 7])
    def test_topics_that_no_broker_takes_are_left_out(self, topic: Any) -> None:
        assert read_topics({"topics": {"ALL": topic}}) == ()
