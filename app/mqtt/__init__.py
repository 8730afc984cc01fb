"""The one MQTT client: many connections, each with its own login, kept up on two threads."""

from app.mqtt.broker import BrokerLoop
from app.mqtt.errors import BrokerRefused
from app.mqtt.session import KeptSession, Login, Message, Outgoing, Publishing, Session, tls_context
from app.mqtt.settings import BrokerSettings

__all__ = [
    "BrokerLoop",
    "BrokerRefused",
    "BrokerSettings",
    "KeptSession",
    "Login",
    "Message",
    "Outgoing",
    "Publishing",
    "Session",
    "tls_context",
]
