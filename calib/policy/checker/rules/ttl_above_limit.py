"""CAL110: a literal TTL above the policy's limit."""

from __future__ import annotations

from collections.abc import Iterator

from calib.policy.checker.detect.lifetimes import lifetimes
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.limits import LIMITS_S
from calib.policy.checker.module import Module


def _find(module: Module) -> Iterator[Hit]:
    for each in lifetimes(module):
        if each.ttl_s is not None and each.ttl_s > LIMITS_S[each.kind]:
            yield Hit(
                each.node, f"{each.kind.value} is cached for {each.ttl_s:g} s; the limit is {LIMITS_S[each.kind]:g} s"
            )


RULE = Rule(
    id="CAL110",
    name="ttl-above-limit",
    severity=Severity.ERROR,
    title="A literal TTL above the policy's limit",
    why=(
        "Exchanges change tick sizes, lot sizes and listings while the bot runs. With outdated rules an order is "
        "rejected, or rounded to a wrong price. `calib policy limits` prints the limits."
    ),
    wrong=code("""
        import time


        class Markets:
            def __init__(self, exchange):
                self.exchange = exchange
                self._markets = {}
                self._loaded_at = 0.0

            def markets(self):
                if time.time() - self._loaded_at > 30 * 60 * 60:
                    self._markets = self.exchange.load_markets()
                    self._loaded_at = time.time()
                return self._markets
    """),
    right=code("""
        import time


        class Markets:
            def __init__(self, exchange):
                self.exchange = exchange
                self._markets = {}
                self._loaded_at = 0.0

            def markets(self):
                if time.time() - self._loaded_at > 60 * 60:
                    self._markets = self.exchange.load_markets()
                    self._loaded_at = time.time()
                return self._markets
    """),
    find=_find,
)
