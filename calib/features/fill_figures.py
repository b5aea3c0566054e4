"""The bps figures of one fill."""

from __future__ import annotations

from typing import NamedTuple


class FillFigures(NamedTuple):
    """Figures of one fill, bps; None if a price that they need is unknown."""

    net_bps: float | None
    slippage_bps: float | None
    adverse_move_bps: float | None


def fill_figures(
    sign: float,
    price: float,
    *,
    quote_price: float | None,
    mid_at_quote: float | None,
    mid_now: float | None,
    fee_bps: float,
    slip_bps: float | None = None,
) -> FillFigures:
    """Net gain, slippage and adverse move of one fill.

    Parameters
    ----------
    sign
        +1 for our buy, -1 for our sell.
    price, quote_price, mid_at_quote, mid_now
        The price of the fill, the quoted price, the mid when we quoted, and the mid at the fill.
    fee_bps
        The fee; positive is paid, negative a rebate.
    slip_bps
        Slippage as logged, used if ``quote_price`` is unknown.

    Notes
    -----
    net = s (mid_now - p) / mid_at_quote x 1e4 - fee; slippage = s (p - quote_price) / quote_price x 1e4; adverse =
    -s (mid_now - mid_at_quote) / mid_at_quote x 1e4. If ``mid_at_quote`` is unknown, net divides by ``mid_now``.

    >>> figures = fill_figures(1.0, 99.9, quote_price=99.9, mid_at_quote=100.0, mid_now=99.95, fee_bps=1.0)
    >>> [round(figure, 9) for figure in figures]  # bought 5 bps below a mid that fell by 5 bps below 100, fee 1
    [4.0, 0.0, 5.0]
    """
    net = adverse = None
    if mid_now is not None:
        net = sign * (mid_now - price) / (mid_at_quote or mid_now) * 1e4 - fee_bps
        if mid_at_quote is not None:
            adverse = -sign * (mid_now - mid_at_quote) / mid_at_quote * 1e4
    slippage = slip_bps if quote_price is None else sign * (price - quote_price) / quote_price * 1e4
    return FillFigures(net, slippage, adverse)
