"""How a venue answers requests for a book: after a while, with what was true half-way, or not at all."""

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
    """Answers requests for books, each cut from the true one half-way through the request's latency.

    The venue answers when the request has arrived, and the answer is that old when it is read.

    Parameters
    ----------
    clock
        The virtual clock of the running loop.
    truth
        ``(symbol, depth)`` -> the true book now; None where it is not known, and the request is then refused.
    latency
        Of a request with its answer.
    faults
        What goes wrong, in seconds from ``clock``'s time at construction.
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
        """The answer to a request for ``depth`` levels a side: symbol, bids, asks, update_id.

        Raises
        ------
        ConnectionError
            Where a fault of the script, or not knowing the true book, refuses the request.
        """
        self.requests += 1
        began_ns = self._clock.monotonic_ns()
        began_s = (began_ns - self._start_ns) / NS_PER_S
        if self._faults.active(FaultKind.REST_TIMEOUT, symbol, began_s):
            await asyncio.get_running_loop().create_future()  # never answered; the caller's own timeout ends it
        latency_s = self._latency.next_ns(began_ns) / NS_PER_S
        await asyncio.sleep(latency_s / 2)
        view = self._truth(symbol, depth)
        await asyncio.sleep(latency_s - latency_s / 2)
        if view is None or self._faults.active(FaultKind.REST_ERROR, symbol, began_s):
            self.refused += 1
            raise ConnectionError(f"the venue refused the request for a book of {symbol}")
        return {"symbol": symbol, "bids": view.bids, "asks": view.asks, "update_id": view.update_id}
