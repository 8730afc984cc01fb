"""Measurements that are published to an MQTT broker."""

from app.intake.mqtt.devices import DevicesOfShard, EveryDevice
from app.intake.mqtt.service import MqttSources
from app.intake.mqtt.subscriber import MqttSubscriber

__all__ = ["DevicesOfShard", "EveryDevice", "MqttSources", "MqttSubscriber"]
