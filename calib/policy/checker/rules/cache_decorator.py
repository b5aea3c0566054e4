"""CAL101: a cache decorator on a function that returns prohibited data."""

from __future__ import annotations

from collections.abc import Iterator

from calib.policy.checker.detect.decorated import Decorated, decorated
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.kinds import PROHIBITED, DataKind
from calib.policy.checker.messages import listed
from calib.policy.checker.module import Module
from calib.policy.checker.words import split


def prohibited(each: Decorated) -> frozenset[DataKind]:
    """Return the kinds of a function that its decorator must not cache; a price counts as the last price."""
    priced = not {"price", "prices"}.isdisjoint(split(each.function.name))
    wanted = PROHIBITED | {DataKind.PRICE} if priced or not each.expires else PROHIBITED
    return each.kinds & (wanted if each.expires else wanted | {DataKind.BOOK})


def _find(module: Module) -> Iterator[Hit]:
    for each in decorated(module):
        if kinds := prohibited(each):
            name = each.function.name
            yield Hit(
                each.decorator,
                f"`{each.name}` caches the results of `{name}`: {listed(kinds)} must be fetched on every call",
            )


RULE = Rule(
    id="CAL101",
    name="cache-decorator",
    severity=Severity.ERROR,
    title="A cache decorator on a function that returns prohibited data",
    why=(
        "The second caller receives the first caller's result. It does not see a fill, a transfer or a liquidation in "
        "between, so the bot may size its next order with money that it no longer has. Remove the decorator and fetch "
        "on every call."
    ),
    wrong=code("""
        from functools import lru_cache


        @lru_cache(maxsize=1)
        def get_balance(exchange):
            return exchange.fetch_balance()["USDT"]["free"]
    """),
    right=code("""
        from functools import lru_cache


        def get_balance(exchange):
            return exchange.fetch_balance()["USDT"]["free"]


        @lru_cache(maxsize=1)
        def get_settings():
            return {"symbol": "BTCUSDT", "risk": 0.01}
    """),
    find=_find,
)
