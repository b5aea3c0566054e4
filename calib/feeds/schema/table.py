"""The table of feed fields: the optional and required fields of each kind.

Readers, writers, the published JSON Schema and the reference page are derived from it. It is the only definition of the
fields.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

MAX_SYMBOL: Final = 64
EARLIEST_TS: Final = 946_684_800.0
"""2000-01-01T00:00:00Z: an earlier ``ts`` is not a Unix time in seconds."""
LATEST_TS: Final = 4_102_444_800.0
"""2100-01-01T00:00:00Z: a later ``ts`` is milliseconds, or a bug."""


class Type(enum.Enum):
    """The type of a JSON value; values are not converted."""

    STRING = "string"
    NUMBER = "number"
    """A finite JSON number, fraction or not."""
    INTEGER = "integer"
    """A JSON number without fraction or exponent, within 64 bits."""
    BOOLEAN = "boolean"
    STAGES = "stages"
    """An object: stage name -> number >= 0, or null."""
    LEVELS = "levels"
    """An array of ``[price, qty]`` with price > 0 and qty >= 0."""


class Presence(enum.Enum):
    """Whether a field may be left out."""

    REQUIRED = "R"
    """Must be present and not null."""
    WRITTEN = "N"
    """May be absent or null when read; our writers always write the key."""
    OPTIONAL = "O"
    """May be absent or null."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of one feed.

    Parameters
    ----------
    name, type, presence
        As in the line.
    meaning
        One sentence for the reference page.
    unit
        ``s``, ``ms``, ``bps``, ``quote`` (quote currency per base unit), ``base`` (base units), or empty.
    gt, ge, le
        Bounds of a number: greater than, at least, at most.
    choices
        The only strings allowed.
    symbol
        True for a symbol: non-empty, at most 64 characters, no control characters (Unicode Cc).
    """

    name: str
    type: Type
    presence: Presence
    meaning: str
    unit: str = ""
    gt: float | None = None
    ge: float | None = None
    le: float | None = None
    choices: tuple[str, ...] = ()
    symbol: bool = False

    @property
    def required(self) -> bool:
        return self.presence is Presence.REQUIRED

    @property
    def is_time(self) -> bool:
        """Whether the field is a point in time: plausible Unix seconds."""
        return self.ge == EARLIEST_TS and self.le == LATEST_TS


@dataclass(frozen=True, slots=True)
class Feed:
    """One kind of feed: its file prefix and its fields, in the order in which writers write them."""

    kind: str
    title: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """Return the field of that name; raises `KeyError` if there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)


_S, _F, _I, _B = Type.STRING, Type.NUMBER, Type.INTEGER, Type.BOOLEAN
_R, _N, _O = Presence.REQUIRED, Presence.WRITTEN, Presence.OPTIONAL
_SIDES = ("buy", "sell")
_BUCKETS = ("A", "B")


def _time(name: str, presence: Presence, meaning: str) -> Field:
    return Field(name, _F, presence, meaning, "s", ge=EARLIEST_TS, le=LATEST_TS)


def _ts(meaning: str) -> Field:
    return _time("ts", _R, meaning)


_TS_ISO = Field("ts_iso", _S, _N, "`ts` as ISO 8601 UTC with microseconds and `Z`; for people, not used by calib")
_SYMBOL = Field("symbol", _S, _R, "The instrument, as the venue or the bot names it", symbol=True)
_TS_EXCHANGE = _time("ts_exchange", _O, "The venue's time of the event")
_BUCKET = Field("bucket", _S, _O, "The arm of an experiment", choices=_BUCKETS)

FILLS: Final = Feed(
    "fills",
    "one line per execution of the bot",
    (
        _ts("When the fill was received"),
        _TS_ISO,
        _SYMBOL,
        Field("side", _S, _R, "Our side", choices=_SIDES),
        Field("price", _F, _R, "Price of the fill", "quote", gt=0),
        Field("qty", _F, _R, "Quantity of the fill", "base", gt=0),
        Field("liquidity", _S, _R, "Whether we rested or crossed", choices=("maker", "taker")),
        Field("queue_pos_est", _F, _N, "Estimated quantity ahead of us when we quoted", "base", ge=0),
        Field("quote_price", _F, _N, "Price at which we quoted", "quote", gt=0),
        Field("mid_at_quote", _F, _N, "Mid when we quoted", "quote", gt=0),
        Field("mid_now", _F, _N, "Mid at the fill", "quote", gt=0),
        Field("spread_at_quote_bps", _F, _N, "Quoted spread of the market when we quoted", "bps"),
        Field("latency_ms", _F, _N, "From the decision to the acknowledgement of the quote", "ms", ge=0),
        Field("slip_bps", _F, _N, "Slippage computed by the bot; positive is bad for us", "bps"),
        Field("fee_bps", _F, _O, "Fee of this fill; positive is paid, negative a rebate", "bps"),
        Field(
            "trade_id", _S, _O, "The venue's id; a repeat with the same side, price, qty and order_id is a duplicate"
        ),
        Field("order_id", _S, _O, "The venue's order id"),
        Field("quote_id", _S, _O, "The bot's id of the quote that was filled"),
        _time("ts_quote", _O, "When the quote was sent"),
        _TS_EXCHANGE,
        Field("used_stale", _B, _O, "Whether the book used for the quote was no longer fresh"),
        Field("cache_age_ms", _F, _O, "Age of the book used for the quote", "ms", ge=0),
        Field("queue_ahead", _F, _O, "Quantity ahead of us when the quote was computed", "base", ge=0),
        _BUCKET,
    ),
)

PIPELINE_TICKS: Final = Feed(
    "pipeline_ticks",
    "one line per logged tick of the quoting pipeline",
    (
        _ts("The start of the tick, when its market data is read"),
        _TS_ISO,
        _SYMBOL,
        Field("stage_latencies", Type.STAGES, _N, "Duration of each stage of this tick", "ms"),
        Field("stage_p95_ms", Type.STAGES, _N, "Rolling 95th percentile of each stage", "ms"),
        Field("tick_total_ms", _F, _R, "Duration of the whole tick", "ms", ge=0),
        Field("cache_hit", _B, _R, "Whether the market data came from the cache"),
        Field("deadline_miss", _B, _R, "Whether the tick overran its deadline"),
        Field("cache_age_ms", _F, _N, "Age of the book that the cache returned", "ms", ge=0),
        Field("used_stale", _B, _N, "Whether that book was no longer fresh"),
        Field("sample_rate", _I, _O, "Number of ticks that this line represents", ge=1),
        Field("n_quotes", _I, _O, "Quotes sent by this tick", ge=0),
        Field("bid", _F, _O, "Best bid that the tick saw", "quote", gt=0),
        Field("ask", _F, _O, "Best ask that the tick saw", "quote", gt=0),
        Field("mid", _F, _O, "Mid that the tick saw", "quote", gt=0),
        Field("update_id", _I, _O, "Update id of the book that the cache returned"),
        Field("depth", _I, _O, "Depth requested from the cache"),
        Field("use_case", _S, _O, "Use case of the read: general, pricing, guards"),
        Field("source", _S, _O, "Source of the book: stream, rest"),
        Field(
            "status", _S, _O, "Result of the cache read: fresh, stale, coalesced, miss, withheld, unavailable, direct"
        ),
        Field("ws_gap_ms", _F, _O, "Time since the last stream message when the tick ran", "ms", ge=0),
        Field("fetch_md_cache_ms", _F, _O, "In shadow mode: the time the cache would have taken", "ms", ge=0),
        _BUCKET,
    ),
)

_LEVELS_NOTE = "as `[price, qty]`, best first; in a delta a quantity of 0 removes the level"

BOOK: Final = Feed(
    "book",
    "recorded order-book snapshots and deltas",
    (
        _ts("When the message was received"),
        _time("ts_exchange", _N, "The venue's time of the event"),
        _SYMBOL,
        Field("type", _S, _R, "A whole book, or changes to it", choices=("snapshot", "delta")),
        Field("first_update_id", _I, _N, "First update id that a delta covers"),
        Field("update_id", _I, _N, "Last update id that the message covers"),
        Field("prev_update_id", _I, _N, "Last update id of the previous message, if the venue sends it"),
        Field("bids", Type.LEVELS, _R, f"Bid levels {_LEVELS_NOTE}", "quote, base"),
        Field("asks", Type.LEVELS, _R, f"Ask levels {_LEVELS_NOTE}", "quote, base"),
        Field(
            "origin",
            _S,
            _O,
            "Origin of a snapshot: `requested`, a response that the deltas must bridge, or `pushed`, sent in the "
            "stream, which replaces the book; absent: pushed if the symbol has no deltas, otherwise requested",
            choices=("requested", "pushed"),
        ),
    ),
)

TRADES: Final = Feed(
    "trades",
    "recorded trades of the market",
    (
        _ts("When the trade was received"),
        _time("ts_exchange", _N, "The venue's time of the trade"),
        _SYMBOL,
        Field("price", _F, _R, "Price of the trade", "quote", gt=0),
        Field("qty", _F, _R, "Quantity of the trade", "base", gt=0),
        Field("side", _S, _R, "Side of the aggressor", choices=_SIDES),
        Field("trade_id", _S, _N, "The venue's id of the trade"),
    ),
)

QUOTES: Final = Feed(
    "quotes",
    "one line per closed quote of the bot",
    (
        _ts("When the quote was closed"),
        Field("quote_id", _S, _R, "The bot's id of the quote"),
        _SYMBOL,
        Field("side", _S, _R, "Our side", choices=_SIDES),
        Field("price", _F, _R, "Price of the quote", "quote", gt=0),
        Field("qty", _F, _R, "Quantity of the quote", "base", gt=0),
        _time("ts_open", _R, "When the quote was opened"),
        _time("ts_close", _R, "When the quote was closed"),
        Field(
            "close_reason",
            _S,
            _R,
            "How the quote ended",
            choices=("filled", "cancelled", "replaced", "expired", "open"),
        ),
        Field("qty_filled", _F, _R, "Filled quantity of the quote", "base", ge=0),
        Field("queue_ahead_open", _F, _N, "Quantity ahead of us when it was opened", "base", ge=0),
        Field("mid_open", _F, _N, "Mid when it was opened", "quote", gt=0),
        Field("used_stale", _B, _O, "Whether the book used for the quote was no longer fresh"),
        Field("cache_age_ms", _F, _O, "Age of the book used for the quote", "ms", ge=0),
    ),
)

FEEDS: Final[dict[str, Feed]] = {feed.kind: feed for feed in (FILLS, PIPELINE_TICKS, BOOK, TRADES, QUOTES)}
"""Every kind of feed by its file prefix."""
