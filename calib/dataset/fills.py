"""Compute the targets of an interval from its fills, except ``fill_rate``, which needs the quotes from the ticks.

`FillAggregator` receives all fills of a (symbol, interval) group at once, sorts them by (ts, file, line) and sums
exactly. s is +1 for our buy and -1 for our sell, p the price, q the quantity.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

import polars as pl

from calib.dataset.exact import sum_lists
from calib.dataset.markouts import HORIZONS_S
from calib.dataset.order import GROUP, in_order, with_names
from calib.feeds.contracts import Contracts

_PER_BP: Final = 1 / 1e4
"""Multiplied with, never divided by: polars divides a column of one row and one of many rows differently."""
_MARKED: Final = {name: (f"{name} weights", f"{name} products") for name in HORIZONS_S}
_SUMS: Final = (
    *("notional", "taker", "netted", "net", "net_equal", "slipped", "slip"),
    *(name for pair in _MARKED.values() for name in pair),
)


@dataclass(frozen=True, slots=True)
class FillAggregator:
    """Aggregates all fills of some groups into one row per group.

    Parameters
    ----------
    maker_fee_bps, taker_fee_bps
        Fee of fills without ``fee_bps``, bps of notional; a negative fee is a rebate.
    contracts
        Symbol -> its contract, for symbols whose quantities are contracts.
    """

    maker_fee_bps: float
    taker_fee_bps: float
    contracts: Contracts = field(default_factory=dict)

    kind: ClassVar[str] = "fills"
    count: ClassVar[str] = "fills"
    lines: ClassVar[pl.Schema] = pl.Schema(
        {
            "ts": pl.Float64(),
            "symbol": pl.String(),
            "side": pl.String(),
            "price": pl.Float64(),
            "qty": pl.Float64(),
            "liquidity": pl.String(),
            "quote_price": pl.Float64(),
            "mid_at_quote": pl.Float64(),
            "mid_now": pl.Float64(),
            "slip_bps": pl.Float64(),
            "fee_bps": pl.Float64(),
            "quote_id": pl.String(),
            "ts_exchange": pl.Float64(),
            **dict.fromkeys(HORIZONS_S, pl.Float64()),
        }
    )
    columns: ClassVar[tuple[str, ...]] = tuple(name for name in lines.names() if name not in HORIZONS_S)

    def __call__(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Return the sums of each group.

        Parameters
        ----------
        lines
            Every fill of each group, in any order: the columns `lines`, and ``index`` (the interval), ``file`` and
            ``line``.

        Returns
        -------
        polars.DataFrame
            ``symbol``, ``index``, ``fills``, ``filled_quotes`` and the targets except ``fill_rate``, sorted by
            (symbol, index). A number is infinite or NaN after an overflow.
        """
        groups = in_order(lines).with_columns(*self._per_fill()).group_by(*GROUP, maintain_order=True)
        lists = groups.agg(
            pl.len().cast(pl.Int64).alias("fills"),
            (pl.col("quote_id").drop_nulls().n_unique() + pl.col("quote_id").null_count()).alias("filled_quotes"),
            pl.col("is_taker").mean().alias("taker_share"),
            pl.col("notional"),
            pl.col("notional").filter("is_taker").alias("taker"),
            *_weighted("gain_bps", weights="netted", products="net"),
            *_weighted("slippage_bps", weights="slipped", products="slip"),
            *(
                part
                for name, (weights, products) in _MARKED.items()
                for part in _weighted(name, weights=weights, products=products)
            ),
            pl.col("gain_bps").drop_nulls().alias("net_equal"),
            pl.col("gain_bps").count().alias("nets"),
        )
        return with_names(sum_lists(lists, *_SUMS)).select(
            *GROUP,
            "fills",
            pl.col("filled_quotes").cast(pl.Int64),
            (pl.col("net") / pl.col("netted")).alias("net_bps"),
            (pl.col("net_equal") / pl.col("nets")).alias("net_bps_equal"),
            *((pl.col(products) / pl.col(weights)).alias(name) for name, (weights, products) in _MARKED.items()),
            (pl.col("slip") / pl.col("slipped")).alias("slippage_bps"),
            "taker_share",
            (pl.col("taker").fill_null(0.0) / pl.col("notional")).alias("taker_share_notional"),
            "notional",
            (pl.col("net") * _PER_BP).alias("pnl_mid"),
        )

    def _per_fill(self) -> list[pl.Expr]:
        """Return the columns that are computed for each fill."""
        is_taker = pl.col("liquidity") == "taker"
        fee = pl.when(is_taker).then(self.taker_fee_bps).otherwise(self.maker_fee_bps)
        return [
            self._notional().alias("notional"),
            _gain_bps(pl.coalesce("fee_bps", fee)).alias("gain_bps"),
            _slippage_bps().alias("slippage_bps"),
            is_taker.alias("is_taker"),
        ]

    def _notional(self) -> pl.Expr:
        """Return the notional: p q, or for contracts by their size, see `calib.feeds.contracts.Contract`."""
        price, qty, symbol = pl.col("price"), pl.col("qty"), pl.col("symbol").cast(pl.String)
        found = price * qty
        for name, contract in self.contracts.items():
            contracts = qty * contract.multiplier
            own = contracts / price if contract.inverse else price * contracts
            found = pl.when(symbol == name).then(own).otherwise(found)
        return found


def _weighted(values: str, *, weights: str, products: str) -> list[pl.Expr]:
    """Return the weights and products of a notional-weighted mean, without the fills that lack the value."""
    known = pl.col(values).is_not_null()
    notional = pl.col("notional").filter(known)
    return [notional.alias(weights), (notional * pl.col(values).filter(known)).alias(products)]


def _sign() -> pl.Expr:
    return pl.when(pl.col("side") == "buy").then(1.0).otherwise(-1.0)


def _gain_bps(fee_bps: pl.Expr) -> pl.Expr:
    """s (mid_now - p) / mid_at_quote x 1e4 - fee; null without ``mid_now``, which replaces a missing mid_at_quote."""
    mid = pl.col("mid_now")
    return _sign() * (mid - pl.col("price")) / pl.coalesce("mid_at_quote", mid) * 1e4 - fee_bps


def _slippage_bps() -> pl.Expr:
    """s (p - quote_price) / quote_price x 1e4; without ``quote_price``, the ``slip_bps`` that the bot logged."""
    quoted = pl.col("quote_price")
    return pl.coalesce(_sign() * (pl.col("price") - quoted) / quoted * 1e4, "slip_bps")
