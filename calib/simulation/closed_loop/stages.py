"""The bot's own stages of a tick; the stages that read market data and handle staleness are those of `pipeline`."""

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
"""Sends orders: the book, prices by side, times of decision and arrival (Unix us), and the book's stamp."""

Wait = Callable[[str], float]
"""Computes the duration of a stage by its name, s."""


class TimedRead:
    """The library's stage that reads market data, plus the bot's own latency.

    Parameters
    ----------
    inner
        The library's stage.
    rng
        The bot's random numbers.
    on_read
        Called with the mid that was read, when the tick has it.
    """

    name = "fetch_md"

    def __init__(self, inner: QuoteStage, rng: NamedRng, on_read: Callable[[float | None], None]) -> None:
        self._inner = inner
        self._rng = rng
        self._on_read = on_read

    async def run(self, context: QuoteContext) -> QuoteContext:
        await asyncio.sleep(latency.CACHE_READ.draw(self._rng) / US_PER_S)
        read = await self._inner.run(context)
        self._on_read(None if read.market_data is None else read.market_data.mid)
        return read


class FeaturesStage:
    """Passes the best prices to the feature collector."""

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
    """Prices both sides from the book; wider if the decision is to widen."""

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
        """The best prices of the book, in whole ticks; both sides exist, or the tick was skipped."""
        market = context.market_data
        assert market is not None
        scale = 10**self._instrument.decimals
        bid, ask = round(market.bids[0][0] * scale), round(market.asks[0][0] * scale)
        return Book(bid, ask, market.update_id or 0)


class Risk:
    """A placeholder for risk checks; it only takes time."""

    name = "risk"

    def __init__(self, wait: Wait) -> None:
        self._wait = wait

    async def run(self, context: QuoteContext) -> QuoteContext:
        await asyncio.sleep(self._wait(self.name))
        return context


class Quoting:
    """Sends changed quotes and waits until the venue has them."""

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
