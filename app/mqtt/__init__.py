"""The one MQTT client: many connections, each with its own login, kept up on two threads."""

from app.mqtt.broker import BrokerLoop
from app.mqtt.errors import BrokerRefused
from app.mqtt.session import KeptSession, Login, Message, Session, tls_context

__all__ = [
    "BrokerLoop",
    "BrokerRefused",
    "KeptSession",
    "Login",
    "Message",
    "Session",
    "tls_context",
]
