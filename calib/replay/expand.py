"""Upsampling of sampled ticks: adds the reads between two logged lines, evenly spaced."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Final

from calib.replay.sources import US_PER_S, Event, EventKind

HORIZON_US: Final = 60 * US_PER_S
"""Ticks further apart than this are not filled up: the bot was not running between them."""


def expanded(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events in time order, with ``sample_rate - 1`` more ticks after each sampled one, marked ``added``.

    A line that stands for n ticks is followed by n - 1 others, evenly spaced until the symbol's next line. Events are
    buffered for a minute of feed time until that line is known, which bounds the memory.

    Parameters
    ----------
    events
        The events in time order.
    """
    held: list[tuple[int, int, int, int, Event]] = []
    before: dict[str, Event] = {}
    added = 0
    for event in events:
        heapq.heappush(held, (event.us, event.kind, event.rank, 0, event))
        if event.kind == EventKind.TICKS:
            symbol = event.record.symbol
            last = before.get(symbol)
            before[symbol] = event
            count = 1 if last is None or last.record.sample_rate is None else last.record.sample_rate
            if last is not None and count > 1 and 0 < event.us - last.us <= HORIZON_US:
                for place in range(1, count):
                    added += 1
                    us = last.us + (event.us - last.us) * place // count
                    heapq.heappush(held, (us, EventKind.TICKS, last.rank, added, last._replace(us=us, added=True)))
        while held and held[0][0] < event.us - HORIZON_US:
            yield heapq.heappop(held)[-1]
    while held:
        yield heapq.heappop(held)[-1]
