"""Every operation of the official files, asked of the embedded VTN by schemathesis.

The seed is fixed. Nothing is excluded but what the overlay names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import CoveragePhaseData, CoverageScenario

from tests.contract.overlay import actions, corrected, line_of
from tests.contract.targets import Target, role_of, target

load_all_checks()
USED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
CONFIGURATION = {
    "seed": 1,
    "suppress-health-check": ["all"],
    "generation": {
        "deterministic": True,
        "database": "none",
        "max-examples": 10,  # beside the cases that each schema defines
        "no-shrink": True,
    },
    "phases": {"stateful": {"enabled": False}},
}


@pytest.fixture(scope="module")
def vtn_310(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with target(tmp_path_factory.mktemp("contract"), "3.1.0") as made:
        yield made


@pytest.fixture(scope="module")
def vtn_301(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with target(tmp_path_factory.mktemp("contract"), "3.0.1") as made:
        yield made


class Signing:
    """The role that a case is for; its token is known only when the VTN is there."""

    def get(self, case: Any, context: Any) -> str:
        del context
        return role_of(case)

    def set(self, case: Any, data: str, context: Any) -> None:
        del context
        case.headers["Authorization"] = f"Bearer {data}"


def _loaded(version: str) -> Any:
    configuration = SchemathesisConfig.from_dict(CONFIGURATION)
    schema = schemathesis.openapi.from_dict(corrected(version), config=configuration)
    schema.auth(refresh_interval=None)(Signing)  # not cached: the role is the case's
    return schema


SCHEMA_310 = _loaded("3.1.0")
SCHEMA_301 = _loaded("3.0.1")


@SCHEMA_310.parametrize()  # type: ignore[untyped-decorator]
def test_3_1_0(case: Any, vtn_310: Target) -> None:
    _ask(case, vtn_310)


@SCHEMA_301.parametrize()  # type: ignore[untyped-decorator]
def test_3_0_1(case: Any, vtn_301: Target) -> None:
    _ask(case, vtn_301)


@pytest.mark.parametrize("version", ["3.1.0", "3.0.1"])
def test_the_overlay_names_the_lines_of_the_file(version: str) -> None:
    named = {action.path: action.line for action in actions(version)}

    assert named == {path: line_of(version, path) for path in named}


PROVEN: set[tuple[str, str]] = set()
"""Operations that were seen to refuse missing and wrong tokens: each proof costs three requests."""


def _ask(case: Any, vtn: Target) -> None:
    vtn.aim(case)
    role = str(case.headers.get("Authorization", "")).removeprefix("Bearer ")
    if role in vtn.tokens:
        case.headers["Authorization"] = f"Bearer {vtn.tokens[role]}"
    how = {"base_url": vtn.base_url, "session": vtn.session, "timeout": 10}
    answer = case.call(**how)
    operation = vtn.base_url, case.operation.label
    left_out = set()
    if operation in PROVEN:
        left_out.add("ignored_auth")
    if _only_unknown_parameters(case):
        left_out.add("negative_data_rejection")
    checks = [CHECKS.get_one(name) for name in USED if name not in left_out]
    case.validate_response(answer, checks=checks, transport_kwargs=how)
    if answer.status_code < 300:
        PROVEN.add(operation)


def _only_unknown_parameters(case: Any) -> bool:
    """A parameter that nobody knows is ignored, which is no mistake; schemathesis says so, too, but
    4.32 does not see it where a number stands beside it."""
    data = case.meta.phase.data
    return (
        isinstance(data, CoveragePhaseData)
        and data.scenario is CoverageScenario.OBJECT_UNEXPECTED_PROPERTIES
        and data.parameter_location is ParameterLocation.QUERY
    )
