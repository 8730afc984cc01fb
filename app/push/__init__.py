"""How the VTN tells of changes: MQTT, webhooks, and what is done with what they bring."""

from app.push.callback_keys import CallbackKeys
from app.push.container import PushContainer
from app.push.inbox import Inbox
from app.push.service import Subscriber

__all__ = ["CallbackKeys", "Inbox", "PushContainer", "Subscriber"]
