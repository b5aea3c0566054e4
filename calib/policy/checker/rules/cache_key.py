"""CAL105: a cache key of prohibited data."""

from __future__ import annotations

from collections.abc import Iterator

from calib.policy.checker.detect.keys import keyed_calls
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.kinds import PROHIBITED
from calib.policy.checker.messages import listed
from calib.policy.checker.module import Module
from calib.policy.checker.verbs import terminal


def _find(module: Module) -> Iterator[Hit]:
    for call in keyed_calls(module):
        if kinds := call.kinds & PROHIBITED:
            what = "stores" if call.stores else "reads"
            key = f" under the key {call.key!r}" if call.key else ""
            yield Hit(
                call.node,
                f"`{terminal(call.node.func)}` {what} {listed(kinds)} in a cache{key}; it must never be cached",
            )


RULE = Rule(
    id="CAL105",
    name="cache-key",
    severity=Severity.ERROR,
    title="A cache key of prohibited data",
    why=(
        "A shared cache such as Redis serves the value to other processes too, and keeps it over a restart. The key "
        "shows the kind of data, even if it is built in a constant or a local variable."
    ),
    wrong=code("""
        import json


        def balance_of(cache, exchange, user):
            key = f"account:balance:{user}"
            found = cache.get(key)
            if found:
                return json.loads(found)
            fresh = exchange.fetch_balance()
            cache.setex(key, 30, json.dumps(fresh))
            return fresh
    """),
    right=code("""
        import json


        def balance_of(exchange):
            return exchange.fetch_balance()


        def rules_of(cache, exchange, symbol):
            key = f"trading_rules:{symbol}"
            found = cache.get(key)
            if found:
                return json.loads(found)
            fresh = exchange.market(symbol)
            cache.setex(key, 1800, json.dumps(fresh))
            return fresh
    """),
    find=_find,
)
