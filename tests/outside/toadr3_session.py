"""A day with a VTN (OpenADR 3.0.1) through the package toadr3: business logic, and a VEN.

Runs in an environment of its own and imports nothing of this project. Prints what it did as JSON;
ends with a traceback where the VTN did not do as it should. Secrets are in the environment:
BL_SECRET and VEN_SECRET. toadr3 cannot create programs and events: those go as plain requests
through its session, with its models and its token.
"""

import argparse
import asyncio
import json
import os

import toadr3
from toadr3.models import (
    Event,
    Interval,
    IntervalPeriod,
    ObjectOperation,
    ObjectType,
    OperationType,
    Program,
    Report,
    ReportData,
    Subscription,
    TargetType,
    ValuesMap,
)

ARGUMENTS = argparse.ArgumentParser()
for name in ("base-url", "token-url", "bl-id", "ven-id", "callback-url"):
    ARGUMENTS.add_argument(f"--{name}", required=True)
ARGS = ARGUMENTS.parse_args()
RESOURCE = "heat-pump"
SCOPES = {
    "bl": "read_all write_programs write_events write_subscriptions write_vens",
    "ven": "read_all write_reports write_subscriptions",
}
DONE: list[str] = []


def client_of(role):
    config = toadr3.OAuthScopeConfig(
        token_url=ARGS.token_url,
        grant_type="client_credentials",
        scope=SCOPES[role],
        client_id=getattr(ARGS, f"{role}_id"),
        client_secret=os.environ[f"{role.upper()}_SECRET"],
    )
    return toadr3.ToadrClient(vtn_url=ARGS.base_url, oauth_config=config)


async def send(client, method, path, model=None):
    token = await client.token
    async with client.client_session.request(
        method,
        f"{ARGS.base_url}/{path}",
        data=model.as_json() if model is not None else None,
        headers={"Authorization": f"Bearer {token.token}", "Content-Type": "application/json"},
    ) as answer:
        body = await answer.json()
        assert answer.ok, body
        return body


async def refused(call, *statuses):
    try:
        made = await call
    except toadr3.ToadrError as error:
        made = error.status_code
    assert made in statuses, made


def ids(listed):
    return [each.id for each in listed]


async def business_logic_writes(bl):
    wish = Program(program_name="prices", country="DK", binding_events=False)
    program = Program.model_validate(await send(bl, "POST", "programs", wish))

    async def event(label, **more):
        wish = Event(
            program_id=program.id,
            event_name=label,
            interval_period=IntervalPeriod(start="2030-01-01T00:00:00Z", duration="PT1H"),
            intervals=[Interval(id=0, payloads=[ValuesMap(type="PRICE", values=[0.25])])],
            report_descriptors=[{"payload_type": "USAGE"}],
            **more,
        )
        return Event.model_validate(await send(bl, "POST", "events", wish))

    target = ValuesMap(type="RESOURCE_NAME", values=[RESOURCE])
    for_all, for_some = await event("for-all"), await event("for-some", targets=[target])
    assert for_some.targets == [target]
    longer = program.model_copy(update={"program_long_name": "Prices, hour by hour"})
    await bl.put_program(program.id, longer)
    assert (await bl.get_program(program.id)).program_long_name == "Prices, hour by hour"
    assert program.id in ids(await bl.get_programs())
    assert await bl.get_program("no-such-program") is None
    DONE.append("bl creates, changes and reads a program and events")
    return program, for_all, for_some


async def ven_reads(ven, program, for_all, for_some):
    assert program.id in ids(await ven.get_programs())
    assert ids(await ven.get_events(program_id=program.id)) == [for_all.id, for_some.id]
    one = await ven.get_events(program_id=program.id, skip=1, limit=1)
    assert ids(one) == [for_some.id]
    by_target = await ven.get_events(
        target_type=TargetType.RESOURCE_NAME, target_values=[RESOURCE, "another"]
    )
    assert ids(by_target) == [for_some.id]
    await refused(ven.delete_program(program.id), 403)
    DONE.append("ven lists by program, by page and by target, and may not delete")


async def ven_reports(ven, bl, event):
    wish = Report.create_report(
        event=event,
        client_name=ARGS.ven_id,
        report_type="USAGE",
        report_values=[1.25],
        report_name="usage",
    )
    report = await ven.post_report(wish)
    interval = Interval(id=0, payloads=[ValuesMap(type="USAGE", values=[1])])
    stray = Report(
        program_id=event.program_id,
        event_id="no-such-event",
        client_name=ARGS.ven_id,
        resources=[ReportData(resource_name=RESOURCE, intervals=[interval])],
    )
    await refused(ven.post_report(stray), 409)
    wanted = {"event_id": event.id, "client_name": ARGS.ven_id}
    for reader in (ven, bl):
        (found,) = await reader.get_reports(program_id=event.program_id, **wanted)
        assert found.id == report.id
        assert found.resources[0].intervals[0].payloads[0].values == [1.25]
    DONE.append("ven creates a report, bl reads it")


async def ven_subscribes(ven, program):
    """DELETE only: this package calls the other operations after HTTP, the file does not."""
    operation = ObjectOperation(
        objects=[ObjectType.EVENT],
        operations=[OperationType.DELETE],
        callback_url=ARGS.callback_url,
        bearer_token="token-of-the-subscriber",
    )

    def wish(label):
        return Subscription(client_name=label, program_id=program.id, object_operations=[operation])

    assert await ven.get_subscriptions() == []
    made = await ven.post_subscription(wish(ARGS.ven_id))
    assert (await ven.put_subscription(made.id, wish("renamed"))).client_name == "renamed"
    found = await ven.get_subscriptions(program_id=program.id, objects=[ObjectType.EVENT])
    assert ids(found) == [made.id]
    await ven.delete_subscription(made.id)
    assert await ven.get_subscription(made.id) is None
    DONE.append("ven creates, changes and deletes a subscription")


async def main():
    async with client_of("bl") as bl, client_of("ven") as ven:
        program, for_all, for_some = await business_logic_writes(bl)
        await ven_reads(ven, program, for_all, for_some)
        await ven_reports(ven, bl, for_some)
        await ven_subscribes(ven, program)
        for event in (for_all, for_some):
            await send(bl, "DELETE", f"events/{event.id}")
        await bl.delete_program(program.id)
        assert await bl.get_program(program.id) is None
        DONE.append("everything is deleted and gone")
    print(json.dumps(DONE))


asyncio.run(main())
