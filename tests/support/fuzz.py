"""Objects drawn from a schema of the official file, and then bent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

Schema = Mapping[str, Any]
JUNK: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["0001-01-01", "P9999Y", "-PT1H", "P1.5M", "9" * 400])
    | st.builds(list)
    | st.builds(dict)
    | st.builds(lambda: [None])  # new ones: what is bent is changed in place
)
DURATIONS = ["PT0S", "PT1S", "PT15M", "PT1H", "P1D", "P1M", "P1Y", "P9999Y", "P99999D", "-PT5M"]
DURATIONS += ["P9999Y0M0DT0H0M0S", "PT0.000001S"]
TIMES = st.sampled_from(["0001-01-01", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]) | st.builds(
    datetime.isoformat,
    st.datetimes(
        min_value=datetime(2026, 5, 30),  # noqa: DTZ001 - hypothesis wants them so
        max_value=datetime(2026, 6, 3),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
)
TYPES = [
    *("SIMPLE", "PRICE", "GHG", "EXPORT_PRICE", "DISPATCH_SETPOINT", "CHARGE_STATE_SETPOINT"),
    *("IMPORT_CAPACITY_LIMIT", "CONTROL_LEVEL_OFFSET", "ALERT_FIRE", "CURVE", "PRIVATE"),
    *("USAGE", "READING", "DEMAND", "BASELINE", "OPERATING_STATE", "STORAGE_CHARGE_LEVEL"),
    *("USAGE_FORECAST", "LOAD_SHED_DELTA_AVAILABLE", "DATA_QUALITY", "SIMPLE_LEVEL"),
]


def drawn(document: Schema, schema: Schema) -> st.SearchStrategy[Any]:
    """Values of a schema; `document`: what its references are into."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        if name == "duration":
            return st.sampled_from(DURATIONS)
        if name == "dateTime":
            return TIMES
        return drawn(document, document["components"]["schemas"][name])
    for combined in ("anyOf", "oneOf"):
        if combined in schema:
            return st.one_of([drawn(document, each) for each in schema[combined]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type", "object")
    if kind == "array":
        return st.lists(drawn(document, schema["items"]), max_size=3)
    if kind == "object":
        return _object(document, schema)
    simple: dict[str, st.SearchStrategy[Any]] = {
        "string": st.sampled_from(TYPES) | st.text(min_size=1, max_size=5),
        "integer": st.integers(-2, 5) | st.integers(-(2**31), 2**31 - 1),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "boolean": st.booleans(),
    }
    value = simple[kind]
    return st.none() | value if schema.get("nullable") else value


def _object(document: Schema, schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    required = set(schema.get("required", ()))
    properties = {
        name: drawn(document, each) for name, each in schema.get("properties", {}).items()
    }
    return st.fixed_dictionaries(
        {name: each for name, each in properties.items() if name in required},
        optional={name: each for name, each in properties.items() if name not in required},
    )


@st.composite
def bent(draw: st.DrawFn, whole: st.SearchStrategy[Any]) -> Any:
    """The same, with junk in a place or two."""
    value = draw(whole)
    for _ in range(draw(st.integers(0, 2))):
        places = list(_places(value))
        if places:
            holder, key = draw(st.sampled_from(places))
            holder[key] = draw(JUNK)
    return value


def _places(value: Any) -> Any:
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, entry in entries:
        yield value, key
        if isinstance(entry, dict | list):
            yield from _places(entry)
