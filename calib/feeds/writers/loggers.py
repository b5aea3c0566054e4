"""One logger per feed: what a bot calls to write its records."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypedDict, Unpack, get_args, overload

from calib.clock import Clock, SystemClock
from calib.errors import BadRecord, ConfigError
from calib.feeds.schema.table import BOOK, FILLS, PIPELINE_TICKS, QUOTES, TRADES, Feed
from calib.feeds.writers import lifetime
from calib.feeds.writers.channel import FOR_EVER, BackgroundChannel, Channel, OnError, WhenFull
from calib.feeds.writers.encoding import Encoder
from calib.feeds.writers.fields import BookFields, FillFields, QuoteFields, TickFields, TradeFields
from calib.feeds.writers.rotation import DayFiles, FsyncPolicy
from calib.feeds.writers.sampling import Sampler
from calib.feeds.writers.tail import Repair
from calib.files import make_directory

DEFAULT_CAPACITY: Final = 65_536
DEFAULT_FLUSH_INTERVAL_S: Final = 0.5
_KEYWORDS: Final[Any] = object()
"""In place of a record: its fields were given as keywords."""


class Options(TypedDict, total=False):
    """What every logger can be told; see `FeedLogger`."""

    background: bool
    capacity: int
    when_full: WhenFull
    flush_interval_s: float
    fsync: FsyncPolicy
    install_signal_handlers: bool
    clock: Clock | None
    on_error: OnError | None
    compact: bool


@dataclass(frozen=True, slots=True)
class Stats:
    """What became of the records given to one logger.

    After a flush ``accepted == written + lost``.

    Parameters
    ----------
    accepted
        Records that were taken to be written.
    written
        Of these, records that stand in a file as whole lines.
    lost
        Of these, records that the disk refused.
    dropped
        Records not taken because the queue was full, under ``when_full="drop"``.
    refused
        Records that the schema refused with `BadRecord`.
    sampled_out
        Ticks that a line of the same symbol stands for.
    """

    accepted: int
    written: int
    lost: int
    dropped: int
    refused: int
    sampled_out: int


class FeedLogger:
    """Writes the records of one feed, one line each, into a file per UTC day.

    A record that `log` returned True for is *accepted*: it is in the file after `flush`, after `close`, at the normal
    end of the process, and on SIGTERM with ``install_signal_handlers``. A killed process (SIGKILL, power) loses at
    most what was accepted since the last flush, and leaves at most one unfinished line, which the next logger of that
    file mends (see `repairs`). Threads may share a logger; processes may share a directory.

    Parameters
    ----------
    directory
        The feed directory; made where it is missing.
    background
        True: a thread writes, `log` only queues. False: `log` returns when the line is in the file.
    capacity
        Lines that may wait for the thread, at least 1.
    when_full
        ``block``: `log` waits for room, nothing is ever dropped. ``drop``: the record is dropped and counted.
    flush_interval_s
        Longest time in which an accepted line is handed to the operating system, s; 0.001 to 3600.
    fsync
        When the disk itself is told to hold the lines: ``never``, ``interval`` (about once a second) or ``always``
        (after each write). Only power cuts and crashes of the system make a difference.
    install_signal_handlers
        Flush on SIGTERM, then do what would have happened without it; main thread only.
    clock
        Stamps records without a `ts`; default the system's.
    on_error
        Takes a `SinkFailed` where it would be raised; called from whatever thread met it, must not raise.
    compact
        True: what is null, and `ts_iso`, which follows from `ts`, is left out. Readers take both forms; lines are
        about half as long.

    Raises
    ------
    ConfigError
        For a parameter out of its range.
    UnwritableOutput
        Where the directory cannot be made.
    """

    feed: ClassVar[Feed]

    def __init__(
        self,
        directory: str | Path,
        *,
        background: bool = True,
        capacity: int = DEFAULT_CAPACITY,
        when_full: WhenFull = "block",
        flush_interval_s: float = DEFAULT_FLUSH_INTERVAL_S,
        fsync: FsyncPolicy = "interval",
        install_signal_handlers: bool = False,
        clock: Clock | None = None,
        on_error: OnError | None = None,
        compact: bool = False,
    ) -> None:
        _within("capacity", capacity, 1, 100_000_000)
        _within("flush_interval_s", flush_interval_s, 0.001, 3600)
        _one_of("when_full", when_full, get_args(WhenFull))
        _one_of("fsync", fsync, get_args(FsyncPolicy))
        self.directory = Path(directory)
        make_directory(self.directory)
        self._refused = 0
        self._counting = threading.RLock()
        self._encode = Encoder(self.feed, clock or SystemClock(), compact=compact).encode
        self._files = DayFiles(self.directory, self.feed.kind, fsync)
        self._channel: Channel = (
            BackgroundChannel(self._files, on_error, capacity, when_full, flush_interval_s)
            if background
            else Channel(self._files, on_error)
        )
        self._put = self._channel.put
        if install_signal_handlers:
            lifetime.install_sigterm()
        lifetime.register(self)

    def log(self, record: Mapping[str, Any] = _KEYWORDS, /, **fields: Any) -> bool:
        """Accept one record; True where it will be written.

        Parameters
        ----------
        record
            Fields as the feed's table lists them, or the same as keywords, whose names and types a type checker
            checks. Without `ts` the clock stamps it; `ts_iso` is always derived. Numbers are ints and floats (numpy's
            too); text and `decimal.Decimal` are refused here, whereas `OrderBook` takes them as prices.

        Raises
        ------
        BadRecord
            Where the schema refuses the record; the message names the field. It is counted and not written.
        SinkFailed
            Once, where the disk refused. In the background it refused earlier records, and this one was not taken;
            with ``background=False`` this one is the first that is counted as lost.
        SinkClosed
            After `close`.
        """
        given = fields if record is _KEYWORDS else _only(record, fields)
        try:
            line = self._encode(given)
        except BadRecord:
            self._count_refusal()
            raise
        return self._put(line)

    def flush(self) -> None:
        """Return when every record accepted before is in its file, synced unless ``fsync="never"``.

        Raises
        ------
        SinkFailed
            Once, where the disk refused.
        """
        self._channel.flush()

    def flush_within(self, wait_s: float) -> None:
        """`flush` for the handler of a signal: raises `SinkFailed` after ``wait_s`` seconds."""
        self._channel.flush(wait_s)

    def close(self) -> None:
        """Flush and accept no more; a second call does nothing.

        Raises
        ------
        SinkFailed
            Once, where the disk refused; the logger is closed all the same.
        """
        self.close_within(FOR_EVER)

    def close_within(self, wait_s: float) -> None:
        """`close` for the handler of a signal: raises `SinkFailed` after ``wait_s`` seconds."""
        try:
            self._channel.close(wait_s)  # also where another thread is closing: what it writes is waited for
        finally:
            lifetime.unregister(self)

    @property
    def closed(self) -> bool:
        return self._channel.closed

    @property
    def stats(self) -> Stats:
        """The counts so far."""
        counts = self._channel.counts
        return Stats(counts.accepted, counts.written, counts.lost, counts.dropped, self._refused, self._sampled_out())

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """Unfinished last lines that this logger repaired, and files moved under it; each was warned of too."""
        return tuple(self._files.repairs)

    def after_fork(self) -> None:
        """In a forked child: the parent writes what was accepted before; this copy begins with nothing."""
        self._counting = threading.RLock()
        self._refused = 0
        self._channel.after_fork()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _sampled_out(self) -> int:
        return 0

    def _count_refusal(self) -> None:
        with self._counting:
            self._refused += 1


class FillLogger(FeedLogger):
    """Writes ``fills_YYYYMMDD.jsonl``: one line per execution. Parameters as in `FeedLogger`.

    >>> import tempfile, pathlib
    >>> where = tempfile.TemporaryDirectory()
    >>> with FillLogger(where.name) as fills:
    ...     fills.log({"ts": 1735689600.25, "symbol": "BTCUSDT", "side": "buy", "price": 94000.5, "qty": 0.01,
    ...                "liquidity": "maker", "mid_now": 94001.0})
    True
    >>> print((pathlib.Path(where.name) / "fills_20250101.jsonl").read_text()[:70])
    {"ts":1735689600.25,"ts_iso":"2025-01-01T00:00:00.250000Z","symbol":"B
    >>> where.cleanup()
    """

    feed = FILLS

    if TYPE_CHECKING:

        @overload  # type: ignore[override]  # the base takes the fields of every feed
        def log(self, record: Mapping[str, Any], /) -> bool: ...
        @overload
        def log(self, **fields: Unpack[FillFields]) -> bool: ...
        def log(self, record: Any = None, /, **fields: Any) -> bool: ...  # type: ignore[misc]  # mypy and Unpack


class BookLogger(FeedLogger):
    """Writes ``book_YYYYMMDD.jsonl``: recorded snapshots and deltas. Parameters as in `FeedLogger`."""

    feed = BOOK

    if TYPE_CHECKING:

        @overload  # type: ignore[override]  # the base takes the fields of every feed
        def log(self, record: Mapping[str, Any], /) -> bool: ...
        @overload
        def log(self, **fields: Unpack[BookFields]) -> bool: ...
        def log(self, record: Any = None, /, **fields: Any) -> bool: ...  # type: ignore[misc]  # mypy and Unpack


class TradeLogger(FeedLogger):
    """Writes ``trades_YYYYMMDD.jsonl``: recorded trades of the market. Parameters as in `FeedLogger`."""

    feed = TRADES

    if TYPE_CHECKING:

        @overload  # type: ignore[override]  # the base takes the fields of every feed
        def log(self, record: Mapping[str, Any], /) -> bool: ...
        @overload
        def log(self, **fields: Unpack[TradeFields]) -> bool: ...
        def log(self, record: Any = None, /, **fields: Any) -> bool: ...  # type: ignore[misc]  # mypy and Unpack


class QuoteLogger(FeedLogger):
    """Writes ``quotes_YYYYMMDD.jsonl``: one line per closed quote of ours. Parameters as in `FeedLogger`."""

    feed = QUOTES

    if TYPE_CHECKING:

        @overload  # type: ignore[override]  # the base takes the fields of every feed
        def log(self, record: Mapping[str, Any], /) -> bool: ...
        @overload
        def log(self, **fields: Unpack[QuoteFields]) -> bool: ...
        def log(self, record: Any = None, /, **fields: Any) -> bool: ...  # type: ignore[misc]  # mypy and Unpack


class PipelineTickLogger(FeedLogger):
    """Writes ``pipeline_ticks_YYYYMMDD.jsonl``: one tick in ``sample_rate`` of each symbol, the first included.

    A line carries its ``sample_rate``. Its ``n_quotes``, times the rate, are the quotes of all the symbol's ticks
    since the line before, the unsampled ones included (see `sampling.Sampler`): the quotes that a reader sums up are
    the true ones, not an estimate.

    Parameters
    ----------
    directory, options
        As in `FeedLogger`.
    sample_rate
        One line stands for so many ticks; 1 writes them all; 1 to 1,000,000.
    """

    feed = PIPELINE_TICKS

    def __init__(self, directory: str | Path, *, sample_rate: int = 10, **options: Unpack[Options]) -> None:
        _within("sample_rate", sample_rate, 1, 1_000_000)
        super().__init__(directory, **options)
        self.sample_rate = sample_rate
        self._sampler = Sampler(sample_rate)

    if TYPE_CHECKING:

        @overload  # type: ignore[override]  # the base takes the fields of every feed
        def log(self, record: Mapping[str, Any], /) -> bool: ...
        @overload
        def log(self, **fields: Unpack[TickFields]) -> bool: ...
        def log(self, record: Any = None, /, **fields: Any) -> bool: ...  # type: ignore[misc]  # mypy and Unpack

    else:

        def log(self, record=_KEYWORDS, /, **fields):
            """Accept one tick; True where a line of its own will be written, False where another stands for it.

            Raises as `FeedLogger.log`; a record that is refused is not counted as a tick.
            """
            return self._sampler.offer(fields if record is _KEYWORDS else _only(record, fields), self._log_sampled)

    def after_fork(self) -> None:
        super().after_fork()
        self._sampler = Sampler(self.sample_rate)

    def _log_sampled(self, record: Mapping[str, Any]) -> bool:
        return super().log(record)

    def _sampled_out(self) -> int:
        return self._sampler.sampled_out


def _only(record: Mapping[str, Any], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    if fields:
        raise TypeError("give a record or its fields as keywords, not both")
    return record


def _within(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"{name}: {value!r} is not allowed", where="logger", hint=f"Allowed: {low:g} to {high:g}")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name}: {value!r} is not allowed", where="logger", hint=f"Allowed: {', '.join(allowed)}")
