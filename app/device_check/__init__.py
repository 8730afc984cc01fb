"""Whether a device keeps the device contract: run against the device by whoever makes it."""

from app.device_check.checks import Checks, Finding, Link
from app.device_check.errors import LinkError
from app.device_check.http_link import HttpLink
from app.device_check.mqtt_link import MqttLink
from app.device_check.seen import Observed, connection_findings

__all__ = [
    "Checks",
    "Finding",
    "HttpLink",
    "Link",
    "LinkError",
    "MqttLink",
    "Observed",
    "connection_findings",
]
