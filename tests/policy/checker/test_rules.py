"""Every rule on its own examples and on many shapes of code, wrong and right."""

from __future__ import annotations

import pytest

from calib.policy.checker import RULES, Severity, check_source
from tests.policy.checker.shapes_right import RIGHT
from tests.policy.checker.shapes_wrong import WRONG

WARNINGS = {"CAL107", "CAL108", "CAL201", "CAL202"}


def test_the_registry_holds_the_rules_of_the_policy() -> None:
    numbers = [*range(101, 113), 201, 202]
    assert list(RULES) == [f"CAL{number}" for number in numbers]
    assert {rule.id for rule in RULES.values() if rule.severity is Severity.WARNING} == WARNINGS


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_the_wrong_example_is_found(rule: object) -> None:
    given = RULES[str(getattr(rule, "id", ""))]
    result = check_source(given.wrong)
    assert not result.error
    assert given.id in {finding.rule for finding in result.findings}


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_no_rule_objects_to_the_right_example(rule: object) -> None:
    given = RULES[str(getattr(rule, "id", ""))]
    result = check_source(given.right)
    assert not result.error
    assert result.findings == ()


@pytest.mark.parametrize(("rule", "source"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_shape_is_an_error(rule: str, source: str) -> None:
    result = check_source(source)
    assert not result.error
    assert rule in {finding.rule for finding in result.findings if finding.severity is Severity.ERROR}


@pytest.mark.parametrize("source", RIGHT.values(), ids=list(RIGHT))
def test_a_right_shape_has_no_error(source: str) -> None:
    result = check_source(source)
    assert not result.error
    errors = [finding for finding in result.findings if finding.severity is Severity.ERROR]
    assert errors == []


def test_a_market_list_of_30_hours_is_above_the_limit_and_nothing_else() -> None:
    source = RULES["CAL110"].wrong
    assert {finding.rule for finding in check_source(source).findings} == {"CAL110"}


@pytest.mark.parametrize(
    ("name", "ttl", "found"),
    [
        ("SYMBOL_INFO_TTL", "3600", False),
        ("SYMBOL_INFO_TTL", "3601", True),
        ("TRADING_RULES_CACHE_TTL", "1800", False),
        ("TRADING_RULES_CACHE_TTL", "60 * 31", True),
        ("EXCHANGE_INFO_TTL_MS", "86_400_000", False),
        ("EXCHANGE_INFO_TTL_MS", "86_400_001", True),
        ("ORDERBOOK_TTL", "5.0", False),
        ("ORDERBOOK_TTL", "6", True),
    ],
)
def test_the_limits_are_those_of_the_policy(name: str, ttl: str, found: bool) -> None:
    rules = {finding.rule for finding in check_source(f"{name} = {ttl}\n").findings}
    assert rules == ({"CAL110"} if found else set())


@pytest.mark.parametrize(
    "name", ["lru_cache", "cache", "cached", "ttl_cache", "alru_cache", "memoize", "timed_lru_cache"]
)
def test_every_name_of_a_cache_decorator_is_known(name: str) -> None:
    source = f"from somewhere import {name}\n\n\n@{name}\ndef get_balance(x):\n    return x.fetch_balance()\n"
    assert [finding.rule for finding in check_source(source).findings] == ["CAL101"]


@pytest.mark.parametrize("name", ["never_cache", "no_cache", "invalidate_cache", "cache_control", "retry", "property"])
def test_a_decorator_that_does_not_cache_is_left_alone(name: str) -> None:
    source = f"from somewhere import {name}\n\n\n@{name}\ndef get_balance(x):\n    return x.fetch_balance()\n"
    assert check_source(source).findings == ()


def test_an_import_under_another_name_is_followed() -> None:
    source = "from functools import lru_cache as memo\n\n\n@memo\ndef get_balance(x):\n    return x.fetch_balance()\n"
    assert [finding.rule for finding in check_source(source).findings] == ["CAL101"]
