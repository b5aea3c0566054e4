"""The protocol of a bot's trading engine for the emergency procedure, and a fake."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence


@runtime_checkable
class TradingEngine(Protocol):
    """The interface that a bot implements. Every method must be idempotent: it may be called again after a restart.

    There is no method to resume: a bot calls `EmergencyResponse.trading_allowed` before it trades.
    """

    async def stop_trading(self, reason: str) -> None:
        """Stop sending orders and cancel resting ones; return when that is done."""
        ...

    async def disable_cache(self, component: str) -> None:
        """Disable the bot's own cache; caches registered with the monitor are already disabled."""
        ...

    async def enable_fresh_api_mode(self) -> None:
        """Request balances, orders, positions and prices from the exchange at each use from now on."""
        ...

    async def cached_trading_data(self) -> Sequence[str]:
        """Return names of prohibited data that the bot still caches; empty if there is none."""
        ...


class FakeTradingEngine:
    """An engine for tests and rehearsals: it records calls, and can fail or hang.

    Parameters
    ----------
    failing
        Names of methods that raise.
    hanging
        Names of methods that never return.
    cached
        The result of `cached_trading_data`.

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
        """Record the call."""
        await self._called("stop_trading")
        self.trading = False

    async def disable_cache(self, component: str) -> None:
        """Record the call."""
        await self._called("disable_cache")
        self.disabled.append(component)

    async def enable_fresh_api_mode(self) -> None:
        """Record the call."""
        await self._called("enable_fresh_api_mode")
        self.fresh_api_mode = True

    async def cached_trading_data(self) -> Sequence[str]:
        """Return ``cached``."""
        await self._called("cached_trading_data")
        return list(self.cached)

    async def _called(self, name: str) -> None:
        self.calls.append(name)
        await asyncio.sleep(0)
        if name in self.failing:
            raise RuntimeError(f"{name} fails")
        if name in self.hanging:
            await asyncio.Event().wait()
