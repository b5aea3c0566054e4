"""What an interval's fills add up to: the targets, short of the quotes that only the ticks know.

One place per (symbol, interval): `FillAggregator` gets all of a group's fills at once, sorts them by (ts, file,
line) and sums exactly. s is +1 for our buy and -1 for our sell, p the price, q the quantity.
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
    """All fills of some groups -> one row per group.

    Parameters
    ----------
    maker_fee_bps, taker_fee_bps
        Fee of a fill whose record has none, bps of notional; negative is a rebate.
    contracts
        Symbol -> its contract, of symbols whose quantities are contracts.
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
        """The sums.

        Parameters
        ----------
        lines
            Every fill of each group, in any order: the columns `lines` with ``index`` (the interval), ``file`` and
            ``line``.

        Returns
        -------
        polars.DataFrame
            ``symbol``, ``index``, ``fills``, ``filled_quotes`` and the targets but ``fill_rate``,
            ``notional`` and ``pnl_mid``, sorted by
            (symbol, index). A number may be infinite or NaN where one overflowed.
        """
        groups = in_order(lines).with_columns(*self._of_each()).group_by(*GROUP, maintain_order=True)
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

    def _of_each(self) -> list[pl.Expr]:
        """What each fill is worth by itself."""
        is_taker = pl.col("liquidity") == "taker"
        fee = pl.when(is_taker).then(self.taker_fee_bps).otherwise(self.maker_fee_bps)
        return [
            self._notional().alias("notional"),
            _gain_bps(pl.coalesce("fee_bps", fee)).alias("gain_bps"),
            _slippage_bps().alias("slippage_bps"),
            is_taker.alias("is_taker"),
        ]

    def _notional(self) -> pl.Expr:
        """p q; of a contract by its size, see `calib.feeds.contracts.Contract`."""
        price, qty, symbol = pl.col("price"), pl.col("qty"), pl.col("symbol").cast(pl.String)
        found = price * qty
        for name, contract in self.contracts.items():
            contracts = qty * contract.multiplier
            own = contracts / price if contract.inverse else price * contracts
            found = pl.when(symbol == name).then(own).otherwise(found)
        return found


def _weighted(values: str, *, weights: str, products: str) -> list[pl.Expr]:
    """The two lists of a notional-weighted mean; a fill without the value is in neither."""
    known = pl.col(values).is_not_null()
    notional = pl.col("notional").filter(known)
    return [notional.alias(weights), (notional * pl.col(values).filter(known)).alias(products)]


def _sign() -> pl.Expr:
    return pl.when(pl.col("side") == "buy").then(1.0).otherwise(-1.0)


def _gain_bps(fee_bps: pl.Expr) -> pl.Expr:
    """s (mid_now - p) / mid_at_quote x 1e4 - fee; null without ``mid_now``, which also stands in for mid_at_quote."""
    mid = pl.col("mid_now")
    return _sign() * (mid - pl.col("price")) / pl.coalesce("mid_at_quote", mid) * 1e4 - fee_bps


def _slippage_bps() -> pl.Expr:
    """s (p - quote_price) / quote_price x 1e4; without ``quote_price`` as the bot logged it."""
    quoted = pl.col("quote_price")
    return pl.coalesce(_sign() * (pl.col("price") - quoted) / quoted * 1e4, "slip_bps")
