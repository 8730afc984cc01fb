"""What the server of measurements answers to, in OpenAPI."""

from __future__ import annotations

from typing import Any

from app.intake.measurement import Direction, Quality, Quantity
from app.intake.units import UNITS

_INSTANT = {
    "type": "string",
    "description": "ISO 8601; without an offset, of the source's time_zone.",
    "examples": ["2026-03-01T00:15:00Z"],
}
_READING = {
    "type": "object",
    "additionalProperties": False,
    "required": ["start", "quantity", "unit", "value"],
    "properties": {
        "device": {"type": "string", "maxLength": 256},
        "meter_point_id": {"type": "string", "maxLength": 256},
        "ven_name": {"type": "string", "maxLength": 128},
        "resource_name": {"type": "string", "maxLength": 128},
        "start": _INSTANT,
        "end": {**_INSTANT, "type": ["string", "null"], "description": "None: an instant."},
        "quantity": {"enum": list(Quantity)},
        "unit": {"enum": list(UNITS)},
        "direction": {"enum": list(Direction), "description": "NET, where none is said."},
        "channel": {"type": "string", "maxLength": 64},
        "value": {"type": ["number", "null"], "description": "Null was not measured."},
        "quality": {"enum": list(Quality.__members__)},
    },
}
_COUNT = {"type": "integer", "minimum": 0}
_RECEIPT = {
    "type": "object",
    "required": [
        *("taken", "repeated", "corrected", "late", "not_told", "refused", "refused_count"),
    ],
    "properties": {
        **dict.fromkeys(("taken", "repeated", "corrected", "late", "not_told"), _COUNT),
        "refused": {
            "type": "array",
            "maxItems": 100,
            "items": {
                "type": "object",
                "required": ["index", "reason"],
                "properties": {"index": {"type": "integer"}, "reason": {"type": "string"}},
            },
        },
        "refused_count": _COUNT,
    },
}
_GAPS = {
    "type": "object",
    "required": ["gaps", "is_complete"],
    "properties": {
        "gaps": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["ven_name", "resource_name", "start", "end"],
                "properties": {
                    name: {"type": "string"}
                    for name in ("ven_name", "resource_name", "start", "end")
                },
            },
        },
        "is_complete": {"type": "boolean"},
    },
}
_OUTCOME = {
    "type": "object",
    "required": ["ven_name", "resource_name", "seq", "status"],
    "properties": {
        "ven_name": {"type": "string", "minLength": 1},
        "resource_name": {"type": "string", "minLength": 1},
        "seq": {"type": "integer", "minimum": 0, "maximum": (1 << 53) - 1},
        "status": {"enum": ["ACCEPTED", "REFUSED", "OPTED_OUT", "OPTED_IN"]},
        "reason": {"type": "string"},
        "until": {"type": "string", "description": "Of OPTED_OUT: when it ends by itself."},
    },
}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def _answers(schema: str, *problems: int) -> dict[str, Any]:
    return {
        "200": {
            "description": "As it is, when all of it is durable.",
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
        },
        **_problems(*problems),
    }


def _problems(*statuses: int) -> dict[str, Any]:
    return {
        str(status): {
            "description": "A problem (RFC 9457).",
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/problem"}}
            },
        }
        for status in statuses
    }


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Readings of real meters", "version": "1"},
    "security": [{"source": []}],
    "paths": {
        "/readings": {
            "post": {
                "summary": "Take readings; those that are sent again are not taken twice.",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["readings"],
                                "properties": {
                                    "readings": {
                                        "type": "array",
                                        "items": {"$ref": "#/components/schemas/reading"},
                                    }
                                },
                            }
                        },
                        "application/x-ndjson": {"schema": {"type": "string"}},
                        "text/csv": {"schema": {"type": "string"}},
                    },
                },
                "responses": _answers("receipt", 400, 401, 408, 413, 415, 422, 429, 503),
            }
        },
        "/outcomes": {
            "post": {
                "summary": "What a device answers to an order; with the token of its actuator.",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/outcome"}}
                    },
                },
                "responses": {
                    "204": {"description": "It is followed in a moment."},
                    **_problems(401, 408, 413, 422, 429),
                },
            }
        },
        "/readings/gaps": {
            "get": {
                "summary": "Where nothing is known of the source's resources.",
                "parameters": [
                    {"name": name, "in": "query", "required": True, "schema": _INSTANT}
                    for name in ("from", "to")
                ],
                "responses": _answers("gaps", 401, 422, 429, 503),
            }
        },
    },
    "components": {
        "securitySchemes": {"source": {"type": "http", "scheme": "bearer"}},
        "schemas": {
            "reading": _READING,
            "receipt": _RECEIPT,
            "gaps": _GAPS,
            "outcome": _OUTCOME,
            "problem": _PROBLEM,
        },
    },
}
