"""A second, slow implementation of the dataset, for tests: the contract read line by line, with no code of calib.

It shares nothing with calib: the json module instead of the readers, dictionaries instead of frames, `fractions` and
`decimal` instead of floating-point sums, its own quantile. Where both agree on hostile feeds, a mistake would have to
be made twice, in two ways.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import itertools
import json
import math
import re
import unicodedata
from dataclasses import dataclass, field
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import zstandard

Line = dict[str, Any]
_WIDE = Context(prec=60)
_FILE = re.compile(r"(fills|pipeline_ticks)_(\d{8})\.jsonl(|\.gz|\.zst)")
_INTEGER = re.compile(r"-?\d+")

# name -> (type, required, test); a type is "n"umber, "i"nteger, "s"tring, "b"ool or "o"bject of stages
_POSITIVE, _NOT_NEGATIVE, _ANY = (lambda v: v > 0), (lambda v: v >= 0), (lambda v: True)


def _symbol(text: str) -> bool:
    return 1 <= len(text) <= 64 and all(unicodedata.category(char) != "Cc" for char in text)


def _one_of(*allowed: str) -> Any:
    return lambda value: value in allowed


_TS = ("n", True, lambda v: 946684800 <= v <= 4102444800)
RULES: dict[str, dict[str, tuple[str, bool, Any]]] = {
    "fills": {
        "ts": _TS,
        "ts_iso": ("s", False, _ANY),
        "symbol": ("s", True, _symbol),
        "side": ("s", True, _one_of("buy", "sell")),
        "price": ("n", True, _POSITIVE),
        "qty": ("n", True, _POSITIVE),
        "liquidity": ("s", True, _one_of("maker", "taker")),
        "queue_pos_est": ("n", False, _NOT_NEGATIVE),
        "quote_price": ("n", False, _POSITIVE),
        "mid_at_quote": ("n", False, _POSITIVE),
        "mid_now": ("n", False, _POSITIVE),
        "spread_at_quote_bps": ("n", False, _ANY),
        "latency_ms": ("n", False, _NOT_NEGATIVE),
        "slip_bps": ("n", False, _ANY),
        "fee_bps": ("n", False, _ANY),
        "trade_id": ("s", False, _ANY),
        "order_id": ("s", False, _ANY),
        "quote_id": ("s", False, _ANY),
        "ts_quote": ("n", False, _ANY),
        "ts_exchange": ("n", False, _ANY),
        "bucket": ("s", False, _one_of("A", "B")),
    },
    "pipeline_ticks": {
        "ts": _TS,
        "ts_iso": ("s", False, _ANY),
        "symbol": ("s", True, _symbol),
        "stage_latencies": ("o", False, _ANY),
        "stage_p95_ms": ("o", False, _ANY),
        "tick_total_ms": ("n", True, _NOT_NEGATIVE),
        "cache_hit": ("b", True, _ANY),
        "deadline_miss": ("b", True, _ANY),
        "cache_age_ms": ("n", False, _NOT_NEGATIVE),
        "used_stale": ("b", False, _ANY),
        "sample_rate": ("i", False, lambda v: v >= 1),
        "n_quotes": ("i", False, _NOT_NEGATIVE),
        "bid": ("n", False, _POSITIVE),
        "ask": ("n", False, _POSITIVE),
        "mid": ("n", False, _POSITIVE),
        "update_id": ("i", False, _ANY),
        "depth": ("i", False, _ANY),
        "use_case": ("s", False, _ANY),
        "source": ("s", False, _ANY),
        "status": ("s", False, _ANY),
        "ws_gap_ms": ("n", False, _NOT_NEGATIVE),
        "fetch_md_cache_ms": ("n", False, _NOT_NEGATIVE),
        "bucket": ("s", False, _one_of("A", "B")),
    },
}


class _Number:
    """A JSON number with its spelling: an integer has no fraction or exponent."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.value = float(text)
        if math.isinf(self.value):
            raise ValueError("overflow")

    @property
    def is_integer(self) -> bool:
        return _INTEGER.fullmatch(self.text) is not None and -(2**63) <= int(self.text) < 2**63


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _has_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, dict):
        return any(_has_surrogate(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_has_surrogate(part) for part in value)


def parse(raw: bytes) -> tuple[str | None, Any]:
    """(reason, None) or (None, the JSON value)."""
    try:
        if b"\0" in raw:
            raise ValueError
        value = json.loads(raw.decode("utf-8"), parse_int=_Number, parse_float=_Number, parse_constant=_refuse)
        if _has_surrogate(value):
            raise ValueError
    except (ValueError, RecursionError):
        return "bad_json", None
    return None, value


def _type_is_wrong(kind: str, value: Any) -> bool:
    match kind:
        case "n":
            return not isinstance(value, _Number)
        case "i":
            return not (isinstance(value, _Number) and value.is_integer)
        case "s":
            return not isinstance(value, str)
        case "b":
            return not isinstance(value, bool)
        case _:
            return not isinstance(value, dict) or any(
                part is not None and not isinstance(part, _Number) for part in value.values()
            )


def _plain(kind: str, value: Any) -> Any:
    match kind:
        case "n":
            return value.value
        case "i":
            return int(value.text)
        case "o":
            return {name: None if part is None else part.value for name, part in value.items()}
        case _:
            return value


def judge(kind: str, day: str, raw: bytes) -> tuple[str | None, Line]:
    """(reason, {}) of a bad line, or (None, its fields)."""
    reason, value = parse(raw)
    if reason:
        return reason, {}
    if not isinstance(value, dict):
        return "not_object", {}
    rules = RULES[kind]
    if any(required and value.get(name) is None for name, (_, required, _) in rules.items()):
        return "missing_field", {}
    given = {name: value[name] for name in rules if value.get(name) is not None}
    if any(_type_is_wrong(rules[name][0], part) for name, part in given.items()):
        return "bad_type", {}
    line = {name: _plain(rules[name][0], part) for name, part in given.items()}
    for name, part in line.items():
        if rules[name][0] == "o":
            if any(number is not None and number < 0 for number in part.values()):
                return "bad_value", {}
        elif not rules[name][2](part):
            return "bad_value", {}
    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(days=math.floor(Fraction(line["ts"]) / 86400))  # noqa: DTZ001
    if at.strftime("%Y%m%d") != day:
        return "wrong_day", {}
    return None, line


@dataclass
class Feed:
    """One file, judged."""

    file: str
    bytes: int
    sha256: str
    lines: int = 0
    used: list[Line] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)


def _open(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    return data


def read(path: Path, newest: bool) -> Feed:
    """Judge every line of a file."""
    kind, day, _ = _FILE.fullmatch(path.name).groups()  # type: ignore[union-attr]
    data = path.read_bytes()
    feed = Feed(path.name, len(data), hashlib.sha256(data).hexdigest())
    content = _open(path).removeprefix(b"\xef\xbb\xbf")
    pieces = content.split(b"\n")
    seen: list[list[Any]] = []
    for number, piece in enumerate(pieces):
        raw = piece.removesuffix(b"\r")
        if not raw.strip(b" \t\r"):
            continue
        feed.lines += 1
        reason, line = judge(kind, day, raw)
        is_tail = newest and number == len(pieces) - 1
        if is_tail and reason == "bad_json":
            reason = "partial_tail"
        if reason is None and kind == "fills" and line.get("trade_id") is not None:
            # Only an equal fill is a duplicate; a flip or an id that the venue uses again is another fill.
            fill = [line.get(name) for name in ("symbol", "trade_id", "side", "price", "qty", "order_id")]
            reason = "duplicate" if fill in seen else None
            seen.append(fill)
        if reason is None:
            feed.used.append({**line, "_order": (line["ts"], path.name, number)})
        else:
            feed.rejected[reason] = feed.rejected.get(reason, 0) + 1
    return feed


def quantile(values: list[float], q: Fraction) -> float | None:
    """The linear-interpolation quantile, exact until its last rounding."""
    if not values:
        return None
    ordered = sorted(Fraction(value) for value in values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


def total(values: list[float]) -> float:
    """The exact sum, rounded once; NaN or infinite as the values are."""
    if any(math.isnan(value) for value in values) or {math.inf, -math.inf} <= set(values):
        return math.nan
    infinite = [value for value in values if math.isinf(value)]
    if infinite:
        return infinite[0]
    exact = sum((Fraction(value) for value in values), Fraction(0))
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def over(top: float, bottom: float) -> float:
    """top / bottom as doubles divide."""
    if math.isnan(top) or math.isnan(bottom) or (top == 0 and bottom == 0):
        return math.nan
    if bottom == 0:
        return math.copysign(math.inf, top)
    return top / bottom


def mean(values: list[float]) -> float | None:
    return over(total(values), len(values)) if values else None


def share(flags: list[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def targets(fills: list[Line], quotes: int, maker_fee: float, taker_fee: float) -> dict[str, float | None]:
    """SPEC 2, targets."""
    notional = [fill["price"] * float(fill["qty"]) for fill in fills]
    gains, slips = [], []
    for fill, weight in zip(fills, notional, strict=True):
        sign = 1 if fill["side"] == "buy" else -1
        price, mid, quote = fill["price"], fill.get("mid_now"), fill.get("quote_price")
        if mid is not None:
            fee = fill.get("fee_bps", taker_fee if fill["liquidity"] == "taker" else maker_fee)
            gains.append((weight, over(sign * (mid - price), fill.get("mid_at_quote") or mid) * 1e4 - fee))
        if quote is not None:
            slips.append((weight, over(sign * (price - quote), quote) * 1e4))
        elif fill.get("slip_bps") is not None:
            slips.append((weight, fill["slip_bps"]))
    named = {fill["quote_id"] for fill in fills if fill.get("quote_id") is not None}
    filled = len(named) + sum(fill.get("quote_id") is None for fill in fills)
    taker = [weight for fill, weight in zip(fills, notional, strict=True) if fill["liquidity"] == "taker"]
    rate = math.nan if quotes >= 2**63 - 1 else filled / quotes if quotes else None
    return {
        "net_bps": over(total([w * x for w, x in gains]), total([w for w, _ in gains])) if gains else None,
        "net_bps_equal": mean([x for _, x in gains]),
        "slippage_bps": over(total([w * x for w, x in slips]), total([w for w, _ in slips])) if slips else None,
        "fill_rate": rate,
        "taker_share": share([fill["liquidity"] == "taker" for fill in fills]),
        "taker_share_notional": over(total(taker), total(notional)) if fills else None,
        "notional": total(notional) if fills else None,
        "pnl_mid": total([w * x for w, x in gains]) / 1e4 if gains else None,
        **dict.fromkeys(("markout_1s_bps", "markout_5s_bps", "markout_30s_bps")),  # no book feed in these days
    }


def features(ticks: list[Line], start: int, end: int) -> dict[str, float | None]:
    """SPEC 2, features."""
    totals = [tick["tick_total_ms"] for tick in ticks]
    fetched = [(tick.get("stage_latencies") or {}).get("fetch_md") for tick in ticks]
    stream = [tick["ws_gap_ms"] for tick in ticks if tick.get("ws_gap_ms") is not None]
    moments = [start, *(tick["ts"] for tick in ticks), end]
    silence = max(float(Fraction(b) - Fraction(a)) for a, b in itertools.pairwise(moments))
    gap = max(stream) / 1000 if stream else silence if ticks else None
    mids = [Decimal(tick["mid"]) for tick in ticks if tick.get("mid") is not None]
    returns = [_WIDE.subtract(_WIDE.ln(b), _WIDE.ln(a)) for a, b in itertools.pairwise(mids)]
    squares = sum((_WIDE.multiply(r, r) for r in returns), Decimal(0))
    return {
        "latency_p95_ms": quantile(totals, Fraction(95, 100)),
        "latency_p50_ms": quantile(totals, Fraction(1, 2)),
        "latency_p99_ms": quantile(totals, Fraction(99, 100)),
        "fetch_md_p95_ms": quantile([value for value in fetched if value is not None], Fraction(95, 100)),
        "cache_hit_ratio": share([tick["cache_hit"] for tick in ticks]),
        "cache_age_avg_ms": mean([float(t["cache_age_ms"]) for t in ticks if t.get("cache_age_ms") is not None]),
        "deadline_miss_rate": share([tick["deadline_miss"] for tick in ticks]),
        "stale_rate": share([tick["used_stale"] for tick in ticks if tick.get("used_stale") is not None]),
        "max_gap_s": gap,
        "vol_realized_bps": 1e4 * float(_WIDE.sqrt(squares)) if returns else None,
    }


@dataclass(frozen=True)
class Ask:
    """What is asked of the dataset; a filter that is None is off."""

    start: float
    end: float
    interval_sec: int = 300
    symbols: tuple[str, ...] = ()
    low_ticks: int | None = 10
    deadline_miss: float | None = 0.05
    ws_gap: float | None = 60.0
    non_finite: bool | None = True
    tick_sample_rate: int = 10
    maker_fee_bps: float = 0.0
    taker_fee_bps: float = 0.0


@dataclass
class Answer:
    """What the dataset must hold."""

    feeds: dict[str, Feed]
    kept: list[dict[str, Any]]
    dropped: list[dict[str, Any]]
    start: int
    end: int


def _reasons(ask: Ask, row: dict[str, Any]) -> list[str]:
    numbers = [row[name] for name in row if name not in ("symbol", "start_ts", "end_ts", "ticks", "fills", "quotes")]
    late, gap = row["deadline_miss_rate"], row["max_gap_s"]
    found = {
        "low_ticks": ask.low_ticks is not None and row["ticks"] < ask.low_ticks,
        "deadline_miss": ask.deadline_miss is not None and late is not None and late > ask.deadline_miss,
        "ws_gap": ask.ws_gap is not None and gap is not None and gap > ask.ws_gap,
        "non_finite": bool(ask.non_finite) and any(n is not None and not math.isfinite(n) for n in numbers),
    }
    return [reason for reason, hit in found.items() if hit]


def dataset(directory: Path, ask: Ask) -> Answer:
    """The whole dataset of a directory."""
    length = ask.interval_sec
    start = math.floor(Fraction(ask.start) / length) * length
    end = math.ceil(Fraction(ask.end) / length) * length
    days = {
        (datetime.date(1970, 1, 1) + datetime.timedelta(days=n)).strftime("%Y%m%d")
        for n in range(start // 86400, math.ceil(Fraction(end, 86400)))
    }
    paths = {match.groups()[:2]: path for path in directory.iterdir() if (match := _FILE.fullmatch(path.name))}
    feeds: dict[str, Feed] = {}
    lines: dict[str, dict[tuple[str, int], list[Line]]] = {"fills": {}, "pipeline_ticks": {}}
    for (kind, day), path in sorted(paths.items()):
        if day not in days:
            continue
        newest = day == max(other for name, other in paths if name == kind)
        feed = feeds[path.name] = read(path, newest)
        for line in feed.used:
            if start <= line["ts"] < end and (not ask.symbols or line["symbol"] in ask.symbols):
                key = line["symbol"], math.floor(Fraction(line["ts"]) / length)
                lines[kind].setdefault(key, []).append(line)
    kept, dropped = [], []
    for key in sorted(set(lines["fills"]) | set(lines["pipeline_ticks"])):
        fills, ticks = (sorted(lines[kind].get(key, []), key=lambda line: line["_order"]) for kind in lines)
        rate = ask.tick_sample_rate
        quotes = sum(tick.get("n_quotes", 1) * tick.get("sample_rate", rate) for tick in ticks)
        begin = key[1] * length
        row = {
            "symbol": key[0],
            "start_ts": begin,
            "end_ts": begin + length,
            "ticks": len(ticks),
            "fills": len(fills),
            "quotes": min(quotes, 2**63 - 1),
            **targets(fills, quotes, ask.maker_fee_bps, ask.taker_fee_bps),
            **features(ticks, begin, begin + length),
        }
        if reasons := _reasons(ask, row):
            dropped.append({"symbol": key[0], "start_ts": begin, "reasons": reasons})
        else:
            kept.append({name: _finite(value) for name, value in row.items()})
    return Answer(feeds, kept, dropped, start, end)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
