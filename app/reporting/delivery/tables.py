"""The tables of delivery as they are now; `app.platform.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Text, text

from app.platform.columns import needed, numbered, table

metadata = MetaData()
set_aside_table = table(
    metadata,
    "set_aside",
    numbered("set_aside_id"),
    needed("ven_name", String(128)),
    needed("event_id", String(128)),
    needed("report_name", String(128)),
    needed("readings", BigInteger),
    needed("body", LargeBinary),
    needed("problem", Text),
    needed("refused_at_us", BigInteger),
    needed("state", String(16)),
    Column("in_doubt_us", BigInteger),
    needed("program_id", String(128), server_default=text("''")),
    never_again=True,
)
second_look_table = table(
    metadata,
    "second_look",
    Column("report_name", String(128), primary_key=True),
    needed("ven_name", String(128)),
    needed("event_id", String(128)),
    needed("body_bytes", BigInteger),
    needed("reports_before", BigInteger),
    needed("due_us", BigInteger),
    needed("looks_left", BigInteger),
)
