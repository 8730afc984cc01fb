"""Values of one roster in the columns of another."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.readings import Roster, column_map, realign

names = st.lists(st.sampled_from(["pump", "car", "roof"]), unique=True, max_size=3)
rosters = st.dictionaries(st.sampled_from(["Aarhus", "Odense", "Ribe"]), names, max_size=3)


@given(rosters, rosters)
def test_each_resource_keeps_its_value_and_others_have_none(
    source: dict[str, list[str]], target: dict[str, list[str]]
) -> None:
    before, after = Roster(source.items()), Roster(target.items())
    values = np.arange(before.size, dtype=np.float32)
    known = dict(
        zip(((ven, name) for ven, own in source.items() for name in own), values, strict=True)
    )

    found = realign(values, column_map(before, after), np.full(after.size, -1, np.float32))

    assert found.tolist() == [
        known.get((ven, name), -1) for ven, own in target.items() for name in own
    ]


def test_of_the_same_one_all_stays_where_it_is() -> None:
    roster = Roster([("Aarhus", ["pump"])])

    assert column_map(roster, roster) is None
    assert realign(np.array([1.5], np.float32), None, np.zeros(1, np.float32)).tolist() == [1.5]
