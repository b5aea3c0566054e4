"""What to simulate: the one record that decides every byte of the feeds."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from calib.errors import BadRange, UsageError
from calib.feeds.schema.table import EARLIEST_TS, LATEST_TS, MAX_SYMBOL
from calib.simulation.closed_loop.settings import BoxSettings
from calib.simulation.incidents import HOUR_S

FORMS: Final = ("gz", "zst")
MAX_SYMBOLS: Final = 1_000
MAX_SAMPLE_RATE: Final = 1_000_000
ALL_DAYS: Final = "all"
MAX_DAYS: Final = 366
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """A simulation: equal plans make equal feeds, byte for byte (compressed files: once decompressed).

    Parameters
    ----------
    symbols
        Names; the twelve of `calib.simulation.instruments` have parameters of their own, any other gets some.
    start_s, end_s
        Unix seconds, ``[start, end)``. Each hour is simulated from its beginning, up to its own end or the range's.
    seed
        Any whole number.
    sample_rate
        One tick in so many is logged, >= 1.
    incidents
        Whether outages, silences and bad deploys happen.
    hostile
        Whether a few hostile lines are added.
    quotes
        Whether the quotes feed is written too (it is large).
    quotes_recorded
        Whether it is written of the recorded symbols, as long as they are recorded.
    days_repeated
        The same times of day are simulated on so many days in a row, 1 to 366.
    compress
        Form (``gz`` or ``zst``) by day ``YYYYMMDD``, or ``all``.
    box
        How the bot is set up: its cache, what fills it, what goes wrong, what is recorded.

    Raises
    ------
    UsageError
        Where a value makes no sense; nothing was written.
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
    box: BoxSettings = field(default_factory=BoxSettings)

    def __post_init__(self) -> None:
        if not EARLIEST_TS <= self.start_s < self.end_s <= LATEST_TS:
            raise BadRange(
                f"cannot simulate from {_iso(self.start_s)} to {_iso(self.end_s)}",
                hint="The end must lie after the start, both between the years 2000 and 2100",
            )
        if not self.symbols or len(self.symbols) > MAX_SYMBOLS:
            raise UsageError(f"{len(self.symbols)} symbols", hint=f"Give 1 to {MAX_SYMBOLS}")
        for symbol in self.symbols:
            if not 1 <= len(symbol) <= MAX_SYMBOL or any(unicodedata.category(char) in ("Cc", "Cs") for char in symbol):
                raise UsageError(
                    f"{symbol!r} is no symbol", hint=f"1 to {MAX_SYMBOL} characters, no control characters"
                )
        if len(set(self.symbols)) != len(self.symbols):
            raise UsageError("a symbol is given twice", hint="Name each once")
        for symbol in self.box.record:
            if symbol not in self.symbols:
                raise UsageError(f"{symbol!r} is to be recorded and is not simulated", hint="Record simulated symbols")
        if not 1 <= self.sample_rate <= MAX_SAMPLE_RATE:
            raise UsageError(
                f"a sample rate of {self.sample_rate}",
                hint=f"One tick in so many is logged: 1 to {MAX_SAMPLE_RATE}",
            )
        self._check_days()
        for day, form in self.compress.items():
            if form not in FORMS:
                raise UsageError(f"{form!r} is no form of compression", where=day, hint="gz or zst")
            if day != ALL_DAYS and day not in self.days():
                raise UsageError(f"{day} is not simulated", hint=f"The days are {', '.join(self.days())}")

    def _check_days(self) -> None:
        if not 1 <= self.days_repeated <= MAX_DAYS:
            raise UsageError(f"{self.days_repeated} days", hint=f"Give 1 to {MAX_DAYS}")
        if self.days_repeated > 1 and self.end_s - self.start_s > DAY_S:
            raise BadRange("a range of more than a day cannot be repeated", hint="Give at most 24 hours with --days")
        if self.quotes_recorded and not self.box.record:
            raise UsageError("quotes of recorded symbols, and none is recorded", hint="Add --record")

    def hours(self) -> list[int]:
        """Unix seconds of every hour that the range touches."""
        first = int(self.start_s // HOUR_S) * HOUR_S
        one_day = range(first, -int(-self.end_s // HOUR_S) * HOUR_S, HOUR_S)
        return [hour + day * DAY_S for day in range(self.days_repeated) for hour in one_day]

    def first_hours(self) -> list[int]:
        """The first hour of each day's range: in these the book is recorded."""
        return [self.hours()[0] + day * DAY_S for day in range(self.days_repeated)]

    def bounds(self, hour: int) -> tuple[float, float]:
        """The range that an hour belongs to, ``[start, end)``: that of its day."""
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
        """How that day is compressed, or None."""
        return self.compress.get(day, self.compress.get(ALL_DAYS))

    def described(self) -> dict[str, Any]:
        """The plan as it stands in the record that lies beside the feeds."""
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
