"""Joining fills to quotes by (symbol, quote_id), on one clock; excluded lines are counted by reason.

``quote_id`` may repeat between symbols, so rows here always belong to one symbol. A join on the id alone would inflate
the exposure, in one hour with two sides by a factor of ten.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np

from calib.fitting.arrays import Floats
from calib.fitting.exposure import QuoteSpans
from calib.fitting.rows import FillRows, QuoteRows

CLOCK_SHARE: Final = 0.99
"""The exchange's clock is used if at least this fraction of the lines of book and fills have it."""
OUTSIDE_S: Final = 1.0
"""A fill further outside the life of its quote is counted, s: clocks that differ, or a reused id."""
_MAKER: Final = 1
_TAKER: Final = 2
_CONFLICT: Final = 4


@dataclass(frozen=True, slots=True)
class Joined:
    """The quotes of one symbol with their first fills.

    Parameters
    ----------
    rows
        The quotes used, in order of their lines.
    spans
        Their start and end.
    refused
        Number of excluded quotes, by reason.
    notes
        Number of quotes used with a remark, by remark.
    fills, no_quote
        Number of maker fills, and of those without a quote in the feed.
    """

    rows: QuoteRows
    spans: QuoteSpans
    refused: Counter[str]
    notes: Counter[str]
    fills: int
    no_quote: int


def one_clock(exchange_share_book: float, exchange_share_fills: float) -> str:
    """``exchange`` if nearly all lines of both have that time, else ``receive``.

    >>> one_clock(1.0, 0.995), one_clock(1.0, 0.5)
    ('exchange', 'receive')
    """
    return "exchange" if min(exchange_share_book, exchange_share_fills) >= CLOCK_SHARE else "receive"


def join_quotes(quotes: QuoteRows, fills: FillRows | None, fill_s: Floats, *, shift_s: float = 0.0) -> Joined:
    """Assign each quote its first maker fill.

    Parameters
    ----------
    fills
        None if there is no fills feed: then a quote with a filled quantity was filled when it closed.
    fill_s
        Times of the fills on the clock of the mids.
    shift_s
        How far the bot's clock, which is that of the quotes, is ahead of the clock of the mids, s.
    """
    refused: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    place_of: dict[str, int] = {}
    repeated: set[str] = set()
    for place, name in enumerate(quotes.quote_id):
        if place_of.setdefault(name, place) != place:
            repeated.add(name)
    first = np.full(len(quotes), np.inf)
    kinds = np.zeros(len(quotes), np.int64)
    no_quote = makers = 0
    if fills is not None:
        signs, are_makers = fills.sign.tolist(), fills.maker.tolist()
        for quote_id, time, sign, maker in zip(fills.quote_id, fill_s.tolist(), signs, are_makers, strict=True):
            makers += maker
            found = None if quote_id is None else place_of.get(quote_id)
            if found is None:
                no_quote += maker
                continue
            kinds[found] |= _MAKER if maker else _TAKER
            if sign != quotes.sign[found]:
                kinds[found] |= _CONFLICT
            elif maker:
                first[found] = min(first[found], time)
    has_qty = quotes.qty_filled > 0
    reasons = np.array(quotes.close_reason, dtype=object)
    says_filled = reasons == "filled"
    filled = np.isfinite(first)
    # A fill that is only in the quotes feed: its time is that of closing if the fill closed the quote.
    from_close = ~filled & has_qty & (says_filled if fills is not None else True) & ((kinds & _TAKER) == 0)
    from_close = np.asarray(from_close, bool)
    if fills is not None:
        notes["filled_by_close"] += int(from_close.sum())
    far = filled & ((first < quotes.ts_open - shift_s - OUTSIDE_S) | (first > quotes.ts_close - shift_s + OUTSIDE_S))
    notes["fill_outside_life"] += int(far.sum())
    tests = {
        "repeated_quote_id": np.array([name in repeated for name in quotes.quote_id], bool),
        "side_conflict": (kinds & _CONFLICT) != 0,
        "taker": ((kinds & _TAKER) != 0) & ~filled,
        "fill_time_unknown": has_qty & ~filled & ~from_close & ((kinds & _TAKER) == 0),
        "filled_without_quantity": says_filled & ~has_qty & ~filled,
    }
    kept = np.ones(len(quotes), bool)
    for reason, hit in tests.items():
        refused[reason] += int((hit & kept).sum())
        kept &= ~hit
    end = np.where(filled, first, quotes.ts_close - shift_s)
    spans = QuoteSpans(
        quotes.sign[kept],
        quotes.price[kept],
        (quotes.ts_open - shift_s)[kept],
        end[kept],
        (filled | from_close)[kept],
        np.asarray(reasons == "open", bool)[kept] & ~(filled | from_close)[kept],
        quotes.mid_open[kept],
    )
    return Joined(quotes.take(kept), spans, +refused, +notes, makers, no_quote)
