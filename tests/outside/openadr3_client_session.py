"""A day with a VTN through the package openadr3-client: business logic, and a VEN.

Runs in an environment of its own (Python 3.12 or later) and imports nothing of this project. Prints
what it did as JSON; ends with a traceback where the VTN did not do as it should. Secrets are in the
environment: BL_SECRET and VEN_SECRET.
"""

import argparse
import json
import os
from datetime import UTC, datetime, timedelta
from importlib import import_module

import requests
from openadr3_client._models.common.interval import Interval
from openadr3_client._models.common.interval_period import IntervalPeriod
from openadr3_client.bl.http_factory import BusinessLogicHttpClientFactory
from openadr3_client.ven.http_factory import VirtualEndNodeHttpClientFactory
from openadr3_client.version import OADRVersion

ARGUMENTS = argparse.ArgumentParser()
ARGUMENTS.add_argument("--version", choices=["3.1.0", "3.0.1"], required=True)
for name in ("base-url", "token-url", "bl-id", "ven-id", "callback-url"):
    ARGUMENTS.add_argument(f"--{name}", required=True)
ARGS = ARGUMENTS.parse_args()
IS_310 = ARGS.version == "3.1.0"
START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ZONE = "zone-a"
DONE: list[str] = []


def part(path):
    """A module of the package for the version that is spoken."""
    return import_module(f"openadr3_client.oadr{ARGS.version.replace('.', '')}.{path}")


filters = part("_vtn.interfaces.filters")
events = part("models.event.event")
event_payloads = part("models.event.event_payload")
programs = part("models.program.program")
reports = part("models.report.report")
report_payloads = part("models.report.report_payload")
subscriptions = part("models.subscriptions.subscription")
vens = part("models.ven.ven")
resources = part("models.resource.resource" if IS_310 else "models.ven.resource")
PAGE = filters.PaginationFilter(skip=0, limit=50)


def client(factory, client_id, secret):
    # 3.0.1 takes plain http as it is.
    options = {"allow_insecure_http": True} if IS_310 else {}
    return factory(
        vtn_base_url=ARGS.base_url,
        client_id=client_id,
        client_secret=secret,
        token_url=ARGS.token_url,
        version=OADRVersion.OADR_310 if IS_310 else OADRVersion.OADR_301,
        **options,
    )


def targets(*values):
    """3.1.0 has plain strings, 3.0.1 has types with values."""
    return values if IS_310 else (part("models.target").Target(type="GROUP", values=values),)


def asking_for(value):
    if IS_310:
        return filters.TargetFilter(targets=[value])
    return filters.TargetFilter(target_type="GROUP", target_values=[value])


def changed(made, update):
    """What a PUT takes: 3.1.0 an update, 3.0.1 the whole object."""
    return update if IS_310 else made.update(update)


def ids(listed):
    return {each.id for each in listed}


def refused(call, *statuses):
    try:
        made = call()
    except requests.HTTPError as error:
        made = error.response.status_code
    assert made in statuses, made


def done(words):
    DONE.append(words)


def business_logic_writes(bl):
    """A program, and two events of it: for all, and for some."""
    new = programs.NewProgram
    period = IntervalPeriod(start=START, duration=timedelta(days=30))
    program = bl.programs.create_program(new(program_name="prices", interval_period=period))
    refused(lambda: bl.programs.create_program(new(program_name="prices")), 409)
    done("bl creates a program; its name is taken then")

    def event(label, **more):
        form = {"report_intervals": report_payloads.ReportIntervals.INTERVALS} if IS_310 else {}
        usage = report_payloads.ReportPayloadType.USAGE
        price = event_payloads.EventPayloadType.PRICE
        intervals = tuple(
            Interval(id=n, payloads=(event_payloads.EventPayload(type=price, values=(value,)),))
            for n, value in enumerate((0.25, 1.5))
        )
        return bl.events.create_event(
            events.NewEvent(
                program_id=program.id,
                event_name=label,
                priority=1,
                report_descriptors=(report_payloads.ReportDescriptor(payload_type=usage, **form),),
                interval_period=IntervalPeriod(start=START, duration=HOUR),
                intervals=intervals,
                **more,
            )
        )

    for_all, for_some = event("for-all"), event("for-some", targets=targets(ZONE))
    assert [interval.payloads[0].values for interval in for_all.intervals] == [(0.25,), (1.5,)]
    assert for_all.interval_period.start == START
    assert for_all.interval_period.duration == HOUR
    assert for_some.targets == targets(ZONE)
    done("bl creates events, and has them back as they were")

    assert program.id in ids(bl.programs.get_programs(None, PAGE))
    assert bl.programs.get_program_by_id(program.id).id == program.id
    assert ids(bl.events.get_events(None, PAGE, program.id)) == {for_all.id, for_some.id}
    assert ids(bl.events.get_events(asking_for(ZONE), PAGE, program.id)) == {for_some.id}
    pages = [
        len(bl.events.get_events(None, filters.PaginationFilter(skip=skip, limit=1), program.id))
        for skip in (0, 1, 2)
    ]
    assert pages == [1, 1, 0]
    done("bl lists by page, by program and by target")
    return program, for_all, for_some


def ven_enrols(ven):
    """Its ven object and a resource, made, found, read and changed."""
    form = vens.NewVenVenRequest if IS_310 else vens.NewVen
    mine = ven.vens.create_ven(form(ven_name=ARGS.ven_id))
    assert ids(ven.vens.get_vens(ARGS.ven_id, None, PAGE)) == {mine.id}
    update = vens.VenUpdateVenRequest if IS_310 else vens.VenUpdate
    ven.vens.update_ven_by_id(mine.id, changed(mine, update(ven_name=ARGS.ven_id)))
    done("ven creates, finds and changes its ven object")

    if IS_310:
        request = resources.NewResourceVenRequest(resource_name="heat-pump", ven_id=mine.id)
        resource = ven.resources.create_resource(request)
        found = ven.resources.get_resources(
            resource_name="heat-pump", ven_id=mine.id, target=None, pagination=PAGE
        )
        update = resources.ResourceUpdateVenRequest(resource_name="boiler", ven_id=mine.id)
        renamed = ven.resources.update_resource_by_id(resource.id, update)
    else:
        request = resources.NewResource(resource_name="heat-pump", ven_id=mine.id)
        resource = ven.vens.create_ven_resource(mine.id, request)
        found = ven.vens.get_ven_resources(mine.id, "heat-pump", None, PAGE)
        update = resource.update(resources.ResourceUpdate(resource_name="boiler"))
        renamed = ven.vens.update_ven_resource_by_id(mine.id, resource.id, update)
    assert ids(found) == {resource.id}
    assert renamed.resource_name == "boiler"
    done("ven creates, finds and renames a resource")
    return mine, resource


def business_logic_grants(bl, mine):
    """A target for the VEN, and vens for other clients."""
    if IS_310:
        grant = vens.VenUpdateBlRequest(
            ven_name=ARGS.ven_id, client_id=ARGS.ven_id, targets=(ZONE,)
        )
    else:
        grant = mine.update(vens.VenUpdate(targets=list(targets(ZONE))))
    assert tuple(bl.vens.update_ven_by_id(mine.id, grant).targets) == targets(ZONE)

    def new(label):
        if IS_310:
            return bl.vens.create_ven(vens.NewVenBlRequest(ven_name=label, client_id=label))
        return bl.vens.create_ven(vens.NewVen(ven_name=label))

    others = [new("another"), new("and-another")]
    assert ids(bl.vens.get_vens(None, asking_for(ZONE), PAGE)) == {mine.id}
    assert ids(bl.vens.get_vens(None, None, PAGE)) >= {mine.id, *ids(others)}
    done("bl grants a target, and provisions vens for others")
    return others


def ven_reads(ven, program, for_all, for_some, others):
    assert program.id in ids(ven.programs.get_programs(None, PAGE))
    assert for_all.id in ids(ven.events.get_events(None, PAGE, program.id))
    assert ids(ven.events.get_events(asking_for(ZONE), PAGE, program.id)) == {for_some.id}
    assert ven.events.get_event_by_id(for_all.id).id == for_all.id
    refused(lambda: ven.vens.get_ven_by_id(others[0].id), 404)
    done("ven reads what it may see, and nothing else")


def ven_reports(ven, bl, event):
    def content(value):
        usage = report_payloads.ReportPayloadType.USAGE
        payload = report_payloads.ReportPayload(type=usage, values=(value,))
        return (
            reports.ReportResource(
                resource_name="boiler",
                interval_period=IntervalPeriod(start=START, duration=HOUR),
                intervals=(Interval(id=0, payloads=(payload,)),),
            ),
        )

    program = {} if IS_310 else {"program_id": event.program_id}
    named = {"client_name": ARGS.ven_id, **program}
    new = reports.NewReport(event_id=event.id, resources=content(1.25), **named)
    report = ven.reports.create_report(new)
    stray = reports.NewReport(event_id="no-such-event", resources=content(1.0), **named)
    refused(lambda: ven.reports.create_report(stray), 409)
    update = reports.ReportUpdate(event_id=event.id, resources=content(2.0), **named)
    ven.reports.update_report_by_id(report.id, changed(report, update))
    for reader in (ven, bl):
        (found,) = reader.reports.get_reports(PAGE, event.program_id, event.id, ARGS.ven_id)
        assert found.resources[0].intervals[0].payloads[0].values == (2.0,)
    done("ven creates and changes a report, bl reads it")
    return report


def ven_subscribes(ven, bl, program):
    """DELETE only: this package calls the other operations after HTTP, the files do not."""
    wish = subscriptions.ObjectOperation(
        objects=(subscriptions.Object.EVENT,),
        operations=(subscriptions.Operation.DELETE,),
        callback_url=ARGS.callback_url,
        bearer_token="token-of-the-subscriber",
    )
    fields = {"program_id": program.id, "object_operations": (wish,)}
    new = subscriptions.NewSubscription(client_name=ARGS.ven_id, **fields)
    made = ven.subscriptions.create_subscription(new)
    update = subscriptions.SubscriptionUpdate(client_name="renamed", **fields)
    ven.subscriptions.update_subscription_by_id(made.id, changed(made, update))
    more = {} if IS_310 else {"target": None}
    for reader in (ven, bl):
        found = reader.subscriptions.get_subscriptions(
            pagination=PAGE, program_id=program.id, client_name="renamed", objects=None, **more
        )
        assert ids(found) == {made.id}
    done("ven creates and changes a subscription")
    return made


def everything_goes(bl, ven, program, made_events, mine, resource, others, report, subscription):
    ven.subscriptions.delete_subscription_by_id(subscription.id)
    ven.reports.delete_report_by_id(report.id)
    if IS_310:
        ven.resources.delete_resource_by_id(resource.id)
    else:
        ven.vens.delete_ven_resource_by_id(mine.id, resource.id)
    ven.vens.delete_ven_by_id(mine.id)
    for other in others:
        bl.vens.delete_ven_by_id(other.id)
    renamed = changed(program, programs.ProgramUpdate(program_name="renamed"))
    assert bl.programs.update_program_by_id(program.id, renamed).program_name == "renamed"
    for event in made_events:
        bl.events.delete_event_by_id(event.id)
    bl.programs.delete_program_by_id(program.id)
    refused(lambda: bl.programs.get_program_by_id(program.id), 404)
    done("everything is deleted and gone")


def main():
    # The token request goes through oauthlib, which refuses plain http unless this is set.
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    make_bl = BusinessLogicHttpClientFactory.create_http_bl_client
    make_ven = VirtualEndNodeHttpClientFactory.create_http_ven_client
    bl = client(make_bl, ARGS.bl_id, os.environ["BL_SECRET"])
    ven = client(make_ven, ARGS.ven_id, os.environ["VEN_SECRET"])
    program, for_all, for_some = business_logic_writes(bl)
    mine, resource = ven_enrols(ven)
    others = business_logic_grants(bl, mine)
    ven_reads(ven, program, for_all, for_some, others)
    report = ven_reports(ven, bl, for_all)
    subscription = ven_subscribes(ven, bl, program)
    everything_goes(
        bl, ven, program, (for_all, for_some), mine, resource, others, report, subscription
    )
    print(json.dumps(DONE))


main()
