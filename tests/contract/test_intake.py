"""The server of measurements keeps what its own OpenAPI document promises.

What is wrong with one reading refuses that one, and the answer is 200: so a body that is not as the
schema says need not be refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig

from app.intake.http.openapi import DOCUMENT
from app.settings import Settings
from containers import Container
from tests.contract.test_official_files import CONFIGURATION
from tests.support.intake import TOKEN, prepare
from tests.support.servers import free_port

load_all_checks()
USED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)


@schemathesis.serializer("application/x-ndjson", "text/csv")
def as_it_is(context: Any, value: Any) -> bytes:
    """Of a text, its bytes."""
    del context
    return value.encode() if isinstance(value, str) else repr(value).encode()


SCHEMA = schemathesis.openapi.from_dict(
    DOCUMENT, config=SchemathesisConfig.from_dict(CONFIGURATION)
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("intake")
    port = free_port()
    container = Container()
    container.settings.override(
        Settings(
            data_dir=folder / "data",
            sources_file=folder / "sources.toml",
            intake={"port": port},
            ops={"enabled": False},
        )
    )
    prepare(container, folder)
    container.intake.server().start()
    yield f"http://127.0.0.1:{port}"
    container.intake.server().close()
    container.platform.database().close()


@SCHEMA.parametrize()
def test_it_answers_as_the_document_says(case: Any, server: str) -> None:
    case.headers["Authorization"] = f"Bearer {TOKEN}"
    session = requests.Session()
    session.trust_env = False
    how = {"base_url": server, "session": session, "timeout": 10}

    answer = case.call(**how)

    checks = [CHECKS.get_one(name) for name in USED]
    case.validate_response(answer, checks=checks, transport_kwargs=how)


def test_the_document_is_served(server: str) -> None:
    answer = requests.get(f"{server}/openapi.json", timeout=10)

    assert answer.json()["paths"].keys() == DOCUMENT["paths"].keys()
