"""The unit of a symbol's quantities: base units, or contracts of a given size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from calib.config import Setting


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract of a symbol; its notional is the weight in every notional-weighted mean.

    Parameters
    ----------
    inverse
        Whether it is settled in the base currency (coin-margined): ``multiplier`` is then in quote units, and a fill's
        notional is ``qty x multiplier / price`` base units. Otherwise it is ``price x qty x multiplier`` quote units.
    multiplier
        Size of one contract, above 0: quote units of an inverse one (100 USD), base units of any other.

    >>> Contract(inverse=True, multiplier=100.0).notional(50_000.0, 100.0), Contract().notional(50_000.0, 2.0)
    (0.2, 100000.0)
    """

    inverse: bool = False
    multiplier: float = 1.0

    def notional(self, price: float, qty: float) -> float:
        """Return the notional of a fill."""
        return qty * self.multiplier / price if self.inverse else price * qty * self.multiplier

    def linear_qty(self, price: float, qty: float) -> float:
        """Return the quantity for which ``price x qty`` is the notional."""
        return self.notional(price, qty) / price


Contracts = Mapping[str, Contract]
"""Symbol -> its contract; symbols without one trade in base units."""


def in_linear_terms(fill: Mapping[str, Any], contracts: Contracts) -> Mapping[str, Any]:
    """Return the fill with the quantity for which ``price x qty`` is its notional; unchanged without a contract."""
    contract = contracts.get(fill["symbol"])
    return fill if contract is None else {**fill, "qty": contract.linear_qty(fill["price"], fill["qty"])}


def contracts_of(section: Mapping[str, Mapping[str, Any]]) -> dict[str, Contract]:
    """Return the value of the setting ``contracts`` as contracts, sorted by symbol.

    >>> contracts_of({"BTCUSD_PERP": {"inverse": True, "multiplier": 100}})
    {'BTCUSD_PERP': Contract(inverse=True, multiplier=100.0)}
    """
    return {
        symbol: Contract(bool(entry.get("inverse", False)), float(entry.get("multiplier", 1.0)))
        for symbol, entry in sorted(section.items())
    }


def check_contracts(value: Any) -> dict[str, dict[str, Any]] | None:
    """Return the setting's value with both keys of each contract filled in; None if it is not valid."""
    if not isinstance(value, Mapping):
        return None
    checked: dict[str, dict[str, Any]] = {}
    for symbol, entry in value.items():
        if not isinstance(symbol, str) or not symbol or not isinstance(entry, Mapping):
            return None
        inverse, multiplier = entry.get("inverse", False), entry.get("multiplier", 1.0)
        known = entry.keys() <= {"inverse", "multiplier"} and isinstance(inverse, bool)
        if not known or isinstance(multiplier, bool) or not isinstance(multiplier, int | float):
            return None
        if not 0 < multiplier <= 1e15 or not math.isfinite(multiplier):
            return None
        checked[symbol] = {"inverse": inverse, "multiplier": float(multiplier)}
    return {symbol: checked[symbol] for symbol in sorted(checked)}


SETTINGS: Final[dict[str, Setting]] = {
    "contracts": Setting(
        "contracts",
        "table",
        {},
        "Contract of each symbol whose quantities are contracts: its size, and whether it is inverse",
        check_table=check_contracts,
        form="symbols with contracts, such as {BTCUSD_PERP: {inverse: true, multiplier: 100}}, multiplier above 0",
    )
}
