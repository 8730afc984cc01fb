"""The official OpenAPI file as a judge of requests."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import orjson
import yaml
from openapi_schema_validator import OAS30Validator, oas30_format_checker

from tests.support.needed import skip_or_fail
from tests.support.transports import Sent

ROOT = Path(__file__).parents[2]
VARIABLE = "OPENADR_FILES"
FILES = ROOT.parent / "shared" / "openadr"
OVERLAY = {"ven": "BlVenRequest", "resource": "BlResourceRequest"}
"""Schemas that demand two objectTypes at once; the second one is not asked for in answers."""


def official_file(version: str = "3.1.0") -> Path:
    """The file; without it the test is skipped, or fails where REQUIRE_OPENADR_FILES=1."""
    folder = Path(os.environ.get(VARIABLE, FILES))
    path = folder / version / "openadr3.yaml"
    if not path.is_file():
        skip_or_fail(
            f"{path} is not there: docs/developer/official-files.md says how to get it, as"
            f" {version}/openadr3.yaml in a folder that {VARIABLE} names",
            fails=os.environ.get("REQUIRE_OPENADR_FILES") == "1",
        )
    return path


class OpenApi:
    """Judges requests by the paths, parameters and bodies that the file allows."""

    def __init__(self, path: Path) -> None:
        self.document: dict[str, Any] = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        _without_discriminators(self.document)

    def errors(self, request: Sent, base_url: str) -> list[str]:
        """What is wrong with a request; empty if nothing is."""
        parts = urlsplit(str(request.url).removeprefix(base_url))
        template = self._template(parts.path)
        if template is None:
            return [f"no path {parts.path}"]
        operation = self.document["paths"][template].get(str(request.method).lower())
        if operation is None:
            return [f"no {request.method} {template}"]
        return [
            *self._query_errors(operation, parts.query),
            *self._body_errors(operation, request),
        ]

    def answer_errors(self, schema: str, body: Any) -> list[str]:
        """The same for what a VTN answers, but for defects of the file that nobody can satisfy."""
        contradicted = OVERLAY.get(schema) in self.document["components"]["schemas"]
        errors = self.body_errors(schema, body)
        return [error for error in errors if not (contradicted and error.startswith("objectType:"))]

    def body_errors(self, schema: str, body: Any) -> list[str]:
        """What is wrong with an object of this schema; empty if nothing is."""
        return self._schema_errors({"$ref": f"#/components/schemas/{schema}"}, body)

    def _template(self, path: str) -> str | None:
        for template in self.document["paths"]:
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[a-zA-Z0-9_-]+", template), path):
                return str(template)
        return None

    def _query_errors(self, operation: dict[str, Any], query: str) -> list[str]:
        known = {each["name"]: each["schema"] for each in operation.get("parameters", ())}
        found = []
        for name, values in parse_qs(query, keep_blank_values=True).items():
            if name not in known:
                found.append(f"unknown parameter {name}")
                continue
            kind = known[name].get("type")
            value: Any = int(values[0]) if kind == "integer" else values[0]
            found += self._schema_errors(known[name], values if kind == "array" else value)
        return found

    def _body_errors(self, operation: dict[str, Any], request: Sent) -> list[str]:
        if request.body is None:
            return ["a body is missing"] if operation.get("requestBody", {}).get("required") else []
        media = str(request.headers["Content-Type"])
        content = operation["requestBody"]["content"]
        if media not in content:
            return [f"content type {media}"]
        raw = request.body if isinstance(request.body, bytes) else request.body.encode()
        body = orjson.loads(raw) if media == "application/json" else dict(parse_qsl(raw.decode()))
        return self._schema_errors(content[media]["schema"], body)

    def _schema_errors(self, schema: dict[str, Any], value: Any) -> list[str]:
        whole = {**schema, "components": self.document["components"]}
        validator = OAS30Validator(whole, format_checker=oas30_format_checker)
        return [
            f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
            for error in validator.iter_errors(value)
        ]


def _without_discriminators(node: Any) -> None:
    """They map no names, and so point to schemas that are not there."""
    if isinstance(node, dict):
        node.pop("discriminator", None)
        for each in node.values():
            _without_discriminators(each)
    elif isinstance(node, list):
        for each in node:
            _without_discriminators(each)


class Enumerations:
    """Judges payload values by the schemas of the 3.1.0 enumerations.

    But for the `minimum: 0` of USAGE and DEMAND: the Definition has none, and what a battery gives
    back is told as it is.
    """

    def __init__(self, api: Path) -> None:
        path = api.parent / "enumerations" / "report-payloads.schema.yaml"
        self._types: dict[str, Any] = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)[
            "definitions"
        ]
        for kind in ("USAGE", "DEMAND"):
            del self._types[kind]["items"]["minimum"]
        self._components = OpenApi(api).document["components"]

    def errors(self, report: dict[str, Any]) -> list[str]:
        """What is wrong with the values of a report."""
        return [
            f"{resource['resourceName']}: {payload['type']} {payload['values']}: {error.message}"
            for resource in report["resources"]
            for interval in resource["intervals"]
            for payload in interval["payloads"]
            for error in OAS30Validator(
                {**self._types[payload["type"]], "components": self._components}
            ).iter_errors(payload["values"])
        ]
