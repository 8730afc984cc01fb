"""The wiring: every long-lived object, what it needs, how long it lives.

Read it from top to bottom like a table of contents. Building anything here does no I/O; what runs
or listens is started and stopped by `application`. A test replaces any provider with `override`.
"""

from __future__ import annotations

import threading
import time
from functools import partial

from dependency_injector import containers, providers

from app import tasks
from app.application import Application
from app.control import FleetAnswers, OrdersMaker, policies
from app.events import EventBook, Grants
from app.fleet import Enrolment, FleetRepository, HeldVens, LostObjects, ResourceUpdates
from app.metering import MeterDataSimulator, PowerHistory, load_profiles
from app.observability import NoTracing, OtlpTracing, no_wiring
from app.openadr import (
    BusinessLogic,
    Circuit,
    ClientCredentialsByVen,
    CredentialsFile,
    CredentialsTemplate,
    Dialect301,
    Dialect310,
    Exchange,
    PageMemory,
    SharedCredentials,
    TokenEndpoint,
    VtnClient,
    VtnClock,
    VtnDown,
    VtnError,
    VtnHttp,
    make_session,
    ping_as,
)
from app.ops import (
    AuditLog,
    Backlog,
    ClockCheck,
    EventsView,
    FleetView,
    Gatekeeper,
    Health,
    Metrics,
    NoOps,
    OpsServer,
    PageServices,
    Seldom,
    Steering,
    make_page,
)
from app.platform import (
    Database,
    DatabaseError,
    Descriptors,
    FanOut,
    NoServer,
    RunLock,
    SayOnce,
    Stopping,
    SystemdNotifier,
    Watch,
    make_engine,
    no_bar,
    utc_now,
)
from app.push import (
    BrokerLoop,
    CallbackKeys,
    CallbackServer,
    Inbox,
    MqttPush,
    Push,
    Subscriber,
    Webhooks,
)
from app.readings import FrameStore, StoreFull
from app.reporting.content import PlannedReports
from app.reporting.delivery import (
    Debts,
    DeliveryJournal,
    Outbox,
    RefusedResources,
    ReportDesk,
    ReportPlanner,
    ReportPost,
    ReportSender,
    Resender,
    SecondLooks,
)
from app.reporting.retention import StoreBounds, StoreKeeper
from app.reporting.streams import Agenda, Obligations, StreamLedger, Tally
from app.schedule import schedule_of
from app.scheduling import TaskScheduler
from app.settings import Settings
from app.supervision import ClockGuard, OverdueTasks, Recovery, RunLockGuard
from app.vens import PollPlan, Removals, VENManager
from app.vtn import (
    Callbacks,
    EmbeddedBusinessCredentials,
    EmbeddedVenCredentials,
    EmbeddedVtn,
    anywhere,
    is_public,
)


class Container(containers.DeclarativeContainer):
    """The application's objects."""

    # Settings
    settings = providers.ThreadSafeSingleton(Settings)

    # Infrastructure
    clock = providers.Object(utc_now)
    monotonic = providers.Object(time.monotonic)
    stopping = providers.ThreadSafeSingleton(Stopping)
    say_once = providers.ThreadSafeSingleton(SayOnce)
    bar = providers.Object(no_bar)
    tracing = providers.Selector(
        settings.provided.tracing_kind,
        otlp=providers.ThreadSafeSingleton(
            OtlpTracing,
            endpoint=settings.provided.otel_exporter_otlp_endpoint.get_secret_value.call(),
        ),
        none=providers.ThreadSafeSingleton(NoTracing),
    )
    engine = providers.ThreadSafeSingleton(make_engine, settings.provided.database_url)
    database = providers.ThreadSafeSingleton(Database, engine)

    descriptors = providers.ThreadSafeSingleton(Descriptors)
    run_lock = providers.ThreadSafeSingleton(RunLock, settings.provided.run_lock_file, database)
    notifier = providers.ThreadSafeSingleton(
        SystemdNotifier,
        notify_socket=settings.provided.notify_socket,
        watchdog_s=settings.provided.systemd_watchdog_s,
    )

    # Protocol
    http_session = providers.ThreadSafeSingleton(
        make_session,
        base_url=settings.provided.vtn_base_url,
        max_connections=settings.provided.vtn.max_connections,
    )
    exchange = providers.ThreadSafeSingleton(
        Exchange,
        http_session,
        timeout_s=settings.provided.vtn.timeout_s,
        verify_tls=settings.provided.vtn.verify_tls,
    )
    circuit = providers.ThreadSafeSingleton(Circuit, monotonic=monotonic)
    write_circuit = providers.ThreadSafeSingleton(Circuit, monotonic=monotonic)
    vtn_clock = providers.ThreadSafeSingleton(VtnClock, clock=clock, monotonic=monotonic)
    vtn_http = providers.ThreadSafeSingleton(
        VtnHttp,
        vtn_clock=vtn_clock,
        exchange=exchange,
        base_url=settings.provided.vtn_base_url,
        stopping=stopping,
        circuit=circuit,
        writes=write_circuit,
        compresses=settings.provided.vtn.compress,
    )
    token_endpoint = providers.ThreadSafeSingleton(
        TokenEndpoint,
        http=vtn_http,
        token_url=settings.provided.vtn.token_url,
        scopes=settings.provided.vtn.scopes,
    )
    credentials = providers.Selector(
        settings.provided.credentials_scheme,
        client=providers.ThreadSafeSingleton(
            ClientCredentialsByVen,
            source=providers.Selector(
                settings.provided.credentials_kind,
                embedded=providers.Factory(EmbeddedVenCredentials, settings.provided.vtn_dir),
                template=providers.Factory(
                    CredentialsTemplate,
                    settings.provided.vtn.client_id,
                    settings.provided.vtn.client_secret.get_secret_value.call(),
                    secret_now=providers.Callable(
                        partial, settings.provided.secret_now, "VTN__CLIENT_SECRET"
                    ),
                ),
                file=providers.Factory(CredentialsFile, settings.provided.vtn.credentials_file),
            ),
            endpoint=token_endpoint,
            monotonic=monotonic,
        ),
        token=providers.ThreadSafeSingleton(
            SharedCredentials, settings.provided.vtn.bearer_token.get_secret_value.call()
        ),
        none=providers.ThreadSafeSingleton(SharedCredentials, None),
    )
    dialect = providers.Selector(
        settings.provided.dialect,
        openadr_310=providers.ThreadSafeSingleton(Dialect310),
        openadr_301=providers.ThreadSafeSingleton(Dialect301),
    )
    pages = providers.ThreadSafeSingleton(PageMemory)
    ven_client = providers.Factory(
        VtnClient,
        http=vtn_http,
        credentials=credentials,
        dialect=dialect,
        say_once=say_once,
        pages=pages,
    )
    business_credentials = providers.Selector(
        settings.provided.business_scheme,
        client=providers.ThreadSafeSingleton(
            ClientCredentialsByVen,
            source=providers.Selector(
                settings.provided.business_kind,
                embedded=providers.Factory(EmbeddedBusinessCredentials, settings.provided.vtn_dir),
                given=providers.Factory(
                    CredentialsTemplate,
                    settings.provided.bl.client_id,
                    settings.provided.bl.client_secret.get_secret_value.call(),
                    secret_now=providers.Callable(
                        partial, settings.provided.secret_now, "BL__CLIENT_SECRET"
                    ),
                ),
            ),
            endpoint=token_endpoint,
            monotonic=monotonic,
        ),
        none=providers.ThreadSafeSingleton(SharedCredentials, None),
    )
    business_logic = providers.Factory(
        BusinessLogic,
        http=vtn_http,
        credentials=business_credentials,
        is_301=settings.provided.is_301,
        pages=pages,
    )
    embedded_vtn = providers.ThreadSafeSingleton(
        EmbeddedVtn,
        directory=settings.provided.vtn_dir,
        port=settings.provided.vtn.embedded_port,
        callbacks=providers.Factory(
            Callbacks,
            verify_tls=settings.provided.vtn.verify_tls,
            allows=providers.Selector(
                settings.provided.callbacks_go,
                anywhere=providers.Object(anywhere),
                public=providers.Object(is_public),
            ),
        ),
        broker_url=settings.provided.broker_url,
        broker_tls=settings.provided.vtn.verify_tls,
        announce=settings.provided.vtn.announce,
    )
    vtn = providers.Selector(
        settings.provided.vtn_kind,
        embedded=embedded_vtn,
        remote=providers.ThreadSafeSingleton(NoServer),
    )

    # Domain
    fan_out = providers.ThreadSafeSingleton(
        FanOut,
        max_workers=settings.provided.vtn.max_connections,
        stopping=stopping,
        failure=providers.Object(VtnError),
        fails_all=providers.Object((VtnDown, DatabaseError)),
    )
    repository = providers.ThreadSafeSingleton(FleetRepository, database)
    held_retries = providers.ThreadSafeSingleton(
        threading.Semaphore, settings.provided.vtn.most_retries
    )
    held_vens = providers.ThreadSafeSingleton(
        HeldVens,
        what="requests",
        circuit=circuit,
        fleet=repository,
        retries=held_retries,
        monotonic=monotonic,
        ask=providers.Factory(partial, ping_as, ven_client.provider),
    )
    held_reports = providers.ThreadSafeSingleton(
        HeldVens,
        what="reports",
        circuit=write_circuit,
        fleet=repository,
        retries=held_retries,
        monotonic=monotonic,
    )
    enrolment = providers.ThreadSafeSingleton(
        Enrolment,
        repository=repository,
        client_for=ven_client.provider,
        credentials=credentials,
        stopping=stopping,
        fan_out=fan_out,
        held=held_vens,
    )
    lost_objects = providers.ThreadSafeSingleton(
        LostObjects,
        database=database,
        repository=repository,
        enrolment=enrolment,
        client_for=ven_client.provider,
        credentials=credentials,
        fan_out=fan_out,
        clock=clock,
        stopping=stopping,
        say_once=say_once,
    )
    resource_updates = providers.ThreadSafeSingleton(
        ResourceUpdates,
        repository=repository,
        client_for=ven_client.provider,
        fan_out=fan_out,
        held=held_vens,
        say_once=say_once,
    )
    frames = providers.ThreadSafeSingleton(FrameStore, database)
    events = providers.ThreadSafeSingleton(
        EventBook,
        database=database,
        clock=clock,
        say_once=say_once,
        grants=providers.Factory(
            Grants,
            say_once=say_once,
            resource_names=repository.provided.enrolled_resources,
            shown=lost_objects.provided.polled,
        ),
    )

    # How each kind of resource answers events
    policy_of = providers.Dict(
        {kind: providers.ThreadSafeSingleton(policy) for kind, policy in policies.OF_KIND.items()}
    )
    answers = providers.ThreadSafeSingleton(
        FleetAnswers,
        book=events,
        maker=providers.Factory(
            OrdersMaker,
            alert_level=settings.provided.events.alert_level,
            percent_sign=settings.provided.events.percent_sign,
        ),
        policies=policy_of,
    )

    # What is owed, and its delivery
    ledger = providers.ThreadSafeSingleton(StreamLedger, database=database, clock=clock)
    tally = providers.ThreadSafeSingleton(Tally, database)
    outbox = providers.ThreadSafeSingleton(Outbox, database)
    agenda = providers.ThreadSafeSingleton(Agenda, events.provided.of_ven)
    obligations = providers.ThreadSafeSingleton(
        Obligations,
        agenda=agenda,
        fleet=repository,
        frames=frames,
        ledger=ledger,
        tally=tally,
        clock=clock,
        keep_unasked=settings.provided.store.keep_unasked,
    )
    store_keeper = providers.ThreadSafeSingleton(
        StoreKeeper,
        frames=frames,
        ledger=ledger,
        obligations=obligations,
        outbox=outbox,
        tally=tally,
        clock=clock,
        bounds=providers.Factory(StoreBounds.of, settings.provided.store.model_dump.call()),
    )
    # What is measured
    profiles = providers.ThreadSafeSingleton(load_profiles)
    simulator = providers.ThreadSafeSingleton(
        MeterDataSimulator,
        repository=repository,
        frames=frames,
        profiles=profiles.provider,
        answers=answers,
        room=store_keeper,
        tracing=tracing,
        clock=clock,
        monotonic=monotonic,
    )
    power_history = providers.ThreadSafeSingleton(
        PowerHistory, frames=frames, plant=simulator.provided.plant
    )

    # What is reported, and how it is sent
    planned_reports = providers.ThreadSafeSingleton(
        PlannedReports, frames=frames, agenda=agenda, outlook=simulator, clock=clock
    )
    report_planner = providers.ThreadSafeSingleton(
        ReportPlanner,
        frames=frames,
        agenda=agenda,
        outlook=simulator,
        planned=planned_reports,
        clock=clock,
        most_readings=settings.provided.reporting.max_readings_per_report,
    )
    report_post = providers.ThreadSafeSingleton(
        ReportPost,
        clock=clock,
        settle_s=settings.provided.delivery.settle_s,
        when_unreadable=settings.provided.delivery.when_unreadable,
    )
    second_looks = providers.ThreadSafeSingleton(
        SecondLooks,
        database=database,
        clock=clock,
        settle_s=settings.provided.delivery.settle_s,
        held=held_reports,
    )
    journal = providers.ThreadSafeSingleton(DeliveryJournal)
    refused_resources = providers.ThreadSafeSingleton(RefusedResources, clock=clock)
    report_sender = providers.ThreadSafeSingleton(
        ReportSender,
        post=report_post,
        refused=refused_resources,
        held=held_reports,
        fan_out=fan_out,
        tracing=tracing,
    )
    report_desk = providers.ThreadSafeSingleton(
        ReportDesk,
        obligations=obligations,
        ledger=ledger,
        planner=report_planner,
        sender=report_sender,
        resender=providers.Factory(
            Resender,
            outbox=outbox,
            sender=report_sender,
            second_looks=second_looks,
            journal=journal,
            refused=refused_resources,
            held=held_reports,
            circuit=circuit,
            writes=write_circuit,
            clock=clock,
            stopping=stopping,
        ),
        refused=refused_resources,
        outbox=outbox,
        second_looks=second_looks,
        keeper=store_keeper,
        journal=journal,
        circuit=circuit,
        writes=write_circuit,
        held=held_reports,
        clock=clock,
        stopping=stopping,
        tracing=tracing,
    )

    # The fleet at work
    poll_plan = providers.ThreadSafeSingleton(
        PollPlan, monotonic=monotonic, safety_s=settings.provided.vtn.push_poll_s
    )
    removals = providers.ThreadSafeSingleton(
        Removals,
        database=database,
        repository=repository,
        client_for=ven_client.provider,
        debts=providers.Factory(
            Debts,
            frames=frames,
            ledger=ledger,
            obligations=obligations,
            outbox=outbox,
            tally=tally,
        ),
        held=held_vens,
        locks=enrolment.provided.ven_locks,
        stopping=stopping,
        clock=clock,
        monotonic=monotonic,
        forget=providers.List(
            events.provided.forget,
            lost_objects.provided.forget,
            held_vens.provided.forget,
            held_reports.provided.forget,
            poll_plan.provided.forget,
        ),
    )
    ven_manager = providers.ThreadSafeSingleton(
        VENManager,
        repository=repository,
        enrolment=enrolment,
        client_for=ven_client.provider,
        events=events,
        reports=report_desk,
        http=vtn_http,
        poll_plan=poll_plan,
        fan_out=fan_out,
        held=held_vens,
        lost=lost_objects,
        updates=resource_updates,
        removals=removals,
        monotonic=monotonic,
    )

    # How the VTN tells of changes
    inbox = providers.ThreadSafeSingleton(Inbox, ven_manager=ven_manager, poll_plan=poll_plan)
    mqtt_push = providers.ThreadSafeSingleton(
        MqttPush,
        loop=providers.Factory(BrokerLoop, monotonic=monotonic),
        inbox=inbox,
        poll_plan=poll_plan,
        program_ids=events.provided.program_ids,
        client_for=ven_client.provider,
        verify_tls=settings.provided.vtn.verify_tls,
        plain_to=settings.provided.plain_hosts,
        fan_out=fan_out,
        room_for=descriptors.provided.room_for,
    )
    webhooks = providers.ThreadSafeSingleton(
        Webhooks,
        public_url=settings.provided.callback.public_url,
        keys=providers.Factory(CallbackKeys, settings.provided.data_dir),
        inbox=inbox,
        poll_plan=poll_plan,
        program_ids=events.provided.program_ids,
        client_for=ven_client.provider,
        monotonic=monotonic,
        fan_out=fan_out,
    )
    callback_server = providers.Selector(
        settings.provided.callback_kind,
        served=providers.ThreadSafeSingleton(
            CallbackServer,
            host=settings.provided.callback.host,
            port=settings.provided.callback.port,
            certificate=settings.provided.callback.certificate,
            key=settings.provided.callback.key,
            webhooks=webhooks,
            inbox=inbox,
        ),
        none=providers.ThreadSafeSingleton(NoServer),
    )
    push_channels = providers.Selector(
        settings.provided.callback_kind,
        served=providers.List(mqtt_push, webhooks),
        none=providers.List(mqtt_push),
    )
    push_watch = providers.ThreadSafeSingleton(
        Watch,
        name="push",
        looks=providers.List(
            providers.Factory(
                Subscriber,
                ven_manager=ven_manager,
                client_for=ven_client.provider,
                channels=push_channels,
                poll_plan=poll_plan,
                held=held_vens,
                monotonic=monotonic,
            )
        ),
        every_s=2.0,
        stopping=stopping,
    )
    vtn_push = providers.Selector(
        settings.provided.push_kind,
        auto=providers.ThreadSafeSingleton(
            Push,
            inbox=inbox,
            server=callback_server,
            watch=push_watch,
            channels=push_channels,
            left_s=stopping.provided.left_s,
        ),
        off=providers.ThreadSafeSingleton(NoServer),
    )

    # Tasks: plain functions, bound to what they need
    heartbeat = providers.Factory(partial, tasks.heartbeat_task, ven_manager=ven_manager)
    simulate_meterdata = providers.Factory(partial, tasks.simulate_meterdata, simulator=simulator)
    resource_status_checker = providers.Factory(
        partial, tasks.resource_status_checker, simulator=simulator
    )
    generate_reports = providers.Factory(
        partial, tasks.generate_reports_task, ven_manager=ven_manager
    )
    poll_events = providers.Factory(partial, tasks.poll_events_task, ven_manager=ven_manager)
    task_functions = providers.Dict(
        heartbeat=heartbeat,
        simulate_meterdata=simulate_meterdata,
        resource_status_checker=resource_status_checker,
        generate_reports=generate_reports,
        poll_events=poll_events,
    )

    # Scheduler
    schedule = providers.Factory(schedule_of, settings, task_functions)
    scheduler = providers.ThreadSafeSingleton(
        TaskScheduler,
        schedule,
        timezone=settings.provided.scheduler.timezone,
        clock=clock,
        expected=providers.Object((DatabaseError, StoreFull)),
    )

    # What looks after the others, and what they say of themselves
    overdue_tasks = providers.ThreadSafeSingleton(OverdueTasks, scheduler=scheduler, clock=clock)
    clock_guard = providers.ThreadSafeSingleton(
        ClockGuard, scheduler=scheduler, clock=clock, monotonic=monotonic
    )
    guard = providers.ThreadSafeSingleton(
        Watch,
        name="guard",
        looks=providers.List(clock_guard, overdue_tasks, notifier.provided.alive),
        every_s=2.0,
        stopping=stopping,
    )
    lock_watch = providers.ThreadSafeSingleton(
        Watch,
        name="lock-watch",  # of its own: it may wait for a database that is silent
        looks=providers.List(
            providers.Factory(RunLockGuard, lost=run_lock.provided.lost, stopping=stopping)
        ),
        every_s=2.0,
        stopping=stopping,
    )
    recovery = providers.ThreadSafeSingleton(
        Recovery,
        circuit=circuit,
        writes=write_circuit,
        ven_manager=ven_manager,
        held=held_vens,
        most_retries=settings.provided.vtn.most_retries,
        scheduler=scheduler,
        tasks=("generate_reports", "poll_events"),
        writing=("generate_reports",),
        monotonic=monotonic,
    )
    vtn_watch = providers.ThreadSafeSingleton(
        Watch, name="vtn-watch", looks=providers.List(recovery), every_s=1.0, stopping=stopping
    )
    # After a long outage there is much to count.
    waiting = providers.ThreadSafeSingleton(
        Seldom, look=report_desk.provided.waiting, every_s=0.0, monotonic=monotonic
    )
    health = providers.ThreadSafeSingleton(
        Health,
        database=database,
        repository=repository,
        http=vtn_http,
        simulator=simulator,
        report_desk=report_desk,
        waiting=waiting,
        scheduler=scheduler,
        store_keeper=store_keeper,
        outbox=outbox,
        tally=tally,
        overdue_tasks=overdue_tasks,
        guard=guard,
        held_vens=held_vens,
        lost_objects=lost_objects,
        removals=removals,
        clock_check=providers.Factory(ClockCheck, clock=clock, vtn_clock=vtn_clock, frames=frames),
        poll_plan=poll_plan,
        inbox=inbox,
    )
    metrics = providers.ThreadSafeSingleton(
        Metrics,
        scheduler=scheduler,
        simulator=simulator,
        power=power_history,
        journal=journal,
        health=health,
        http=vtn_http,
    )

    # What people look at, and may change
    wiring = providers.Object(no_wiring)
    backlog = providers.ThreadSafeSingleton(
        Backlog, waiting=waiting, clock=clock, monotonic=monotonic
    )
    steering = providers.ThreadSafeSingleton(
        Steering,
        scheduler=scheduler,
        repository=repository,
        outbox=outbox,
        business_logic=business_logic.provider,
        audit=providers.Factory(AuditLog, path=settings.provided.audit_file, clock=clock),
        clock=clock,
    )
    page_services = providers.ThreadSafeSingleton(
        PageServices,
        fleet=providers.Factory(
            FleetView,
            repository=repository,
            frames=frames,
            journal=journal,
            events=events,
            policy_of=policy_of,
            clock=clock,
        ),
        events=providers.Factory(EventsView, events=events, clock=clock, monotonic=monotonic),
        power=power_history,
        scheduler=scheduler,
        journal=journal,
        outbox=outbox,
        backlog=backlog,
        waiting=waiting,
        simulator=simulator,
        http=vtn_http,
        readiness=health.provided.readiness,
        steering=steering,
        gatekeeper=providers.Factory(
            Gatekeeper,
            token=settings.provided.ops_token,
            is_local=settings.provided.ops_is_local,
            monotonic=monotonic,
        ),
        wiring=wiring,
        clock=clock,
        sends_events=settings.provided.sends_events,
    )
    ops_watch = providers.ThreadSafeSingleton(
        Watch,
        name="ops-watch",
        looks=providers.List(power_history, backlog),
        every_s=1.0,
        stopping=stopping,
    )
    ops_server = providers.Selector(
        settings.provided.ops_kind,
        served=providers.ThreadSafeSingleton(
            OpsServer,
            host=settings.provided.ops.host,
            port=settings.provided.ops.port,
            names=settings.provided.ops_names,
            health=health,
            metrics=metrics,
            make_page=providers.Factory(partial, make_page, page_services),
            watch=ops_watch,
        ),
        none=providers.ThreadSafeSingleton(NoOps),
    )

    # Application
    application = providers.ThreadSafeSingleton(
        Application,
        run_lock=run_lock,
        database=database,
        vtn=vtn,
        push=vtn_push,
        ops=ops_server,
        health=health,
        guard=guard,
        lock_watch=lock_watch,
        vtn_watch=vtn_watch,
        notifier=notifier,
        http=vtn_http,
        repository=repository,
        ven_manager=ven_manager,
        simulator=simulator,
        scheduler=scheduler,
        stopping=stopping,
        tracing=tracing,
        sample_size=settings.provided.sample_size,
        vtn_base_url=settings.provided.vtn_base_url,
        settings_source=settings.provided.source,
        verifies_tls=settings.provided.verifies_tls,
        bar=bar,
    )
