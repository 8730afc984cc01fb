"""A day of operation at speed: nothing grows, nothing is lost.

python -m soak.day [--hours 24]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.fleet import Sink
from soak.fleet import TICK, running

WARM_UP_S = 3600
POOLED_FILES = 13
"""Of five pooled connections, the lock and the memory that they share."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=24)
    hours = parser.parse_args().hours
    sink = Sink()
    with tempfile.TemporaryDirectory() as name, running(sink, Path(name)) as fleet:
        fleet.run(WARM_UP_S)
        first = fleet.footprint()
        print(f"after an hour: {first}", flush=True)
        for hour in range(2, hours + 1):
            fleet.run(3600)
            if hour % 6 == 0 or hour == hours:
                print(f"after {hour} hours: {fleet.footprint()}", flush=True)
        last = fleet.footprint()
        assert last.memory_mib <= 1.05 * first.memory_mib, "memory grew"
        assert last.threads <= first.threads, "threads grew"
        most = fleet.container.settings().vtn.max_connections
        assert last.vtn_sockets <= first.vtn_sockets + most, "more sockets than connections"
        # A thread has one connection at a time. Of one beyond the pool SQLite keeps the file open
        # for the next: no lock is let go while the pooled ones read.
        assert last.database_files <= POOLED_FILES + first.threads, "more files than connections"
        assert last.other_files <= first.other_files, "open files grew"
        assert last.database_kib <= 1.05 * first.database_kib, "the database grew"
        counted = sink.counts()["readings"]
        print(f"{fleet.ticks} ticks, {counted:,} readings at the VTN")
        assert counted == fleet.ticks * TICK, "readings are lost or doubled"
    sink.close()


if __name__ == "__main__":
    main()
