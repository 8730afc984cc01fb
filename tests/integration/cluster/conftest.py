"""A keeper with an engine that is none, and leases that the test gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cluster.engine import ClusterRecord, Common
from app.platform import Registry, make_engine


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(make_engine(f"sqlite:///{tmp_path}/shards.db", pools=False))


@pytest.fixture
def record(registry: Registry) -> ClusterRecord:
    """Of a cluster that has begun."""
    made = ClusterRecord(registry)
    made.begin("127.0.0.2:6379", Common("one version", {"FLEET__SHARDS": "a digest"}))
    return made
