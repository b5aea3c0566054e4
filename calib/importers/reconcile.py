"""A log of fills held against what the venue has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

FIELDS: Final = ("side", "price", "qty", "fee_bps")
"""What must agree; a fee only where both have one."""
SHOWN: Final = 5
"""Lines of each finding that are kept."""
_REL: Final = 1e-9
_FEE_BPS: Final = 1e-6
FINDINGS: Final = ("missing", "extra", "twice", "differs")
"""Missing from the log, unknown to the venue, logged twice, other than at the venue."""


@dataclass(slots=True)
class FillsFinding:
    """Fills of one kind of difference: how many, their notional, and the first of them."""

    count: int = 0
    notional: float = 0.0
    first: list[dict[str, Any]] = field(default_factory=list)

    def add(self, fill: dict[str, Any], **more: Any) -> None:
        self.count += 1
        self.notional += fill["price"] * fill["qty"]
        if len(self.first) < SHOWN:
            named = ("ts", "symbol", "trade_id", *FIELDS)
            self.first.append({name: fill.get(name) for name in named} | more)


@dataclass(slots=True)
class Reconciled:
    """The outcome.

    Parameters
    ----------
    venue, logged
        Fills of the venue, and those of the log between the venue's first and last, by distinct id.
    without_id
        Fills of either side without a ``trade_id``, which cannot be compared.
    findings
        By the names of `FINDINGS`.
    """

    venue: int = 0
    logged: int = 0
    without_id: int = 0
    findings: dict[str, FillsFinding] = field(default_factory=lambda: {name: FillsFinding() for name in FINDINGS})

    @property
    def share(self) -> float:
        """Differences for each fill of the venue; infinite where it has none that can be compared."""
        found = sum(finding.count for finding in self.findings.values())
        return found / self.venue if self.venue else math.inf


def reconcile(venue: Iterable[dict[str, Any]], log: Iterable[dict[str, Any]]) -> Reconciled:
    """Compare by (symbol, trade_id), within the symbols and the times that the venue's fills cover.

    Times are the venue's where a fill has them. Prices and quantities agree to 1e-9 of their size, fees to 1e-6 bps.
    """
    found = Reconciled()
    theirs = dict(_by_id(venue, found))
    found.venue = len(theirs)
    times = [_time(fill) for fill in theirs.values()]
    symbols = {symbol for symbol, _ in theirs}
    seen: set[tuple[str, str]] = set()
    for key, fill in _by_id(log, found):
        inside = bool(times) and key[0] in symbols and min(times) <= _time(fill) <= max(times)
        if key in seen:
            found.findings["twice"].add(fill)
        elif key in theirs:
            if differing := _differing(theirs[key], fill):
                found.findings["differs"].add(fill, venue={name: theirs[key].get(name) for name in differing})
        elif inside:
            found.findings["extra"].add(fill)
        if key in theirs or inside:
            seen.add(key)
    found.logged = len(seen)
    for key, fill in theirs.items():
        if key not in seen:
            found.findings["missing"].add(fill)
    return found


def _by_id(fills: Iterable[dict[str, Any]], found: Reconciled) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for fill in fills:
        if fill.get("trade_id"):
            yield (fill["symbol"], fill["trade_id"]), fill
        else:
            found.without_id += 1


def _time(fill: dict[str, Any]) -> float:
    exchange = fill.get("ts_exchange")
    return float(fill["ts"] if exchange is None else exchange)


def _differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    names = [name for name in ("price", "qty") if not math.isclose(one[name], other[name], rel_tol=_REL)]
    fee, logged = one.get("fee_bps"), other.get("fee_bps")
    if fee is not None and logged is not None and abs(fee - logged) > _FEE_BPS:
        names.append("fee_bps")
    return [*(["side"] if one["side"] != other["side"] else []), *names]
