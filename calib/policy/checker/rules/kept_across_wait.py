"""CAL109: fetched data that is used after a wait."""

from __future__ import annotations

from collections.abc import Iterator

from calib.policy.checker.detect.waits import waited
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.kinds import PROHIBITED
from calib.policy.checker.messages import listed
from calib.policy.checker.module import Module
from calib.policy.checker.verbs import terminal


def _find(module: Module) -> Iterator[Hit]:
    for each in waited(module, PROHIBITED):
        yield Hit(
            each.use,
            f"`{each.use.id}` holds {listed(each.kinds)} from before the `{terminal(each.wait.func)}` in line "
            f"{each.wait.lineno}; fetch it after the wait",
        )


RULE = Rule(
    id="CAL109",
    name="kept-across-wait",
    severity=Severity.ERROR,
    title="A fetched value is kept across a sleep or an await and then used",
    why=("A local variable is a cache too if the function sleeps between the fetch and the use. Fetch after the wait."),
    wrong=code("""
        import asyncio


        async def enter(exchange, price):
            balance = await exchange.fetch_balance()
            await asyncio.sleep(30)
            amount = balance["USDT"]["free"] * 0.1 / price
            await exchange.create_order("BTC/USDT", "limit", "buy", amount, price)
    """),
    right=code("""
        import asyncio


        async def enter(exchange, price):
            await asyncio.sleep(30)
            balance = await exchange.fetch_balance()
            amount = balance["USDT"]["free"] * 0.1 / price
            await exchange.create_order("BTC/USDT", "limit", "buy", amount, price)
    """),
    find=_find,
)
