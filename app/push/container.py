"""The wiring of this room."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.fleet import HoldsVens
from app.mqtt import BrokerLoop
from app.platform import CALLBACK, AsgiServer, NoServer, PeriodicThread, port
from app.push.callback_keys import CallbackKeys
from app.push.callback_server import CALL_LASTS_S, MAX_CALLS_AT_ONCE, CallbackServer
from app.push.inbox import Inbox
from app.push.mqtt import MqttPush
from app.push.service import Push, Subscriber
from app.push.webhooks import Webhooks


class PushContainer(containers.DeclarativeContainer):
    """MQTT and webhooks, and where what they bring is taken up."""

    platform = providers.DependenciesContainer()
    vens = providers.DependenciesContainer()
    program_ids = port()
    client_for = port()
    held_vens = port(HoldsVens)

    inbox = providers.ThreadSafeSingleton(
        Inbox,
        ven_manager=vens.manager,
        poll_plan=vens.poll_plan,
        log_once=platform.log_once,
    )
    mqtt_push = providers.ThreadSafeSingleton(
        MqttPush,
        loop=providers.Factory(BrokerLoop, monotonic=platform.monotonic, fence=platform.fence),
        inbox=inbox,
        trust=vens.push_trust,
        program_ids=program_ids,
        client_for=client_for,
        verify_tls=platform.settings.provided.vtn.verify_tls,
        plain_to=platform.settings.provided.vtn.plain_hosts,
        fan_out=platform.fan_out,
        room_for=platform.descriptors.provided.room_for,
        log_once=platform.log_once,
    )
    webhooks = providers.ThreadSafeSingleton(
        Webhooks,
        public_url=platform.settings.provided.callback_url,
        keys=providers.Factory(CallbackKeys, platform.settings.provided.data_dir),
        inbox=inbox,
        trust=vens.push_trust,
        look_again_s=platform.settings.provided.vtn.push_poll_s,
        program_ids=program_ids,
        client_for=client_for,
        monotonic=platform.monotonic,
        fan_out=platform.fan_out,
        log_once=platform.log_once,
    )
    # With certificate and key it speaks TLS; without, something in front of it has to.
    public_listener = providers.ThreadSafeSingleton(
        AsgiServer,
        host=platform.settings.provided.callback.host,
        port=platform.settings.provided.callback.port,
        name="callback",
        certificate=platform.settings.provided.callback.certificate,
        key=platform.settings.provided.callback.key,
        max_requests=MAX_CALLS_AT_ONCE,
        lasts_s=CALL_LASTS_S,
    )
    callback_server = providers.Selector(
        platform.settings.provided.callback_kind,
        served=providers.ThreadSafeSingleton(
            CallbackServer,
            server=public_listener,
            where=platform.settings.provided.callback.where,
            webhooks=webhooks,
            inbox=inbox,
        ),
        shard=providers.ThreadSafeSingleton(
            CallbackServer,
            server=platform.endpoint.provided.part.call(CALLBACK),
            where="",
            webhooks=webhooks,
            inbox=inbox,
        ),
        none=providers.ThreadSafeSingleton(NoServer),
    )
    channels = providers.Selector(
        platform.settings.provided.callback.kind,
        served=providers.List(mqtt_push, webhooks),
        none=providers.List(mqtt_push),
    )
    watch = providers.ThreadSafeSingleton(
        PeriodicThread,
        name="push",
        callbacks=providers.List(
            providers.Factory(
                Subscriber,
                ven_manager=vens.manager,
                client_for=client_for,
                channels=channels,
                trust=vens.push_trust,
                held=held_vens,
                monotonic=platform.monotonic,
            )
        ),
        every_s=2.0,
        shutdown=platform.shutdown,
    )
    service = providers.Selector(
        platform.settings.provided.vtn.push,
        auto=providers.ThreadSafeSingleton(
            Push,
            inbox=inbox,
            server=callback_server,
            watch=watch,
            channels=channels,
            remaining_for_work_s=platform.shutdown.provided.remaining_for_work_s,
        ),
        off=providers.ThreadSafeSingleton(NoServer),
    )
