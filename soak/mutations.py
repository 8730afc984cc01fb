"""Breaks each invariant of the page of invariants in a copy, and sees the test that it names fail.

`python -m soak.mutations`, or with the number of one of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
STREAM = "app/reporting/streams/stream.py"
SETTLEMENT = "app/reporting/delivery/settlement.py"
ORDER = "tests/integration/test_order_of_writes.py"


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One way to break an invariant."""

    invariant: int
    """Its number on the page."""
    file: str
    code: str
    """What stands there, once."""
    instead: str
    test: str
    """What has to fail then."""


MUTATIONS = (
    Mutation(
        invariant=1,
        file="app/readings/appender.py",
        code="        with self._writing:\n",
        instead="        with threading.Lock():\n",
        test="tests/integration/test_appender.py::test_a_reader_between_two_appends_misses_none",
    ),
    Mutation(
        invariant=2,
        file="app/readings/appender.py",
        code="with self._database.write() as connection:",
        instead="with self._database.write(durable=False) as connection:",
        test=f"{ORDER}::test_a_frame_is_durable_when_the_tick_returns",
    ),
    Mutation(
        invariant=3,
        file=STREAM,
        code="first_missing(to.has, self.acked_frame, last)",
        instead="first_missing((), self.acked_frame, last)",
        test="tests/unit/test_streams.py"
        "::test_every_value_is_told_refused_dropped_or_owed_and_only_one_of_them",
    ),
    Mutation(
        invariant=4,
        file=STREAM,
        code="max(self.reports_left - 1, 0)",
        instead="self.reports_left",
        test="tests/unit/test_streams.py::test_no_more_reports_come_than_are_asked_for",
    ),
    Mutation(
        invariant=5,
        file="app/reporting/streams/store.py",
        code="current = after.get(stream_id) or streams.get(stream_id)",
        instead="current = given if stream_id in streams else None",
        test="tests/integration/test_stream_store.py"
        "::test_a_change_is_applied_to_what_is_stored_and_not_to_what_was_read",
    ),
    Mutation(
        invariant=6,
        file="app/reporting/delivery/service.py",
        code="stored = self._store.apply([*batch.moved, *plans])",
        instead="stored = self._store.apply([*batch.moved, *plans], durable=False)",
        test=f"{ORDER}::test_a_report_is_durably_in_flight_before_it_is_posted",
    ),
    Mutation(
        invariant=7,
        file="app/reporting/delivery/sender.py",
        code="        if report.was_sent:\n            before = ",
        instead="        if not report.name:\n            before = ",
        test=f"{ORDER}"
        "::test_a_report_whose_outcome_was_not_seen_is_looked_up_before_it_is_sent_again",
    ),
    Mutation(
        invariant=8,
        file=STREAM,
        code="        return self if then == flying else self._with(in_flight=then)\n",
        instead="        return self._with(in_flight=None)\n",
        test="tests/unit/test_streams.py"
        "::test_every_value_is_told_refused_dropped_or_owed_and_only_one_of_them",
    ),
    Mutation(
        invariant=9,
        file="app/reporting/delivery/resend.py",
        code="                self._rejected.begin_to_send(begun, to_us(self._clock()))\n",
        instead="                del begun\n",
        test=f"{ORDER}::test_a_refused_report_is_durably_marked_before_it_is_sent_again",
    ),
    Mutation(
        invariant=10,
        file=SETTLEMENT,
        code="            durable=bool(changes.others),\n",
        instead="            durable=False,\n",
        test=f"{ORDER}::test_a_refused_report_is_kept_in_the_transaction_that_moves_its_cursor",
    ),
    Mutation(
        invariant=11,
        file=SETTLEMENT,
        code="            if fate is Fate.DELIVERED_AGAIN:\n",
        instead="            if not report.name:\n",
        test=f"{ORDER}"
        "::test_a_look_for_doubles_is_planned_in_the_transaction_that_moves_the_cursor",
    ),
    Mutation(
        invariant=12,
        file="app/reporting/retention/retention.py",
        code="before_seq=min(whole, default=newest.seq)",
        instead="before_seq=max(whole, default=newest.seq)",
        test="tests/integration/test_store_bounds.py",
    ),
    Mutation(
        invariant=13,
        file="app/reporting/retention/retention.py",
        code="            in_transaction=functools.partial(self._losses.add, DROPPED, dropped),\n",
        instead="",
        test=f"{ORDER}"
        "::test_what_a_full_store_drops_is_counted_in_the_transaction_that_moves_the_cursors",
    ),
    Mutation(
        invariant=14,
        file="app/reporting/streams/backlog.py",
        code="            self._total -= self._between(*advanced, count.scope)\n",
        instead="",
        test="tests/integration/test_backlog.py::test_the_count_is_what_counting_anew_gives",
    ),
    Mutation(
        invariant=15,
        file="app/vens/push_trust.py",
        code=" and self.polled_at_count == self.coverage_count",
        instead="",
        test="tests/unit/test_poll_plan.py::test_push_works_only_after_a_poll_that_began_later",
    ),
    Mutation(
        invariant=16,
        file="app/intake/store/log.py",
        code="known = memory.known(connection, rows)",
        instead="known = rows[:0]",
        test="tests/integration/test_measurement_log.py"
        "::test_whatever_comes_in_whatever_order_is_there_once",
    ),
    Mutation(
        invariant=17,
        file="app/intake/store/session.py",
        code=".where(import_table.c.state == PUBLISHED)",
        instead="",
        test="tests/integration/test_measurement_log.py::test_what_is_staged_nobody_sees",
    ),
    Mutation(
        invariant=18,
        file="app/intake/store/compaction.py",
        code="_drop_batches(connection, min(through, state.told_seq))",
        instead="_drop_batches(connection, through)",
        test="tests/integration/metered/test_metered_telemetry.py::test_what_came_is_kept_until_it_is_told",
    ),
    Mutation(
        invariant=19,
        file="app/reporting/streams/measured.py",
        code="        return end < before\n",
        instead="        return True\n",
        test="tests/integration/metered/test_telemetry_corrections.py"
        "::test_what_was_corrected_before_it_was_told_is_told_once",
    ),
    Mutation(
        invariant=20,
        file="app/reporting/delivery/settlement.py",
        code="        if report.metered is not None:\n",
        instead="        if False:\n",
        test="tests/integration/metered/test_corrections.py"
        "::test_a_correction_takes_the_place_of_what_was_told",
    ),
    Mutation(
        invariant=21,
        file="app/intake/mqtt/subscriber.py",
        code="        if receipt is None:\n"
        "            return  # the end: what is not acknowledged comes again\n",
        instead="        receipt = receipt or Receipt()\n",
        test="tests/integration/mqtt/test_mqtt_source.py"
        "::test_what_could_not_be_stored_is_not_acknowledged",
    ),
    Mutation(
        invariant=22,
        file="app/actuation/store.py",
        code="            first = max(last + 1, now_us)\n",
        instead="            first = now_us\n",
        test="tests/integration/test_order_store.py"
        "::test_each_has_a_seq_of_its_own_above_all_before",
    ),
    Mutation(
        invariant=23,
        file="app/actuation/book.py",
        code="            if issued:\n                self._store.issue(issued, to_us(now))\n",
        instead="",
        test="tests/unit/test_order_book.py::TestSeq::test_it_is_stored_before_anything_is_written",
    ),
    Mutation(
        invariant=24,
        file="app/actuation/transitions.py",
        code="return until if ends_at is None else min(until, ends_at)",
        instead="return until",
        test="tests/unit/test_order_book.py"
        "::TestWhatIsWritten::test_it_never_outlasts_what_is_asked",
    ),
    Mutation(
        invariant=25,
        file="app/actuation/mqtt.py",
        code="min(written.left_s, self._actuator.half_s)",
        instead="written.left_s",
        test="tests/integration/actuation/test_orders_over_mqtt.py"
        "::TestAnOrder::test_waits_for_a_device_that_comes_late",
    ),
    Mutation(
        invariant=26,
        file="app/actuation/planner.py",
        code="            if order is not None and not order.is_over:\n"
        "                baseline_kw[column] = order.baseline_kw\n"
        "            elif",
        instead="            if",
        test="tests/unit/test_order_planner.py"
        "::TestBaseline::test_a_device_that_obeys_gets_the_same_order_for_an_hour",
    ),
    Mutation(
        invariant=27,
        file="app/actuation/dispatcher.py",
        code="            self._inbox.put_back(answers)\n            raise\n",
        instead="            raise\n",
        test="tests/unit/test_dispatcher.py"
        "::TestAnswers::test_while_the_database_is_silent_they_wait",
    ),
    Mutation(
        invariant=28,
        file="app/actuation/dispatcher.py",
        code="        if answer.actuator not in own:\n",
        instead="        if not own:\n",
        test="tests/unit/test_dispatcher.py"
        "::TestAnswers::test_nobody_speaks_for_the_devices_of_another_actuator",
    ),
    Mutation(
        invariant=29,
        file="app/control/capacity.py",
        code="np.repeat(np.arange(len(sites), dtype=np.intp), lengths)",
        instead="np.zeros(len(columns), dtype=np.intp)",
        test="tests/unit/test_capacity.py::test_a_limit_of_one_ven_binds_no_other",
    ),
    Mutation(
        invariant=30,
        file="app/platform/database.py",
        code="self._fence.check(connection)",
        instead="pass",
        test="tests/integration/shards/test_lease.py"
        "::TestTakenOver::test_who_was_taken_over_writes_nothing_more",
    ),
    Mutation(
        invariant=31,
        file="app/platform/shards/server_lease.py",
        code="self._lost is None and self._boottime() < self._certain_until_s",
        instead="self._lost is None",
        test="tests/integration/shards/test_lease.py"
        "::TestServer::test_what_leaves_waits_until_the_lease_is_confirmed",
    ),
    Mutation(
        invariant=32,
        file="app/reporting/delivery/takeover.py",
        code="max(flying.planned_us, ended_us)",
        instead="flying.planned_us",
        test="tests/integration/shards/test_takeover.py"
        "::test_it_is_held_until_the_settling_time_has_passed_since_the_lease_ended",
    ),
    Mutation(
        invariant=33,
        file="app/platform/shards/file_lease.py",
        code="if started(owner.pid) != owner.started:",
        instead="if False:",
        test="tests/integration/shards/test_frozen_owner.py"
        "::TestFrozen::test_one_that_may_be_somebody_else_is_left",
    ),
    Mutation(
        invariant=34,
        file="app/platform/shards/store.py",
        code="elif any(getattr(row, name) != value for name, value in own.items()):",
        instead="elif False:",
        test="tests/integration/shards/test_stores.py"
        "::TestFiles::test_the_store_of_another_shard_is_refused",
    ),
    Mutation(
        invariant=35,
        file="app/intake/split.py",
        code="if key in self._away:",
        instead="if False:",
        test="tests/unit/test_split_intake.py"
        "::test_every_value_is_taken_once_whoever_fails_meanwhile",
    ),
    Mutation(
        invariant=36,
        file="app/platform/shards/gateway_key.py",
        code='f"{shard} {of} {epoch} {address} {part}".encode()',
        instead='b"any"',
        test="tests/integration/shards/test_endpoint.py"
        "::test_a_key_opens_one_part_of_one_owner_and_nothing_else",
    ),
    Mutation(
        invariant=37,
        file="app/platform/secret_file.py",
        code="path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600",
        instead="path, os.O_RDWR | os.O_CREAT, 0o600",
        test="tests/integration/shards/test_stores.py"
        "::TestASQLiteFile::test_keeps_its_log_when_another_process_has_looked_at_it",
    ),
    Mutation(
        invariant=38,
        file="app/cluster/engine/watched.py",
        code="since_s is None or now_s - since_s < UNOWNED_S",
        instead="since_s is None",
        test="tests/integration/cluster/test_keeper.py"
        "::test_owners_that_come_back_with_the_database_are_left_alone",
    ),
    Mutation(
        invariant=39,
        file="app/cluster/engine/keeper.py",
        code="node.is_ours and node.name not in desired.leaving",
        instead="node.name not in desired.leaving",
        test="tests/integration/cluster/test_keeper.py::test_a_node_of_somebody_else_gets_nothing",
    ),
)


def survives(mutation: Mutation, copy: Path) -> bool:
    """Whether the test passes although the invariant is broken."""
    path = copy / mutation.file
    whole = path.read_text()
    if whole.count(mutation.code) != 1:
        raise SystemExit(f"{mutation.file} does not hold once: {mutation.code!r}")
    path.write_text(whole.replace(mutation.code, mutation.instead))
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", mutation.test],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        path.write_text(whole)
    if ended.returncode not in (0, 1):  # 1: a test failed
        raise SystemExit(f"{mutation.test} could not be run:\n{ended.stdout}{ended.stderr}")
    return ended.returncode == 0


def main(numbers: list[str]) -> int:
    chosen = [each for each in MUTATIONS if not numbers or str(each.invariant) in numbers]
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        left_out = shutil.ignore_patterns(".*", "__pycache__", "screenshots")
        shutil.copytree(ROOT, copy, ignore=left_out)
        for mutation in chosen:
            survived = survives(mutation, copy)
            survivors += survived
            words = "SURVIVED" if survived else "was seen"
            print(f"{mutation.invariant:2d} {words}: {mutation.file} ({mutation.test})", flush=True)
    return min(survivors, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
