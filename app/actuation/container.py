"""The wiring of this room: orders, which others look at, and what sends them."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.actuation.actuators import ActuatorsFile
from app.actuation.book import OrderBook
from app.actuation.channels import Channels
from app.actuation.dispatcher import Dispatcher
from app.actuation.http import HttpChannel
from app.actuation.in_force import OrdersInForce
from app.actuation.mqtt import MqttChannel
from app.actuation.outcomes import OutcomeInbox
from app.actuation.overview import OrdersOverview
from app.actuation.planner import OrderPlanner
from app.actuation.ports import Audits, KnowsEvents, KnowsFrames, KnowsWhoTakesPart, MeasuresPower
from app.actuation.poster import OrderPoster
from app.actuation.service import ActuationService, ChangeWatch
from app.actuation.signal import OrderSignal
from app.actuation.sites import OrderedFleet, SitesOfFleet
from app.actuation.status import ActuatorStats
from app.actuation.store import OrderStore
from app.actuation.trusted_clock import TrustedClock
from app.mqtt import BrokerLoop
from app.platform import PeriodicThread, port

CHANNELS_EVERY_S = 5.0
CONNECTORS = 4
"""Brokers that do not answer hold up no other, if they are fewer."""
CHANGES_EVERY_S = 1.0
TROUBLES_EVERY_S = 60.0


class OrdersContainer(containers.DeclarativeContainer):
    """The orders that are in force, and what devices answer."""

    platform = providers.DependenciesContainer()
    is_in_doubt = port()
    participation = port(KnowsWhoTakesPart)

    signal = providers.ThreadSafeSingleton(OrderSignal)
    actuators = providers.ThreadSafeSingleton(
        ActuatorsFile,
        platform.settings.provided.sources_file,
        monotonic=platform.monotonic,
        log_once=platform.log_once,
    )
    inbox = providers.ThreadSafeSingleton(OutcomeInbox, actuators=actuators, signal=signal)
    stats = providers.ThreadSafeSingleton(ActuatorStats)
    clock = providers.ThreadSafeSingleton(
        TrustedClock,
        clock=platform.clock,
        monotonic=platform.monotonic,
        is_in_doubt=is_in_doubt,
    )
    book = providers.ThreadSafeSingleton(
        OrderBook,
        store=providers.Factory(OrderStore, platform.database),
        actuators=actuators.provided.all,
        clock=clock,
        monotonic=platform.monotonic,
    )
    in_force = providers.ThreadSafeSingleton(OrdersInForce, book=book, participation=participation)


class ActuationContainer(containers.DeclarativeContainer):
    """What plans orders, and the channels to devices."""

    platform = providers.DependenciesContainer()
    orders = providers.DependenciesContainer()
    control = providers.DependenciesContainer()
    fleet = port(OrderedFleet)
    participation = port(KnowsWhoTakesPart)
    events = port(KnowsEvents)
    frames = port(KnowsFrames)
    measured = port(MeasuresPower)
    usual_kw = port()
    audit = port(Audits)

    planner = providers.ThreadSafeSingleton(
        OrderPlanner,
        sites=providers.Factory(
            SitesOfFleet, fleet=fleet, comfort_h=control.responder.provided.comfort_h
        ),
        frames=frames,
        measured=measured,
        usual_kw=usual_kw,
        events=events,
        resolver=control.resolver,
        responder=control.responder,
        participation=participation,
        log_once=platform.log_once,
    )
    overview = providers.ThreadSafeSingleton(
        OrdersOverview,
        book=orders.book,
        stats=orders.stats,
        inbox=orders.inbox,
        participation=participation,
        frames=frames,
        clock=orders.clock,
        log_once=platform.log_once,
    )
    broker_loop = providers.ThreadSafeSingleton(
        BrokerLoop, monotonic=platform.monotonic, connectors=CONNECTORS, fence=platform.fence
    )
    channels = providers.ThreadSafeSingleton(
        Channels,
        actuators=orders.actuators,
        loop=broker_loop,
        make_mqtt=providers.Factory(
            MqttChannel,
            book=orders.book,
            inbox=orders.inbox,
            loop=broker_loop,
            stats=orders.stats,
            log_once=platform.log_once,
        ).provider,
        make_http=providers.Factory(
            HttpChannel,
            book=orders.book,
            inbox=orders.inbox,
            make_poster=providers.Factory(OrderPoster, monotonic=platform.monotonic).provider,
            fence=platform.fence,
            stats=orders.stats,
            log_once=platform.log_once,
        ).provider,
    )
    dispatcher = providers.ThreadSafeSingleton(
        Dispatcher,
        book=orders.book,
        planner=planner,
        inbox=orders.inbox,
        signal=orders.signal,
        channels=channels,
        participation=participation,
        audit=audit,
        actuator_of=fleet.provided.actuator_of,
        actuators=orders.actuators.provided.all,
        stats=orders.stats,
        clock=orders.clock,
        monotonic=platform.monotonic,
        log_once=platform.log_once,
    )
    service = providers.ThreadSafeSingleton(
        ActuationService,
        actuators=orders.actuators,
        book=orders.book,
        frames=frames,
        channels=channels,
        channels_watch=providers.Factory(
            PeriodicThread,
            name="actuators",
            callbacks=providers.List(channels),
            every_s=CHANNELS_EVERY_S,
            shutdown=platform.shutdown,
        ),
        dispatcher=dispatcher,
        trouble_watch=providers.Factory(
            PeriodicThread,
            name="order-troubles",
            callbacks=providers.List(overview.provided.say_troubles),
            every_s=TROUBLES_EVERY_S,
            shutdown=platform.shutdown,
        ),
        shutdown=platform.shutdown,
        monotonic=platform.monotonic,
        change_watch=providers.Factory(
            PeriodicThread,
            name="order-changes",
            callbacks=providers.List(
                providers.Factory(
                    ChangeWatch,
                    revisions=providers.List(
                        fleet.provided.revision, participation.provided.revision
                    ),
                    clock=orders.clock,
                    signal=orders.signal,
                )
            ),
            every_s=CHANGES_EVERY_S,
            shutdown=platform.shutdown,
        ),
    )
