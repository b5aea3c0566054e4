"""CAL103: an attribute, a variable or a dataclass field that keeps prohibited data across calls."""

from __future__ import annotations

from collections.abc import Iterator

from calib.policy.checker.detect.declared import declared
from calib.policy.checker.detect.stale import memos, stale_reads
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.kinds import PROHIBITED, DataKind
from calib.policy.checker.messages import listed, shown
from calib.policy.checker.module import Module


def _find(module: Module) -> Iterator[Hit]:
    reported: set[tuple[str, str]] = set()
    for each in declared(module):
        kinds = each.kinds & (PROHIBITED if each.fetched else PROHIBITED - {DataKind.TRADE})
        if kinds:  # a last price that this file does not fetch comes from a stream
            reported.add((each.owner, each.path))
            yield Hit(each.node, f"`{shown(each.path)}` keeps {listed(kinds)} across calls; fetch it where it is used")
    for memo in memos(module, PROHIBITED):
        place = (memo.function.owner, memo.write.slot.path)
        if place not in reported:
            reported.add(place)
            yield Hit(
                memo.write.node,
                f"`{shown(memo.write.slot.path)}` keeps {listed(memo.kinds)}: `{memo.function.name}` skips "
                "the fetch if an earlier result is stored",
            )
    for group in module.groups:
        for stale in stale_reads(module, group, PROHIBITED):
            place = (group.name, stale.kept.path)
            if place not in reported:
                reported.add(place)
                yield Hit(
                    stale.write.node,
                    f"`{shown(stale.kept.path)}` keeps {listed(stale.kinds)} across calls: "
                    f"`{stale.read_in.name}` uses it "
                    "without a fetch",
                )


RULE = Rule(
    id="CAL103",
    name="kept-value",
    severity=Severity.ERROR,
    title="An attribute, a variable or a dataclass field that keeps prohibited data across calls",
    why=(
        "A later call reads what an earlier call stored, without knowing how old it is. Fetch in the function that "
        "needs the data and pass it on as an argument. Attributes that a user stream updates at every event are not "
        "reported."
    ),
    wrong=code("""
        class Bot:
            def __init__(self, exchange):
                self.exchange = exchange
                self.balances = {}

            def refresh(self):
                self.balances = self.exchange.fetch_balance()

            def order_size(self, asset, risk):
                return self.balances[asset]["free"] * risk
    """),
    right=code("""
        class Bot:
            def __init__(self, exchange):
                self.exchange = exchange

            def order_size(self, asset, risk):
                balances = self.exchange.fetch_balance()
                return balances[asset]["free"] * risk
    """),
    find=_find,
)
