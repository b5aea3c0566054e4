"""The bot's own stages of a tick; reading the market and deciding about staleness are the library's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from calib.features import FeatureCollector
from calib.pipeline import CacheStamp, Decision, QuoteContext, QuoteStage
from calib.simulation import latency
from calib.simulation.instruments import Instrument
from calib.simulation.market import Book
from calib.simulation.named_rng import NamedRng
from calib.simulation.pricing import Pricer

US_PER_S: Final = 1_000_000

Send = Callable[[Book, Mapping[int, int], int, int, CacheStamp], int]
"""Sends what changed: the book seen, prices by side, when decided and sent (Unix us), and the book's stamp."""

Wait = Callable[[str], float]
"""How long a stage of that name computes this time, s."""


class TimedRead:
    """The library's stage that reads the market, and what reading costs the bot itself.

    Parameters
    ----------
    inner
        The library's stage.
    chance
        The bot's stream of draws.
    on_read
        Told of the mid that was read, at the moment at which the tick has it.
    """

    name = "fetch_md"

    def __init__(self, inner: QuoteStage, chance: NamedRng, on_read: Callable[[float | None], None]) -> None:
        self._inner = inner
        self._chance = chance
        self._on_read = on_read

    async def run(self, context: QuoteContext) -> QuoteContext:
        await asyncio.sleep(latency.CACHE_READ.draw(self._chance) / US_PER_S)
        read = await self._inner.run(context)
        self._on_read(None if read.market_data is None else read.market_data.mid)
        return read


class FeaturesStage:
    """Hands what was read to the feature collector."""

    name = "features"

    def __init__(self, collector: FeatureCollector, wait: Wait) -> None:
        self._collector = collector
        self._wait = wait

    async def run(self, context: QuoteContext) -> QuoteContext:
        market = context.market_data
        if market is not None and market.bids and market.asks:
            (bid, bid_qty), (ask, ask_qty) = market.bids[0], market.asks[0]
            self._collector.record_book(context.symbol, bid, bid_qty, ask, ask_qty)
        await asyncio.sleep(self._wait(self.name))
        return context.with_value("features", self._collector.snapshot(context.symbol))


class Strategy:
    """Prices both sides from what was read; on stale prices further away."""

    name = "strategy"

    def __init__(
        self,
        instrument: Instrument,
        pricer: Pricer,
        wait: Wait,
        *,
        inventory_share: Callable[[], float],
        bad_release: Callable[[], bool],
    ) -> None:
        self._instrument = instrument
        self._pricer = pricer
        self._wait = wait
        self._inventory_share = inventory_share
        self._bad_release = bad_release

    async def run(self, context: QuoteContext) -> QuoteContext:
        seen = self.seen(context)
        prices = self._pricer.prices(seen, self._inventory_share(), too_close=self._bad_release())
        if context.decision is Decision.WIDEN:
            extra = round((context.widen_ratio - 1) * (seen.ask - seen.bid) / 2)
            prices = {side: price - side * extra for side, price in prices.items()}
        await asyncio.sleep(self._wait(self.name))
        return context.with_value("seen", seen).with_value("prices", prices)

    def seen(self, context: QuoteContext) -> Book:
        """The best prices that were read, in whole ticks; there are both, or the tick was skipped."""
        market = context.market_data
        assert market is not None
        scale = 10**self._instrument.decimals
        bid, ask = round(market.bids[0][0] * scale), round(market.asks[0][0] * scale)
        return Book(bid, ask, market.update_id or 0)


class Risk:
    """Checks limits; here it only takes its time."""

    name = "risk"

    def __init__(self, wait: Wait) -> None:
        self._wait = wait

    async def run(self, context: QuoteContext) -> QuoteContext:
        await asyncio.sleep(self._wait(self.name))
        return context


class Quoting:
    """Sends what changed, and waits until the venue has it."""

    name = "quote"

    def __init__(self, send: Send, wait: Wait, now_us: Callable[[], int]) -> None:
        self._send = send
        self._wait = wait
        self._now_us = now_us

    async def run(self, context: QuoteContext) -> QuoteContext:
        sent_us = self._now_us()
        await asyncio.sleep(self._wait(self.name))
        return context.with_quotes(
            self._send(context.values["seen"], context.values["prices"], sent_us, self._now_us(), context.cache_stamp)
        )
