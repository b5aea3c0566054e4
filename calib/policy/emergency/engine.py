"""The bot as the emergency procedure needs it: one protocol, and its fake."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence


@runtime_checkable
class TradingEngine(Protocol):
    """What a bot implements. Every method may be called again after a restart: it must bear that.

    There is no method to resume: a bot asks `EmergencyResponse.trading_allowed` before it trades.
    """

    async def stop_trading(self, reason: str) -> None:
        """Send no order from now on, and cancel those that rest; return when that is done."""
        ...

    async def disable_cache(self, component: str) -> None:
        """Switch off a cache of the bot's own; caches that registered with the monitor are off already."""
        ...

    async def enable_fresh_api_mode(self) -> None:
        """From now on ask the exchange at each use of balances, orders, positions and prices."""
        ...

    async def cached_trading_data(self) -> Sequence[str]:
        """Names of prohibited data that the bot still keeps; empty where there is none."""
        ...


class FakeTradingEngine:
    """An engine for tests and rehearsals: it notes what was called, and can fail or hang.

    Parameters
    ----------
    failing
        Methods that raise.
    hanging
        Methods that never return.
    cached
        What `cached_trading_data` returns.

    >>> engine = FakeTradingEngine()
    >>> asyncio.run(engine.stop_trading("rehearsal"))
    >>> engine.trading, engine.calls
    (False, ['stop_trading'])
    """

    def __init__(self, *, failing: Sequence[str] = (), hanging: Sequence[str] = (), cached: Sequence[str] = ()) -> None:
        self.trading = True
        self.fresh_api_mode = False
        self.disabled: list[str] = []
        self.calls: list[str] = []
        self.failing = set(failing)
        self.hanging = set(hanging)
        self.cached = list(cached)

    async def stop_trading(self, reason: str) -> None:
        """Note it."""
        await self._called("stop_trading")
        self.trading = False

    async def disable_cache(self, component: str) -> None:
        """Note it."""
        await self._called("disable_cache")
        self.disabled.append(component)

    async def enable_fresh_api_mode(self) -> None:
        """Note it."""
        await self._called("enable_fresh_api_mode")
        self.fresh_api_mode = True

    async def cached_trading_data(self) -> Sequence[str]:
        """What the test said."""
        await self._called("cached_trading_data")
        return list(self.cached)

    async def _called(self, name: str) -> None:
        self.calls.append(name)
        await asyncio.sleep(0)
        if name in self.failing:
            raise RuntimeError(f"{name} fails")
        if name in self.hanging:
            await asyncio.Event().wait()
