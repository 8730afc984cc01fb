"""What the VTN has forgotten is enrolled again; what it only hides is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.fleet import Resource, ResourceKind
from app.openadr import Answer
from app.platform.shutdown import Shutdown
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.wiring import provider
from tests.support.workbench import RESOURCES, SAMPLE, TICK, Bench

pytestmark = pytest.mark.in_process

HEARTBEAT = timedelta(minutes=5)
NOT_FOUND = b'{"title": "Not Found", "status": 404}'


def beat(bench: Bench, times: int = 1) -> None:
    """Half an hour's polls are many; one before each heartbeat is enough."""
    for _ in range(times):
        bench.manager.poll_events()
        bench.manager.heartbeat()
        bench.clock.now += HEARTBEAT


def lose(bench: Bench, kind: str, *names: str) -> None:
    """The VTN loses these objects, and what belongs to them."""
    store = bench.vtn.store
    field = {"VEN": "venName", "RESOURCE": "resourceName"}[kind]
    for found in store.select(kind, limit=10_000):
        if found[field] in names:
            if kind == "VEN":
                for resource in store.select("RESOURCE", limit=10_000):
                    if resource["venID"] == found["id"]:
                        store.remove("RESOURCE", resource["id"])
            store.remove(kind, found["id"])


def names_at_vtn(bench: Bench, kind: str) -> list[str]:
    field = {"VEN": "venName", "RESOURCE": "resourceName"}[kind]
    return sorted(found[field] for found in bench.vtn.store.select(kind, limit=10_000))


def answer(status: int, content: bytes, kind: str = "application/problem+json") -> Answer:
    return Answer(status=status, headers={"Content-Type": kind}, content=content)


class TestAVen:
    def test_it_is_enrolled_again_by_the_second_heartbeat(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        lose(bench, "VEN", "Aarhus")
        beat(bench)
        assert names_at_vtn(bench, "VEN") == ["Aalborg", "Esbjerg"]

        beat(bench)

        assert names_at_vtn(bench, "VEN") == sorted(SAMPLE)
        assert len(names_at_vtn(bench, "RESOURCE")) == TICK
        (line,) = [message for message in caplog.messages if "enrolled again" in message]
        assert "VEN Aarhus" in line
        assert "targets" in line
        assert bench.container.ops.health().readiness().warnings == ()

    def test_it_is_metered_and_reported_meanwhile(self, bench: Bench) -> None:
        lose(bench, "VEN", "Aarhus")
        for _ in range(3):
            beat(bench)
            bench.tick()
            bench.manager.generate_reports()

        assert bench.waiting() == 0
        bench.assert_each_once(3 * TICK)

    def test_it_is_a_warning_until_then(self, bench: Bench) -> None:
        lose(bench, "VEN", "Aarhus")
        bench.manager.poll_events()
        health = bench.container.ops.health()
        health.started = True

        readiness = health.readiness()

        assert readiness.ready
        (warning,) = readiness.warnings
        assert warning.startswith("VEN Aarhus: the VTN no longer shows it")

    def test_one_that_is_lost_again_within_a_day_is_held_until_it_is_enrolled_by_hand(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(2):
            lose(bench, "VEN", "Aarhus")
            beat(bench, 3)
        assert names_at_vtn(bench, "VEN") == ["Aalborg", "Esbjerg"]
        (warning,) = bench.container.ops.health().readiness().warnings
        assert "`fleet enrol Aarhus`" in warning
        assert sum("`fleet enrol Aarhus`" in line for line in caplog.messages) == 1

        bench.manager.register_load_ven("Aarhus")
        beat(bench)

        assert names_at_vtn(bench, "VEN") == sorted(SAMPLE)
        assert bench.container.ops.health().readiness().warnings == ()

    def test_a_day_later_it_is_enrolled_again(self, bench: Bench) -> None:
        lose(bench, "VEN", "Aarhus")
        beat(bench, 3)
        bench.clock.now += timedelta(days=1)
        lose(bench, "VEN", "Aarhus")
        beat(bench, 3)

        assert names_at_vtn(bench, "VEN") == sorted(SAMPLE)

    def test_one_that_somebody_made_again_is_taken_over(self, bench: Bench) -> None:
        lose(bench, "VEN", "Aarhus")
        new = bench.container.openadr.client_for()("Aarhus").create_ven()
        beat(bench, 3)

        assert bench.container.fleet.repository().ven("Aarhus").vtn_ven_id == new.ven_id
        assert names_at_vtn(bench, "VEN") == sorted(SAMPLE)


class TestAResource:
    def test_it_is_enrolled_again_by_the_second_heartbeat(self, bench: Bench) -> None:
        before = names_at_vtn(bench, "RESOURCE")
        lose(bench, "RESOURCE", before[1])
        beat(bench)
        assert len(names_at_vtn(bench, "RESOURCE")) == TICK - 1

        beat(bench)

        assert names_at_vtn(bench, "RESOURCE") == before


def test_a_vtn_that_lost_all_gets_all_back_in_one_line(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    lose(bench, "VEN", *SAMPLE)

    beat(bench, 2)

    assert names_at_vtn(bench, "VEN") == sorted(SAMPLE)
    assert len(names_at_vtn(bench, "RESOURCE")) == len(SAMPLE) * RESOURCES
    (line,) = [message for message in caplog.messages if "enrolled again" in message]
    assert line.startswith("the VTN has lost 3 VENs")


class TestOnlyTheHeartbeatMakesThemAgain:
    """What somebody may have removed on purpose is not made again by anything else."""

    @pytest.fixture
    def held_ven(self, bench: Bench) -> Bench:
        """Aarhus was lost, enrolled again, and lost again within a day."""
        for _ in range(2):
            lose(bench, "VEN", "Aarhus")
            beat(bench, 3)
        assert names_at_vtn(bench, "VEN") == ["Aalborg", "Esbjerg"]
        return bench

    def test_a_held_ven_is_not_enrolled_by_a_start(self, held_ven: Bench) -> None:
        held_ven.manager.enrol()

        assert names_at_vtn(held_ven, "VEN") == ["Aalborg", "Esbjerg"]

    def test_what_is_lost_is_not_enrolled_by_a_start(self, bench: Bench) -> None:
        before = names_at_vtn(bench, "RESOURCE")
        lose(bench, "RESOURCE", before[0])

        bench.manager.enrol()

        assert names_at_vtn(bench, "RESOURCE") == before[1:]

    def test_a_held_resource_is_not_enrolled_with_another_that_is_lost(self, bench: Bench) -> None:
        own = [
            resource.resource_name
            for _, resource in bench.container.fleet.repository().resources("Aarhus")
        ]
        for _ in range(2):
            lose(bench, "RESOURCE", own[0])
            beat(bench, 3)

        lose(bench, "RESOURCE", own[1])
        beat(bench, 3)

        assert own[0] not in names_at_vtn(bench, "RESOURCE")
        assert own[1] in names_at_vtn(bench, "RESOURCE")

    def test_nor_with_one_that_is_new(self, bench: Bench) -> None:
        before = names_at_vtn(bench, "RESOURCE")
        lose(bench, "RESOURCE", before[0])
        new = Resource(resource_name="new", kind=ResourceKind.BASE_LOAD)
        bench.container.fleet.repository().save({"Aarhus": [new]})

        bench.manager.enrol(pending_only=True)

        assert names_at_vtn(bench, "RESOURCE") == sorted([*before[1:], "new"])


def test_two_heartbeats_at_once_are_one(bench: Bench) -> None:
    lose(bench, "VEN", "Aarhus")
    bench.manager.poll_events()

    for _ in range(3):
        bench.manager.heartbeat()

    assert names_at_vtn(bench, "VEN") == ["Aalborg", "Esbjerg"]


def test_an_outage_while_they_are_enrolled_again_is_not_said_for_each(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Given that all is lost, when the VTN goes down meanwhile, then that is one line."""
    lose(bench, "VEN", *SAMPLE)
    beat(bench)
    bench.manager.poll_events()

    def goes_down(method: str, path: str) -> Answer | None:
        if method != "POST" or path != "/vens":
            return None
        bench.container.openadr.circuit().open()
        return answer(500, b"")

    bench.transport.instead = goes_down
    bench.container.fleet.lost_objects().look()

    (line,) = [line for line in caplog.messages if "not enrolled again" in line]
    assert line.startswith("3 lost VENs are not enrolled again: ")


def test_a_name_whose_letters_the_vtn_composes_otherwise_is_the_same(bench: Bench) -> None:
    """Given a resource that the VTN spells in NFD, then it is not missing, and has its targets."""
    repository, store = bench.container.fleet.repository(), bench.vtn.store
    repository.save({"Aarhus": [Resource(resource_name="Caf\u00e9", kind=ResourceKind.BASE_LOAD)]})
    bench.manager.enrol()
    (known,) = [
        each for each in store.select("RESOURCE", limit=100) if each["resourceName"] == "Caf\u00e9"
    ]
    store.remove("RESOURCE", known["id"])
    spelled = {**known, "resourceName": "Cafe\u0301", "targets": ["north"]}
    store.add("RESOURCE", spelled, client_id=known["clientID"], parent=known["venID"])

    event_id = bench.ask({"payloadType": "READING"}, targets=["north"])
    bench.manager.poll_events()

    assert list(bench.container.fleet.lost_objects().warnings()) == []
    (seen,) = bench.container.events.store().of_ven("Aarhus")
    assert (seen.event.event_id, seen.granted.scope(seen.event.targets)) == (
        event_id,
        {"Caf\u00e9"},
    )


class TestWhatIsNotLost:
    """Absence never counts alone, nor does a 404 of something that stands before the VTN."""

    @pytest.mark.parametrize(
        "found",
        [
            answer(404, b"<html>", "text/html"),
            answer(404, b"", "text/plain"),
            answer(404, b'{"error": "no route"}', "application/json"),
            answer(403, NOT_FOUND),
        ],
        ids=["a page", "nothing", "JSON of somebody else", "403"],
    )
    def test_a_404_that_is_not_the_vtns_own(self, bench: Bench, found: Answer) -> None:
        """Given that no list shows it either, then such a 404 is still no loss."""
        made = self.made(bench)
        nothing = answer(200, b"[]", "application/json")

        def hidden(method: str, path: str) -> Answer | None:
            if method == "GET" and path in ("/vens", "/resources"):
                return nothing
            return found if path.startswith(("/vens/", "/resources/")) else None

        bench.transport.instead = hidden
        for _ in range(4):
            bench.clock.advance(minutes=5)
            beat(bench)

        assert self.made(bench) == made

    def test_one_that_is_in_the_list_is_said_once_and_not_enrolled_again(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = self.made(bench)
        ven_id = bench.container.fleet.repository().ven("Aarhus").vtn_ven_id
        gone = answer(404, NOT_FOUND)
        bench.transport.instead = lambda _, path: gone if path == f"/vens/{ven_id}" else None

        beat(bench, 4)

        assert self.made(bench) == made
        assert sum("in the VTN's list" in line for line in caplog.messages) == 1

    @pytest.mark.parametrize(
        "by_id",
        [answer(403, NOT_FOUND), answer(200, b'{"a": 1}', "application/json")],
        ids=["may not be read", "cannot be read"],
    )
    def test_nothing_is_asked_for_where_neither_list_nor_id_shows_it(
        self, bench: Bench, by_id: Answer
    ) -> None:
        asked: list[str] = []
        nothing = answer(200, b"[]", "application/json")

        def hidden(method: str, path: str) -> Answer | None:
            if method == "POST" and path in ("/vens", "/resources"):
                asked.append(path)
            if method == "GET" and path in ("/vens", "/resources"):
                return nothing
            return by_id if path.startswith(("/vens/", "/resources/")) else None

        bench.transport.instead = hidden
        bench.manager.enrol()

        assert asked == []

    @pytest.mark.parametrize("empty", [b"[]", b"null", b""])
    def test_lists_that_leave_out_what_is_there(self, bench: Bench, empty: bytes) -> None:
        made = self.made(bench)
        nothing = answer(200 if empty else 204, empty, "application/json")

        def lists_are_empty(method: str, path: str) -> Answer | None:
            return nothing if method == "GET" and path in ("/vens", "/resources") else None

        bench.transport.instead = lists_are_empty
        beat(bench, 4)
        bench.manager.enrol()

        assert self.made(bench) == made
        assert bench.container.fleet.repository().pending_vens() == []

    def made(self, bench: Bench) -> dict[str, int]:
        """How many objects were made at the VTN."""
        return {
            kind: len(bench.vtn.store.select(kind, limit=10_000)) for kind in ("VEN", "RESOURCE")
        }


def test_one_that_comes_back_is_not_lost(bench: Bench) -> None:
    """Two heartbeats that find it gone have to come one after the other."""
    store = bench.vtn.store
    (ven,) = [each for each in store.select("VEN") if each["venName"] == "Aarhus"]
    for _ in range(4):
        store.remove("VEN", ven["id"])
        beat(bench)
        store.add("VEN", ven, client_id=ven["clientID"], name="Aarhus", object_id=ven["id"])
        beat(bench)

    assert bench.container.fleet.repository().ven("Aarhus").vtn_ven_id == ven["id"]
    assert len(bench.transport.of("POST", "/vens")) == len(SAMPLE)


def test_a_vtn_that_lost_all_and_does_not_answer_is_left_alone(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    lose(bench, "VEN", *SAMPLE)
    beat(bench)
    bench.manager.poll_events()
    bench.transport.instead = lambda method, path: (
        answer(503, b"{}") if (method, path) == ("GET", "/programs") else None
    )
    bench.container.fleet.lost_objects().look()

    assert names_at_vtn(bench, "VEN") == []
    assert "3 VENs are lost at a VTN that does not answer" in caplog.text


def test_they_are_enrolled_again_at_most_five_a_second(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> None:
    class Noted(Shutdown):
        """Does not wait, and notes for how long it would have."""

        def __init__(self) -> None:
            super().__init__()
            self.waits_s: list[float] = []

        def wait(self, timeout_s: float | None = None) -> bool:
            self.waits_s.append(timeout_s or 0.0)
            return False

    shutdown = Noted()
    container = make_container(vtn={"embedded_port": vtn.port})
    provider(container, "fleet.lost_objects").add_kwargs(shutdown=shutdown)
    bench = Bench(container, vtn, clock)
    bench.enrol()
    lose(bench, "VEN", *SAMPLE)

    beat(bench, 2)

    assert names_at_vtn(bench, "VEN") == sorted(SAMPLE)
    assert shutdown.waits_s == [0.2] * len(SAMPLE)
