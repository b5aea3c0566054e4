"""Venue adapters: from a venue's JSON messages to cache input. One file per venue; `VENUES` lists them.

>>> sorted(VENUES)[:3], get("kraken").sequence_rule
(['binance-coinm', 'binance-spot', 'binance-usdm'], 'checksum')
"""

from __future__ import annotations

from typing import Final

from calib.errors import UsageError
from calib.market.venues.base import Alive, BookMessage, Other, Venue, VenueEvent
from calib.market.venues.binance import BINANCE_COINM, BINANCE_SPOT, BINANCE_USDM
from calib.market.venues.bitget import BITGET, BITGET_CLASSIC
from calib.market.venues.bybit import BYBIT
from calib.market.venues.coinbase import COINBASE
from calib.market.venues.deribit import DERIBIT
from calib.market.venues.gate import GATE
from calib.market.venues.hyperliquid import HYPERLIQUID
from calib.market.venues.kraken import KRAKEN
from calib.market.venues.kucoin import KUCOIN
from calib.market.venues.okx import OKX

__all__ = [
    "BINANCE_COINM",
    "BINANCE_SPOT",
    "BINANCE_USDM",
    "BITGET",
    "BITGET_CLASSIC",
    "BYBIT",
    "COINBASE",
    "DERIBIT",
    "GATE",
    "HYPERLIQUID",
    "KRAKEN",
    "KUCOIN",
    "OKX",
    "VENUES",
    "Alive",
    "BookMessage",
    "Other",
    "Venue",
    "VenueEvent",
    "get",
]

VENUES: Final[dict[str, Venue]] = {
    venue.name: venue
    for venue in (
        BINANCE_SPOT,
        BINANCE_USDM,
        BINANCE_COINM,
        BYBIT,
        OKX,
        KRAKEN,
        COINBASE,
        HYPERLIQUID,
        KUCOIN,
        DERIBIT,
        GATE,
        BITGET,
        BITGET_CLASSIC,
    )
}
"""Every venue by name. To add one: write a file beside the others and add a line here."""


def get(name: str) -> Venue:
    """Return the venue of that name.

    Raises
    ------
    calib.errors.UsageError
        If there is none; the message lists the valid names.
    """
    venue = VENUES.get(name)
    if venue is None:
        raise UsageError(f"unknown venue {name!r}", hint=f"Allowed: {', '.join(VENUES)}")
    return venue
