"""What to simulate: the plan determines every byte of the feeds."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from calib.errors import BadRange, UsageError
from calib.feeds.schema.table import EARLIEST_TS, LATEST_TS, MAX_SYMBOL
from calib.simulation.closed_loop.settings import ClosedLoopSettings
from calib.simulation.incidents import HOUR_S

FORMS: Final = ("gz", "zst")
MAX_SYMBOLS: Final = 1_000
MAX_SAMPLE_RATE: Final = 1_000_000
ALL_DAYS: Final = "all"
MAX_DAYS: Final = 366
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """A simulation; equal plans create equal feeds, byte for byte (compressed files after decompression).

    Parameters
    ----------
    symbols
        Names; the twelve of `calib.simulation.instruments` have fixed parameters, others derive them from the name.
    start_s, end_s
        Unix seconds, ``[start, end)``. Each hour is simulated from its start, to its end or that of the range.
    seed
        Any integer.
    sample_rate
        One of this many ticks is logged, >= 1.
    incidents
        Whether outages, silences and bad deploys occur.
    hostile
        Whether a few malformed lines are added.
    quotes
        Whether the quotes feed is written (it is large).
    quotes_recorded
        Whether the quotes feed is written for recorded symbols, while they are recorded.
    days_repeated
        Number of consecutive days on which the same times of day are simulated, 1 to 366.
    compress
        Compression (``gz`` or ``zst``) by day ``YYYYMMDD``, or ``all``.
    box
        The settings of the bot: its cache, how it is filled, faults, recorded symbols.

    Raises
    ------
    UsageError
        If a value is not valid; nothing was written.
    """

    symbols: tuple[str, ...]
    start_s: float
    end_s: float
    seed: int = 1
    sample_rate: int = 10
    incidents: bool = True
    hostile: bool = False
    quotes: bool = False
    quotes_recorded: bool = False
    days_repeated: int = 1
    compress: Mapping[str, str] = field(default_factory=dict)
    box: ClosedLoopSettings = field(default_factory=ClosedLoopSettings)

    def __post_init__(self) -> None:
        if not EARLIEST_TS <= self.start_s < self.end_s <= LATEST_TS:
            raise BadRange(
                f"cannot simulate from {_iso(self.start_s)} to {_iso(self.end_s)}",
                hint="The end must be after the start, both between the years 2000 and 2100",
            )
        if not self.symbols or len(self.symbols) > MAX_SYMBOLS:
            raise UsageError(f"{len(self.symbols)} symbols were given", hint=f"Allowed: 1 to {MAX_SYMBOLS}")
        for symbol in self.symbols:
            if not 1 <= len(symbol) <= MAX_SYMBOL or any(unicodedata.category(char) in ("Cc", "Cs") for char in symbol):
                raise UsageError(
                    f"{symbol!r} is not a valid symbol",
                    hint=f"Allowed: 1 to {MAX_SYMBOL} characters, no control characters",
                )
        if len(set(self.symbols)) != len(self.symbols):
            raise UsageError("a symbol is given twice", hint="Give each symbol once")
        for symbol in self.box.record:
            if symbol not in self.symbols:
                raise UsageError(f"cannot record {symbol!r}: it is not simulated", hint="Record simulated symbols")
        if not 1 <= self.sample_rate <= MAX_SAMPLE_RATE:
            raise UsageError(
                f"sample_rate: {self.sample_rate} is out of range",
                hint=f"Allowed: 1 to {MAX_SAMPLE_RATE}; one of this many ticks is logged",
            )
        self._check_days()
        for day, form in self.compress.items():
            if form not in FORMS:
                raise UsageError(f"{form!r} is not a valid compression", where=day, hint="Allowed: gz or zst")
            if day != ALL_DAYS and day not in self.days():
                raise UsageError(f"{day} is not simulated", hint=f"Simulated days: {', '.join(self.days())}")

    def _check_days(self) -> None:
        if not 1 <= self.days_repeated <= MAX_DAYS:
            raise UsageError(f"days: {self.days_repeated} is out of range", hint=f"Allowed: 1 to {MAX_DAYS}")
        if self.days_repeated > 1 and self.end_s - self.start_s > DAY_S:
            raise BadRange("a range of more than a day cannot be repeated", hint="Give at most 24 hours with --days")
        if self.quotes_recorded and not self.box.record:
            raise UsageError("cannot write quotes of recorded symbols: no symbol is recorded", hint="Add --record")

    def hours(self) -> list[int]:
        """Unix seconds of the start of every hour in the range."""
        first = int(self.start_s // HOUR_S) * HOUR_S
        one_day = range(first, -int(-self.end_s // HOUR_S) * HOUR_S, HOUR_S)
        return [hour + day * DAY_S for day in range(self.days_repeated) for hour in one_day]

    def first_hours(self) -> list[int]:
        """The first hour of each day's range, in which the book is recorded."""
        return [self.hours()[0] + day * DAY_S for day in range(self.days_repeated)]

    def bounds(self, hour: int) -> tuple[float, float]:
        """The range of the day that an hour belongs to, ``[start, end)``."""
        shift = (hour - self.hours()[0]) // DAY_S * DAY_S if self.days_repeated > 1 else 0
        return self.start_s + shift, self.end_s + shift

    def days(self) -> list[str]:
        """The UTC days of the range, ``YYYYMMDD``.

        >>> SimulationPlan(("A",), 1_735_765_200, 1_735_786_800).days()
        ['20250101', '20250102']
        """
        return list(dict.fromkeys(day_of(hour) for hour in self.hours()))

    def kinds(self) -> Iterator[str]:
        """The feeds that are written."""
        yield from ("fills", "pipeline_ticks")
        if self.quotes or self.quotes_recorded:
            yield "quotes"
        if self.box.record:
            yield from ("book", "trades")

    def form(self, day: str) -> str | None:
        """The compression of that day, or None."""
        return self.compress.get(day, self.compress.get(ALL_DAYS))

    def described(self) -> dict[str, Any]:
        """The plan as plain values, for the record beside the feeds."""
        return {
            "seed": self.seed,
            "from": _iso(self.start_s),
            "to": _iso(self.end_s),
            "symbols": list(self.symbols),
            "sample_rate": self.sample_rate,
            "incidents": self.incidents,
            "hostile": self.hostile,
            "quotes": self.quotes,
            **({"quotes_recorded": True} if self.quotes_recorded else {}),
            **({"days_repeated": self.days_repeated} if self.days_repeated > 1 else {}),
            "compress": dict(sorted(self.compress.items())),
            **self.box.described(),
        }


def day_of(second: float) -> str:
    """The UTC day of a time, ``YYYYMMDD``."""
    return datetime.fromtimestamp(int(second // 1), UTC).strftime("%Y%m%d")


def _iso(second: float) -> str:
    if not EARLIEST_TS <= second <= LATEST_TS:
        return f"{second:.16g} s"
    return datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z")
