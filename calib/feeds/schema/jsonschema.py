"""The feeds as JSON Schema (draft 2020-12), generated from the table of fields."""

from __future__ import annotations

from typing import Any

from calib.feeds.schema.table import MAX_SYMBOL, Feed, Field, Type
from calib.feeds.schema.validation import INT64_MAX, INT64_MIN


def json_schema(feed: Feed) -> dict[str, Any]:
    """Return the schema of one line of the feed.

    It cannot express the rules that only the reader checks: the UTC day of the line, duplicates, and that an integer
    has no fraction (``1.0`` is an integer in JSON Schema, but a ``bad_type`` here).
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:calib:feed:{feed.kind}:1",
        "title": feed.kind,
        "description": feed.title[0].upper() + feed.title[1:],
        "type": "object",
        "properties": {field.name: _property(field) for field in feed.fields},
        "required": [field.name for field in feed.fields if field.required],
        "additionalProperties": True,
    }


def _property(field: Field) -> dict[str, Any]:
    description = f"{field.meaning}{f' ({field.unit})' if field.unit else ''}."
    rule = {"description": description} | _rule(field)
    if not field.required:
        rule["type"] = [rule["type"], "null"]
        if "enum" in rule:
            rule["enum"] = [*rule["enum"], None]
    return rule


def _rule(field: Field) -> dict[str, Any]:
    match field.type:
        case Type.STRING if field.choices:
            return {"type": "string", "enum": list(field.choices)}
        case Type.STRING if field.symbol:
            pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$"
            return {"type": "string", "minLength": 1, "maxLength": MAX_SYMBOL, "pattern": pattern}
        case Type.STRING:
            return {"type": "string"}
        case Type.NUMBER:
            return {"type": "number"} | _bounds(field)
        case Type.INTEGER:
            return {"type": "integer", "minimum": INT64_MIN, "maximum": INT64_MAX} | _bounds(field)
        case Type.BOOLEAN:
            return {"type": "boolean"}
        case Type.STAGES:
            return {"type": "object", "additionalProperties": {"type": ["number", "null"], "minimum": 0}}
        case Type.LEVELS:
            level = [{"type": "number", "exclusiveMinimum": 0}, {"type": "number", "minimum": 0}]
            pair = {"type": "array", "prefixItems": level, "items": False, "minItems": 2}
            return {"type": "array", "items": pair}


def _bounds(field: Field) -> dict[str, Any]:
    named = {"exclusiveMinimum": field.gt, "minimum": field.ge, "maximum": field.le}
    return {name: _plain(bound) for name, bound in named.items() if bound is not None}


def _plain(bound: float) -> float:
    return int(bound) if float(bound).is_integer() else bound
