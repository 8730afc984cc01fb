"""Until when something is asked without a gap (openadr.md, 'Time')."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.support.events import NOW, timeline

NOON = "2026-06-01T12:00:00Z"
ASKS = [{"type": "SIMPLE", "values": [1]}]

near = st.builds(
    lambda duration, own: {
        "duration": duration,
        "intervalPeriod": {"start": NOON, "duration": "PT1H"},
        "intervals": [
            {
                "id": number,
                "intervalPeriod": period,
                "payloads": ASKS if asks else [],
            }
            for number, (period, asks) in enumerate(own)
        ],
    },
    st.sampled_from([None, "PT2H", "PT5H30M", "P9999Y"]),
    st.lists(
        st.tuples(
            st.none()
            | st.fixed_dictionaries(
                {"duration": st.sampled_from(["PT0S", "PT15M", "PT1H", "P9999Y"])},
                optional={"start": st.sampled_from([NOON, "2026-06-01T13:30:00Z"])},
            ),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    ),
)


OUT_OF_ORDER = {
    "duration": "PT2H",
    "intervalPeriod": {"start": NOON, "duration": "PT1H"},
    "intervals": [
        {"id": 0, "intervalPeriod": {"start": "2026-06-01T13:30:00Z", "duration": "PT0S"}},
        {"id": 1, "intervalPeriod": {"start": NOON, "duration": "PT0S"}, "payloads": ASKS},
    ],
}


@given(near, st.integers(0, 8))
@example(event=OUT_OF_ORDER, quarters=0)
def test_what_is_asked_goes_on_until_the_first_gap(event: dict[str, Any], quarters: int) -> None:
    made, instant = timeline(**event), NOW + timedelta(minutes=15 * quarters)
    horizon = timedelta(hours=3)

    def is_asked(at: datetime) -> bool:
        return any(each.payloads for each in made.at(at))

    assume(is_asked(instant))
    gap: datetime | None = made.next_change(instant)
    while gap is not None and gap <= instant + horizon and is_asked(gap):
        gap = made.next_change(gap)
    until = made.asks_until(instant, horizon=horizon)

    if gap is not None and gap <= instant + horizon:
        assert until == gap
    else:
        assert until is None or until > instant + horizon
