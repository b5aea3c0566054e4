"""Simulated instruments; their prices and sizes are whole ticks and lots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from calib.simulation.named_rng import NamedRng


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol and the parameters of its market.

    Parameters
    ----------
    name
        The symbol.
    decimals
        The tick is ``10 ** -decimals`` of the quote currency.
    start_ticks
        Mid at the start of every hour, ticks.
    lot_decimals
        The lot is ``10 ** -lot_decimals`` base units.
    quote_lots
        Size of one of our quotes, lots.
    spread_bps
        Usual quoted spread of the market, bps.
    vol_bps
        Volatility of the mid in the calm regime, bps per sqrt(s).
    intensity_per_s, decay_per_bps
        A and k of our fill intensity ``A exp(-k delta)``, delta in bps.
    impact_bps
        Mean move of the mid against us at a fill, bps.
    maker_fee_bps, taker_fee_bps
        Positive is paid, negative a rebate.
    """

    name: str
    decimals: int
    start_ticks: int
    lot_decimals: int
    quote_lots: int
    spread_bps: float
    vol_bps: float
    intensity_per_s: float
    decay_per_bps: float
    impact_bps: float
    maker_fee_bps: float
    taker_fee_bps: float

    @property
    def half_ticks_per_bps(self) -> float:
        """Half ticks per basis point of the initial mid."""
        return 2 * self.start_ticks / 1e4

    def price(self, ticks: int) -> float:
        """Convert ticks to a price, the nearest float to the decimal."""
        return ticks / float(10**self.decimals)

    def half(self, half_ticks: int) -> float:
        """Convert half ticks, the unit of mids, to a price."""
        return half_ticks / float(2 * 10**self.decimals)

    def qty(self, lots: int) -> float:
        """Convert lots to a quantity."""
        return lots / float(10**self.lot_decimals)


_ROWS: Final = (
    # name, decimals, start_ticks, lot_decimals, quote_lots, spread, vol, A, k, impact, maker, taker
    Instrument("BTCUSDT", 1, 612_500, 3, 20, 1.2, 0.45, 0.022, 0.55, 0.9, -0.2, 3.0),
    Instrument("ETHUSDT", 2, 328_000, 2, 40, 1.4, 0.55, 0.024, 0.50, 0.9, -0.2, 3.0),
    Instrument("SOLUSDT", 2, 18_740, 1, 60, 1.8, 0.75, 0.026, 0.45, 1.1, 0.0, 3.5),
    Instrument("BNBUSDT", 1, 6_920, 2, 150, 2.9, 0.60, 0.020, 0.40, 1.0, 0.0, 3.5),
    Instrument("XRPUSDT", 4, 22_150, 0, 500, 1.8, 0.80, 0.026, 0.45, 1.1, 0.0, 3.5),
    Instrument("DOGEUSDT", 5, 31_840, 0, 4_000, 2.0, 0.90, 0.028, 0.42, 1.2, 0.2, 4.0),
    Instrument("ADAUSDT", 4, 8_920, 0, 1_000, 2.3, 0.85, 0.022, 0.40, 1.2, 0.2, 4.0),
    Instrument("LINKUSDT", 3, 20_150, 1, 500, 2.2, 0.80, 0.022, 0.42, 1.1, 0.2, 4.0),
    Instrument("AVAXUSDT", 2, 3_620, 1, 250, 2.8, 0.95, 0.020, 0.35, 1.3, 0.2, 4.0),
    Instrument("LTCUSDT", 2, 10_340, 2, 900, 2.0, 0.65, 0.020, 0.42, 1.0, 0.2, 4.0),
    Instrument("DOTUSDT", 3, 6_852, 1, 1_400, 2.9, 0.85, 0.018, 0.38, 1.2, 0.2, 4.0),
    Instrument("NEARUSDT", 3, 5_104, 1, 1_900, 3.0, 0.95, 0.018, 0.35, 1.3, 0.2, 4.0),
)

INSTRUMENTS: Final = {row.name: row for row in _ROWS}
"""The twelve instruments of the sample feeds, by symbol."""


def instrument(name: str) -> Instrument:
    """Return the instrument of a symbol; parameters of an unknown symbol are derived from its name.

    >>> instrument("BTCUSDT").price(612_500), instrument("MYCOIN") == instrument("MYCOIN")
    (61250.0, True)
    """
    if name in INSTRUMENTS:
        return INSTRUMENTS[name]
    rng = NamedRng("instrument", name)
    start_ticks = rng.between(4_000, 40_000)
    tick_bps = 1e4 / start_ticks
    return Instrument(
        name=name,
        decimals=rng.between(1, 5),
        start_ticks=start_ticks,
        lot_decimals=rng.between(0, 3),
        quote_lots=10 * rng.between(2, 200),
        spread_bps=max(round(1.5 + rng.uniform(), 1), math.ceil(tick_bps * 10) / 10),
        vol_bps=round(0.6 + 0.4 * rng.uniform(), 2),
        intensity_per_s=round(0.018 + 0.008 * rng.uniform(), 3),
        decay_per_bps=round(0.35 + 0.2 * rng.uniform(), 2),
        impact_bps=round(0.9 + 0.4 * rng.uniform(), 1),
        maker_fee_bps=0.2,
        taker_fee_bps=4.0,
    )


def first_names(n: int) -> list[str]:
    """Return the first ``n`` symbols: the twelve of the samples, then ``SIM13USDT``, ``SIM14USDT`` and so on.

    >>> first_names(13)[-2:]
    ['NEARUSDT', 'SIM13USDT']
    """
    known = list(INSTRUMENTS)[:n]
    return known + [f"SIM{i:02d}USDT" for i in range(len(known) + 1, n + 1)]
