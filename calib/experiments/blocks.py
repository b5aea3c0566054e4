"""Blocks of time: per symbol, the sums that the sequential tests compare.

A fill belongs to the block of its quote, a tick to the block of its own time. A block closes one grace time after its
end. Later records are counted as late and left out, in both arms.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from calib.experiments.routing import B, block_of
from calib.experiments.windows import p95

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calib.experiments.records import Fill, TickRecord

MIN_TICKS_P95: Final = 20
"""Minimum number of ticks of a symbol in a block for its own p95."""
MAX_TICKS_P95: Final = 8192
"""Maximum number of ticks per symbol and block in the p95; later ticks count in the other figures only."""


@dataclass(slots=True)
class SymbolSums:
    """The sums of one symbol over one block."""

    bucket: str
    mixed: bool = False
    """Whether the symbol was in both arms within the block; it then counts for neither."""
    fills: int = 0
    takers: int = 0
    slippage: float = 0.0
    n_slippage: int = 0
    net: float = 0.0
    n_net: int = 0
    filled_ids: set[str] = field(default_factory=set)
    filled_without_id: int = 0
    quotes: float = 0.0
    ticks: int = 0
    misses: int = 0
    totals: array[float] = field(default_factory=lambda: array("d"))


@dataclass(frozen=True, slots=True)
class Block:
    """A closed block."""

    index: int
    symbols: dict[str, SymbolSums]


Pair = tuple[float, float]
"""Sum of the observations, and their number (or weight)."""


def _log_p95(sums: SymbolSums) -> Pair:
    if len(sums.totals) < MIN_TICKS_P95:
        return 0.0, 0.0
    value = p95(np.frombuffer(sums.totals))
    return (math.log(value), 1.0) if value > 0 else (0.0, 0.0)


CHANNELS: Final[dict[str, Callable[[SymbolSums], Pair]]] = {
    "net_bps": lambda s: (s.net, float(s.n_net)),
    "slippage_bps": lambda s: (s.slippage, float(s.n_slippage)),
    "fill_rate": lambda s: (float(len(s.filled_ids) + s.filled_without_id), s.quotes),
    "taker_share": lambda s: (float(s.takers), float(s.fills)),
    "log_p95": _log_p95,
    "deadline_miss_rate": lambda s: (float(s.misses), float(s.ticks)),
}
"""Block statistics by name. Fills have equal weight: with notional weights one large fill would dominate a block."""

SCALE_FLOOR: Final = {
    "net_bps": 0.05,
    "slippage_bps": 0.05,
    "fill_rate": 0.005,
    "taker_share": 0.005,
    "log_p95": 0.005,
    "deadline_miss_rate": 0.0005,
}
"""Smallest standard deviation of a block difference that a test is tuned for, by channel."""

CHANNEL_OF: Final = {
    "net_bps": "net_bps",
    "slippage_bps": "slippage_bps",
    "fill_rate": "fill_rate",
    "taker_share": "taker_share",
    "tick_total_p95": "log_p95",
    "deadline_miss_rate": "deadline_miss_rate",
}
"""The block statistic of each of the six metrics."""


@dataclass(frozen=True, slots=True)
class Observations:
    """One channel of one block as arrays over the symbols."""

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    is_b: NDArray[np.bool_]


def observe(block: Block, symbols: Sequence[str], channel: str) -> Observations:
    """A channel of a block over ``symbols``; a symbol that is absent or mixed has a count of 0."""
    take = CHANNELS[channel]
    sums, counts, is_b = np.zeros(len(symbols)), np.zeros(len(symbols)), np.zeros(len(symbols), dtype=np.bool_)
    for index, symbol in enumerate(symbols):
        found = block.symbols.get(symbol)
        if found is not None and not found.mixed:
            sums[index], counts[index] = take(found)
            is_b[index] = found.bucket == B
    return Observations(sums, counts, is_b)


class OpenBlocks:
    """The blocks that still accept records.

    Parameters
    ----------
    block_s
        Length of a block, s.
    grace_s
        How long after its end a block still accepts fills of its quotes, s.
    """

    __slots__ = ("_open", "block_s", "closed", "grace_s", "late")

    def __init__(self, block_s: float, grace_s: float) -> None:
        self.block_s, self.grace_s = block_s, grace_s
        self._open: dict[int, dict[str, SymbolSums]] = {}
        self.closed: int | None = None
        """Index of the newest closed block."""
        self.late = 0
        """Number of records that arrived after their block had closed."""

    def _sums(self, ts: float, symbol: str, bucket: str) -> SymbolSums | None:
        index = block_of(ts, self.block_s)
        if self.closed is not None and index <= self.closed:
            self.late += 1
            return None
        block = self._open.get(index)
        if block is None:
            block = self._open[index] = {}
        sums = block.get(symbol)
        if sums is None:
            sums = block[symbol] = SymbolSums(bucket)
        elif sums.bucket != bucket:
            sums.mixed = True
        return sums

    def add_fill(self, fill: Fill) -> None:
        sums = self._sums(fill.ts_block, fill.symbol, fill.bucket)
        if sums is None:
            return
        sums.fills += 1
        sums.takers += fill.taker
        if fill.slippage_bps == fill.slippage_bps:
            sums.slippage += fill.slippage_bps
            sums.n_slippage += 1
        if fill.net_bps == fill.net_bps:
            sums.net += fill.net_bps
            sums.n_net += 1
        if fill.quote_id is None:
            sums.filled_without_id += 1
        else:
            sums.filled_ids.add(fill.quote_id)

    def add_tick(self, tick: TickRecord) -> None:
        sums = self._sums(tick.ts, tick.symbol, tick.bucket)
        if sums is None:
            return
        sums.ticks += 1
        sums.misses += tick.deadline_miss
        sums.quotes += tick.quotes
        if len(sums.totals) < MAX_TICKS_P95:
            sums.totals.append(tick.tick_total_ms)

    def close(self, now: float) -> list[Block]:
        """Close and return the blocks that end, grace included, at or before ``now``, oldest first."""
        limit = block_of(now - self.grace_s, self.block_s) - 1
        due = sorted(index for index in self._open if index <= limit)
        if self.closed is None or limit > self.closed:
            self.closed = limit
        return [Block(index, self._open.pop(index)) for index in due]

    def drop(self, until: int) -> None:
        """Discard the blocks up to index ``until``, of which only a part was recorded, and refuse records for them."""
        for index in [index for index in self._open if index <= until]:
            del self._open[index]
        self.closed = until if self.closed is None else max(self.closed, until)
