"""How the VTN tells of changes: MQTT, webhooks, and what is done with what they bring."""

from app.push.broker import BrokerLoop
from app.push.callback_keys import CallbackKeys
from app.push.callback_server import CallbackServer
from app.push.inbox import Inbox
from app.push.mqtt import MqttPush
from app.push.service import Push, Subscriber
from app.push.webhooks import Webhooks

__all__ = [
    "BrokerLoop",
    "CallbackKeys",
    "CallbackServer",
    "Inbox",
    "MqttPush",
    "Push",
    "Subscriber",
    "Webhooks",
]
