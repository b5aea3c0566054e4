"""CAL111: a permitted cache that never expires."""

from __future__ import annotations

from collections.abc import Iterator

from calib.policy.checker.detect.lifetimes import lifetimes
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.limits import LIMITS_S
from calib.policy.checker.module import Module


def _find(module: Module) -> Iterator[Hit]:
    for each in lifetimes(module):
        if each.ttl_s is None and each.never:
            yield Hit(
                each.node, f"{each.kind.value} is cached without an expiry; the limit is {LIMITS_S[each.kind]:g} s"
            )


RULE = Rule(
    id="CAL111",
    name="no-expiry",
    severity=Severity.ERROR,
    title="A permitted cache without an expiry",
    why=(
        "Symbol information, trading rules and the exchange's configuration may be cached if they are refreshed. A "
        "cache without expiry keeps the rules of the day on which the bot was started."
    ),
    wrong=code("""
        from functools import lru_cache


        @lru_cache(maxsize=None)
        def get_symbol_info(client, symbol):
            return client.get_symbol_info(symbol)
    """),
    right=code("""
        from cachetools import TTLCache, cached


        @cached(cache=TTLCache(maxsize=512, ttl=3600))
        def get_symbol_info(client, symbol):
            return client.get_symbol_info(symbol)
    """),
    find=_find,
)
