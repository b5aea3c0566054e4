"""What is derived from the table of fields: JSON Schema, reference page, polars schema, strict types."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from calib.feeds.reading.columns import schema
from calib.feeds.schema.jsonschema import json_schema
from calib.feeds.schema.reference import page
from calib.feeds.schema.table import FEEDS
from calib.feeds.schema.types import record_type
from calib.feeds.schema.validation import REASONS
from tests.feeds.helpers import VALID, line
from tests.feeds.schema.test_validation import FAULTS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "feeds.md"


def fits(rule: dict[str, Any], value: Any) -> bool:
    """A small, independent reader of the JSON Schema words that the feeds use."""
    types = rule.get("type", [])
    named = {"string": str, "boolean": bool, "object": dict, "array": list, "null": type(None)}
    for name in [types] if isinstance(types, str) else types:
        if name == "number" and isinstance(value, int | float) and not isinstance(value, bool):
            break
        if name == "integer" and isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0:
            break
        if name in named and isinstance(value, named[name]):
            break
    else:
        return False
    if "enum" in rule and value not in rule["enum"]:
        return False
    if isinstance(value, str):
        size = rule.get("minLength", 0) <= len(value) <= rule.get("maxLength", len(value))
        return size and re.search(rule.get("pattern", ""), value) is not None
    if isinstance(value, int | float) and not isinstance(value, bool):
        above = "exclusiveMinimum" not in rule or value > rule["exclusiveMinimum"]
        return bool(above and rule.get("minimum", value) <= value <= rule.get("maximum", value))
    if isinstance(value, dict):
        known = rule.get("properties", {})
        if not all(name in value for name in rule.get("required", [])):
            return False
        rest = rule["additionalProperties"]
        return all(
            fits(known[name], inner) if name in known else rest is True or fits(rest, inner)
            for name, inner in value.items()
        )
    if isinstance(value, list) and "prefixItems" in rule:
        pairs = zip(rule["prefixItems"], value, strict=False)
        return len(value) == len(rule["prefixItems"]) and all(fits(inner, item) for inner, item in pairs)
    if isinstance(value, list):
        return all(fits(rule["items"], item) for item in value)
    return True


@pytest.mark.parametrize("kind", FEEDS)
def test_the_json_schema_takes_a_valid_line(kind: str) -> None:
    rule = json_schema(FEEDS[kind])
    assert rule["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert fits(rule, json.loads(line(kind, unknown=1)))
    optional = [field.name for field in FEEDS[kind].fields if not field.required]
    assert fits(rule, json.loads(line(kind, **dict.fromkeys(optional))))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (kind, text)
        for kind, text, reason, field in FAULTS
        # JSON Schema counts 1.0 and 1e1 as integers.
        if reason != "bad_json" and not (reason == "bad_type" and field == "sample_rate")
    ],
)
def test_the_json_schema_refuses_what_the_judge_refuses(kind: str, text: bytes) -> None:
    assert not fits(json_schema(FEEDS[kind]), json.loads(text))


def test_the_reference_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_the_reference_page_names_every_field_and_reason() -> None:
    text = page()
    for feed in FEEDS.values():
        for field in feed.fields:
            assert f"| `{field.name}` |" in text
    for reason in REASONS:
        assert f"| `{reason}` |" in text


def test_polars_schemas_by_hand() -> None:
    assert schema("trades") == {
        "ts": pl.Float64(),
        "ts_exchange": pl.Float64(),
        "symbol": pl.String(),
        "price": pl.Float64(),
        "qty": pl.Float64(),
        "side": pl.String(),
        "trade_id": pl.String(),
    }
    ticks = schema("pipeline_ticks", ["cache_hit", "n_quotes", "stage_p95_ms.quote"])
    assert list(ticks.values()) == [pl.Boolean(), pl.Int64(), pl.Float64()]


@pytest.mark.parametrize("kind", FEEDS)
def test_records_have_a_field_per_entry_of_the_table(kind: str) -> None:
    names = [field.name for field in FEEDS[kind].fields]
    assert sorted(record_type(kind).__struct_fields__) == sorted(names)
    assert msgspec.json.decode(line(kind), type=record_type(kind)).symbol == VALID[kind]["symbol"]  # type: ignore[attr-defined]
