"""Reads while the stream's book is not in sync yet must not keep it from getting there."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from calib.clock import VirtualClock
from calib.market import Delta, MDCache, MDCacheConfig
from calib.virtual_loop import run


def test_a_rest_body_behind_the_readers_id_does_not_start_the_stream_anew() -> None:
    """Ids jump by 1,000, so every REST body lies more than 1 behind the next delta. A read each 100 ms, 36 ms venue."""
    clock = VirtualClock()
    newest = 1000

    async def venue(symbol: str, depth: int) -> Any:
        if clock.monotonic_ns() < 300_000_000:
            raise ConnectionError("not yet")
        await asyncio.sleep(0.018)
        body = {"symbol": symbol, "bids": [(100.0, 1.0)], "asks": [(101.0, 1.0)], "update_id": newest}
        await asyncio.sleep(0.018)
        return body

    async def main() -> list[str]:
        nonlocal newest
        config = MDCacheConfig(enabled=True, sequence_rule="previous")
        cache = MDCache(config, venue, clock=clock, rng=random.Random(1))
        statuses = []
        for number in range(100):
            cache.on_book("X", Delta([(100.0, 1.0 + number)], [], newest + 1000, newest + 1, newest))
            newest += 1000
            await asyncio.sleep(0.05)
            _, meta = await cache.get_orderbook("X", 10, expected_update_id=newest, use_case="pricing")
            statuses.append(meta.status)
            await asyncio.sleep(0.05)
        await cache.close()
        return statuses

    statuses = run(main(), clock=clock)
    assert statuses[-50:] == ["fresh"] * 50
