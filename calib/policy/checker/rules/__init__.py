"""The rules of the static checker, one per file. A new rule is one file and one line here."""

from __future__ import annotations

from typing import Final

from calib.policy.checker.findings import Rule
from calib.policy.checker.rules import (
    background_refresh,
    cache_class,
    cache_decorator,
    cache_key,
    getter_without_fetch,
    kept_across_wait,
    kept_value,
    market_cache,
    no_expiry,
    old_on_error,
    polled_book,
    ttl_above_limit,
    ttl_idiom,
    unchecked_book,
)

RULES: Final[dict[str, Rule]] = {
    each.RULE.id: each.RULE
    for each in (
        cache_decorator,
        cache_class,
        kept_value,
        ttl_idiom,
        cache_key,
        old_on_error,
        market_cache,
        unchecked_book,
        kept_across_wait,
        ttl_above_limit,
        no_expiry,
        background_refresh,
        getter_without_fetch,
        polled_book,
    )
}
"""Every rule by id, sorted by id."""
