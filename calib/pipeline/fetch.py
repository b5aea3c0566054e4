"""The stage that reads market data: from the cache, from the direct fetch, or in shadow mode from both."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from calib.clock import NS_PER_MS, Clock
from calib.errors import CalibError
from calib.market import BookView, MDCache, MDCacheMeta
from calib.market.cache.freshness import Source
from calib.market.cache.refresh import RefreshCallback
from calib.pipeline.context import QuoteContext, ShadowAnswer
from calib.pipeline.market_data import MarketData
from calib.pipeline.metrics import StageMetrics

_REST: Final = Source.REST.value
_meta: Final = tuple.__new__
"""Creates `MDCacheMeta` from a tuple at half the cost of its constructor, on every tick."""


class FetchMDStage:
    """Reads the market data of a tick.

    With the cache on, guard ticks read by the rules of guards and others by those of pricing; the stream's update id is
    passed to the read, and the read's metadata to the next stages. The cache records its own hits, misses and ages:
    this stage does not record them again.

    Parameters
    ----------
    cache
        The cache. Its configuration decides whether it is used: ``enabled``, and ``mode`` on or shadow.
    direct_fetch
        ``async (symbol, depth) -> body``: the fetch that the bot used before it had a cache. Its errors are raised
        unchanged.
    metrics
        Receives the comparisons of shadow mode; may be None.
    clock
        Default: the machine's clock.

    In shadow mode both are called at the same time and awaited, so that slow answers of the cache are recorded too; the
    direct result is used.
    """

    name = "fetch_md"

    __slots__ = ("_cache", "_direct_fetch", "_metrics", "_now_ns", "_shadow")

    def __init__(
        self,
        cache: MDCache,
        direct_fetch: RefreshCallback,
        *,
        metrics: StageMetrics | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._cache = cache
        self._direct_fetch = direct_fetch
        self._metrics = metrics
        self._now_ns = time.monotonic_ns if clock is None else clock.monotonic_ns
        self._shadow = cache.config.mode == "shadow"

    async def run(self, context: QuoteContext) -> QuoteContext:
        """Return the tick with its market data, None if the cache has none that this tick may use."""
        if not self._cache.enabled:
            # As `_direct`, inlined: a disabled cache must not cost an extra coroutine.
            began_ns = self._now_ns()
            body = await self._direct_fetch(context.symbol, context.depth)
            meta = _direct_meta(body, self._now_ns() - began_ns)
            return context.with_market_data(MarketData.of_body(context.symbol, body, context.depth), meta)
        if self._shadow:
            return await self._run_shadow(context)
        cached, meta = await self._read_cache(context)
        return context.with_market_data(None if cached is None else MarketData.of(cached), meta)

    async def _direct(self, context: QuoteContext) -> tuple[MarketData, MDCacheMeta]:
        began_ns = self._now_ns()
        body: Any = await self._direct_fetch(context.symbol, context.depth)
        meta = _direct_meta(body, self._now_ns() - began_ns)
        return MarketData.of_body(context.symbol, body, context.depth), meta

    async def _read_cache(self, context: QuoteContext) -> tuple[BookView | None, MDCacheMeta]:
        return await self._cache.get_orderbook(
            context.symbol,
            context.depth,
            context.max_age_ms,
            expected_update_id=context.expected_update_id,
            use_case=context.use_case,
        )

    async def _run_shadow(self, context: QuoteContext) -> QuoteContext:
        shadow = asyncio.create_task(self._read_cache_timed(context), name=f"calib shadow {context.symbol}")
        try:
            market, meta = await self._direct(context)
            book = market.book
        except BaseException:
            shadow.cancel()
            await asyncio.gather(shadow, return_exceptions=True)
            raise
        cached, cached_meta, took_ms = await shadow
        answer = compare(book, cached, cached_meta, took_ms)
        if self._metrics is not None:
            self._metrics.record_md_cache_shadow(answer)
        return context.with_market_data(market, meta, answer)

    async def _read_cache_timed(self, context: QuoteContext) -> tuple[BookView | None, MDCacheMeta | None, float]:
        began_ns = self._now_ns()
        try:
            book, meta = await self._read_cache(context)
        except CalibError:  # an invalid request: shadow mode must not end the tick
            return None, None, self._since_ms(began_ns)
        return book, meta, self._since_ms(began_ns)

    def _since_ms(self, began_ns: int) -> float:
        return (self._now_ns() - began_ns) / NS_PER_MS


def _direct_meta(body: Any, age_ns: int) -> MDCacheMeta:
    if type(body) is dict:
        update_id, source = body.get("update_id"), body.get("source") or _REST
    else:
        update_id, source = getattr(body, "update_id", None), _REST
    return _meta(MDCacheMeta, (False, age_ns / NS_PER_MS, False, False, False, "direct", source, update_id, None))


def compare(direct: BookView, cached: BookView | None, meta: MDCacheMeta | None, took_ms: float) -> ShadowAnswer:
    """Compare the cache's answer with the direct one.

    >>> book = BookView("X", ((99.0, 1.0),), ((101.0, 1.0),), 7, 1)
    >>> moved = BookView("X", ((99.1, 1.0),), ((101.1, 1.0),), 9, 1)
    >>> answer = compare(moved, book, None, 0.1)
    >>> round(answer.mid_error_bps, 4), answer.same_top
    (9.99, False)
    """
    if cached is None:
        return ShadowAnswer(meta, took_ms, None, None)
    error_bps = None
    if direct.mid is not None and cached.mid is not None:
        error_bps = abs(cached.mid - direct.mid) / direct.mid * 1e4
    same_top = (cached.best_bid, cached.best_ask) == (direct.best_bid, direct.best_ask)
    return ShadowAnswer(meta, took_ms, error_bps, same_top)
