"""The data types of the caching policy: the table of what may be cached, for how long, and why.

Default deny: a type that is not in the table has a limit of 0 s and is refused. The policy's limits are defined only
here; every other part of calib looks them up.
"""

from __future__ import annotations

import difflib
import enum
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class CacheClass(enum.StrEnum):
    """The policy's class of a data type."""

    PROHIBITED = "prohibited"
    """Never cached: an old value can cause losses."""
    STATIC = "static"
    """May be cached up to the limit and must be refreshed by then."""
    STREAMING = "streaming"
    """Only from a live stream, with staleness detection, up to the limit."""
    ANALYTIC = "analytic"
    """May be cached without an age limit; never an input of a trading decision."""
    UNKNOWN = "unknown"
    """Not in the table: refused."""


@dataclass(frozen=True, slots=True)
class DataType:
    """One row of the policy's table.

    Parameters
    ----------
    name
        Stable name, for `CacheComplianceMonitor.register`.
    cache_class
        Its class.
    limit_s
        Maximum age of a cached value, s, >= 0; 0: never cached; None: no age limit.
    reason
        The reason, one sentence without a full stop.
    examples
        Examples in the terms of exchanges.

    >>> lookup("orderbook").limit_ms, lookup("balance").permitted, lookup("analytics").for_trading
    (5000, False, False)
    """

    name: str
    cache_class: CacheClass
    limit_s: float | None
    reason: str
    examples: tuple[str, ...] = ()

    @property
    def permitted(self) -> bool:
        """Whether a cache of it is allowed."""
        return self.cache_class not in (CacheClass.PROHIBITED, CacheClass.UNKNOWN)

    @property
    def for_trading(self) -> bool:
        """Whether a cached value may be an input of a trading decision."""
        return self.cache_class in (CacheClass.STATIC, CacheClass.STREAMING)

    @property
    def limit_ms(self) -> int | None:
        """The limit in milliseconds; None: no age limit."""
        return None if self.limit_s is None else round(self.limit_s * 1000)

    def allows_age(self, age_s: float) -> bool:
        """Return whether a value of that age may be served: permitted, and not older than the limit.

        >>> lookup("orderbook").allows_age(5.0), lookup("orderbook").allows_age(5.001), lookup("order").allows_age(0.0)
        (True, False, False)
        """
        return self.permitted and (self.limit_s is None or age_s <= self.limit_s)


def _never(name: str, reason: str, *examples: str) -> DataType:
    return DataType(name, CacheClass.PROHIBITED, 0.0, reason, examples)


def _analytic(name: str, reason: str, *examples: str) -> DataType:
    return DataType(name, CacheClass.ANALYTIC, None, reason, examples)


DATA_TYPES: Final[Mapping[str, DataType]] = MappingProxyType(
    {
        row.name: row
        for row in (
            _never(
                "balance",
                "An old balance sends orders that the account cannot pay for",
                "account balance",
                "free and locked amounts",
                "available margin",
            ),
            _never(
                "order",
                "An old order status leads to double orders and to cancels of what is filled",
                "order status",
                "open orders",
                "order history",
            ),
            _never(
                "position",
                "An old position hides risk: hedges and limits are computed from it",
                "position size",
                "margin",
                "unrealised PnL",
            ),
            _never(
                "trade",
                "An old price quotes against a market that has moved",
                "recent trades used for pricing",
                "last price",
                "VWAP",
                "price change in percent",
            ),
            DataType(
                "symbol_info",
                CacheClass.STATIC,
                3600.0,
                "Names and assets of an instrument change seldom and are announced",
                ("symbol names", "base and quote asset", "precision"),
            ),
            DataType(
                "trading_rules",
                CacheClass.STATIC,
                1800.0,
                "Tick and lot sizes change seldom, but an order that breaks them is rejected",
                ("tick size", "lot size", "minimum notional"),
            ),
            DataType(
                "exchange_config",
                CacheClass.STATIC,
                86_400.0,
                "Addresses and rate limits of an exchange change with its releases",
                ("endpoints", "rate limits", "fee tiers as published"),
            ),
            DataType(
                "orderbook",
                CacheClass.STREAMING,
                5.0,
                "A book is right only while its live stream continues it",
                ("order book levels", "best bid and ask"),
            ),
            DataType(
                "stream_trades",
                CacheClass.STREAMING,
                5.0,
                "Trades of a live stream, with the health of its connection known",
                ("trades channel of a socket",),
            ),
            DataType(
                "stream_ticker",
                CacheClass.STREAMING,
                5.0,
                "Tickers of a live stream, with the health of its connection known",
                ("ticker channel of a socket",),
            ),
            _analytic("performance", "Figures about the past for people; no order depends on them", "PnL report"),
            _analytic("analytics", "Results of research; no order depends on them", "distributions", "correlations"),
            _analytic("prediction", "Model outputs for display and research", "forecast shown on a dashboard"),
            _analytic("trade_history", "Past fills kept for analysis", "fills of last month"),
        )
    }
)
"""The table, by name. Its entries take precedence over the answers given to `may_cache`."""

ORDER_BOOK: Final = "orderbook"
ORDER_BOOK_LIMIT_MS: Final = DATA_TYPES[ORDER_BOOK].limit_ms or 0
"""Maximum age of a served order book, ms; from the table's row ``orderbook``."""


def lookup(name: str) -> DataType:
    """Return the row of that name; for an unlisted name a row of class ``unknown`` with limit 0.

    >>> lookup("funding_rate").cache_class.value, lookup("funding_rate").limit_s
    ('unknown', 0.0)
    """
    row = DATA_TYPES.get(name)
    if row is not None:
        return row
    return DataType(name, CacheClass.UNKNOWN, 0.0, "It is not in the policy's table; unlisted types are refused")


def nearest(name: str) -> str:
    """Return the known name that is most similar to ``name``, or an empty text.

    >>> nearest("order_book")
    'orderbook'
    """
    return next(iter(difflib.get_close_matches(name, DATA_TYPES, 1)), "")
