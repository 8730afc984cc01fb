"""An hour without the VTN: memory stays, everything is kept, and catching up is fast.

python -m soak.outage
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import wait
from pathlib import Path

from bench.fleet import Sink
from soak.fleet import TICK, TICK_S, running

HOUR_S = 3600
MAX_MEMORY_RATIO = 1.2
MIN_RATE = 10.0
PAUSE_S = 0.02
"""Between two readings while the backlog is sent."""


def main() -> None:
    sink = Sink()
    with tempfile.TemporaryDirectory() as name, running(sink, Path(name)) as fleet:
        fleet.run(HOUR_S)
        before = fleet.footprint()
        peak_mib = before.memory_mib

        def measure() -> None:
            nonlocal peak_mib
            if fleet.ticks % 10 == 0:
                peak_mib = max(peak_mib, fleet.footprint().memory_mib)

        fleet.line.cut = True
        assert fleet.run(HOUR_S, measure) == 0
        waiting = fleet.container.delivery.service().waiting()
        fleet.line.cut = False
        fleet.clock.advance(10)
        before_readings = sink.counts()["readings"]
        began_s = time.perf_counter()
        catching_up = fleet.begin("generate_reports")
        while not catching_up.done():
            fleet.tick()  # metering goes on meanwhile
            fleet.clock.advance(TICK_S)
            wait([catching_up], timeout=PAUSE_S)
        took_s = time.perf_counter() - began_s
        caught_up = sink.counts()["readings"] - before_readings
        measure()
        fleet.run(300, measure)

        rate = caught_up / took_s
        times = rate / (TICK / TICK_S)
        print(f"before the outage: {before}")
        print(f"after it: {fleet.footprint()}; the most memory {peak_mib:.1f} MiB")
        print(
            f"{waiting:,} readings waited; {caught_up:,} were delivered in {took_s:.2f} s:"
            f" {rate:,.0f}/s, {times:,.0f} times as fast as they are metered"
        )
        assert waiting == HOUR_S // TICK_S * TICK
        assert peak_mib <= MAX_MEMORY_RATIO * before.memory_mib, "memory grew"
        assert times >= MIN_RATE, "catching up is too slow"
        assert sink.counts()["readings"] == fleet.ticks * TICK, "readings are lost or doubled"
    sink.close()


if __name__ == "__main__":
    main()
