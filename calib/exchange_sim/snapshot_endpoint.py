"""The snapshot endpoint of a venue: replies with latency, or fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from calib.clock import NS_PER_S, VirtualClock
from calib.exchange_sim.faults import FaultKind, FaultScript

if TYPE_CHECKING:
    from calib.exchange_sim.latency import Latency
    from calib.market import BookView


class SnapshotEndpoint:
    """Replies to snapshot requests with the true book half-way through the request's latency.

    The venue reads the book when the request has arrived, and the reply then travels back.

    Parameters
    ----------
    clock
        The virtual clock of the running loop.
    truth
        ``(symbol, depth)`` -> the true book now; None if it is unknown, in which case the request fails.
    latency
        Latency of a request including its reply.
    faults
        The fault script, in seconds from the clock's time at construction.
    """

    __slots__ = ("_clock", "_faults", "_latency", "_start_ns", "_truth", "refused", "requests")

    def __init__(
        self,
        clock: VirtualClock,
        truth: Callable[[str, int], BookView | None],
        *,
        latency: Latency,
        faults: FaultScript,
    ) -> None:
        self.requests = 0
        self.refused = 0
        self._clock = clock
        self._truth = truth
        self._latency = latency
        self._faults = faults
        self._start_ns = clock.monotonic_ns()

    async def snapshot(self, symbol: str, depth: int) -> Mapping[str, Any]:
        """Return the reply to a request for ``depth`` levels per side: symbol, bids, asks, update_id.

        Raises
        ------
        ConnectionError
            If a fault is active, or the true book is unknown.
        """
        self.requests += 1
        began_ns = self._clock.monotonic_ns()
        began_s = (began_ns - self._start_ns) / NS_PER_S
        if self._faults.active(FaultKind.REST_TIMEOUT, symbol, began_s):
            await asyncio.get_running_loop().create_future()  # no reply; the caller's timeout cancels the wait
        latency_s = self._latency.next_ns(began_ns) / NS_PER_S
        await asyncio.sleep(latency_s / 2)
        view = self._truth(symbol, depth)
        await asyncio.sleep(latency_s - latency_s / 2)
        if view is None or self._faults.active(FaultKind.REST_ERROR, symbol, began_s):
            self.refused += 1
            raise ConnectionError(f"the venue refused the request for a book of {symbol}")
        return {"symbol": symbol, "bids": view.bids, "asks": view.asks, "update_id": view.update_id}
