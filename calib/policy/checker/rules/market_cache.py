"""CAL107: a cache of requested prices, tickers or books."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from calib.policy.checker.detect.age import idioms
from calib.policy.checker.detect.declared import declared
from calib.policy.checker.detect.decorated import decorated
from calib.policy.checker.detect.fallback import fallbacks
from calib.policy.checker.detect.keys import keyed_calls
from calib.policy.checker.detect.stale import memos
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.kinds import MARKET, DataKind
from calib.policy.checker.messages import listed
from calib.policy.checker.module import Module
from calib.policy.checker.rules.cache_decorator import prohibited


def _find(module: Module) -> Iterator[Hit]:
    reported: set[int] = set()
    for node, kinds, what in _places(module):
        line = getattr(node, "lineno", 0)
        if line not in reported:
            reported.add(line)
            yield Hit(
                node,
                f"{what} keeps a fetched {listed(kinds)}; take it from a stream with an age limit",
            )


def _places(module: Module) -> Iterator[tuple[ast.AST, frozenset[DataKind], str]]:
    for decoration in decorated(module):
        if (kinds := decoration.kinds & MARKET) and not prohibited(decoration):
            yield decoration.decorator, kinds, f"`{decoration.name}`"
    for idiom in idioms(module, MARKET):
        if _fetches(module, idiom.function.owner):
            yield idiom.guard.node.test, idiom.kinds, f"this age test in `{idiom.function.name}`"
    for call in keyed_calls(module):
        if kinds := call.kinds & MARKET:
            yield call.node, kinds, "this cache"
    for place in declared(module):
        if (kinds := place.kinds & MARKET) and place.fetched:
            yield place.node, kinds, f"`{place.path.rpartition('.')[2]}`"
    for memo in memos(module, MARKET):
        yield memo.write.node, memo.kinds, f"`{memo.write.slot.path.rpartition('.')[2]}`"
    for fallback in fallbacks(module, MARKET):
        yield fallback.node, fallback.kinds, f"the `except` of `{fallback.function.name}`"


def _fetches(module: Module, owner: str) -> bool:
    """Return whether the class, or the module's functions, request market data; a stream does not."""
    return any(
        event.value.kinds & MARKET
        for function in module.functions
        if function.owner == owner
        for event in function.flow.of("fetch")
    )


RULE = Rule(
    id="CAL107",
    name="market-data-cache",
    severity=Severity.WARNING,
    title="A requested price, ticker or book is cached",
    why=(
        "A polled price is already old when it arrives, and older at every later read. For quoting, use market data "
        "from a live stream, with an age limit of 5 s and a check that the connection is alive."
    ),
    wrong=code("""
        import time


        class Prices:
            def __init__(self, client):
                self.client = client
                self._price_cache = {}

            def get_price(self, symbol):
                price, at = self._price_cache.get(symbol, (None, 0.0))
                if time.time() - at < 10:
                    return price
                price = self.client.get_price(symbol)
                self._price_cache[symbol] = (price, time.time())
                return price
    """),
    right=code("""
        class Prices:
            def __init__(self, client):
                self.client = client

            def get_price(self, symbol):
                return self.client.get_price(symbol)
    """),
    find=_find,
)
