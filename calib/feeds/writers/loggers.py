"""One logger per feed, with which a bot writes its records."""

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
"""Default of the record if its fields are given as keywords."""


class Options(TypedDict, total=False):
    """Options of every logger; see `FeedLogger`."""

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
    """Counts of the records passed to one logger.

    After a flush ``accepted == written + lost``.

    Parameters
    ----------
    accepted
        Records accepted for writing.
    written
        Accepted records that are in a file as whole lines.
    lost
        Accepted records that could not be written.
    dropped
        Records not accepted because the queue was full, with ``when_full="drop"``.
    refused
        Records rejected with `BadRecord` because they violate the schema.
    sampled_out
        Ticks without a line of their own, counted by a line of the same symbol.
    """

    accepted: int
    written: int
    lost: int
    dropped: int
    refused: int
    sampled_out: int


class FeedLogger:
    """Writes the records of one feed, one line each, into a file per UTC day.

    A record for which `log` returned True is *accepted*: it is in the file after `flush`, after `close`, at the normal
    end of the process, and on SIGTERM with ``install_signal_handlers``. A killed process (SIGKILL, power failure) loses
    at most the records accepted since the last flush, and leaves at most one unfinished line, which the next logger of
    that file repairs (see `repairs`). Threads may share a logger; processes may share a directory.

    Parameters
    ----------
    directory
        The feed directory; created if it is missing.
    background
        True: a thread writes, and `log` only queues. False: `log` returns when the line is in the file.
    capacity
        Maximum number of lines that wait for the thread, at least 1.
    when_full
        ``block``: `log` waits for space, and nothing is dropped. ``drop``: the record is dropped and counted.
    flush_interval_s
        Longest time until an accepted line is passed to the operating system, s; 0.001 to 3600.
    fsync
        When the lines are synced to the disk: ``never``, ``interval`` (about once a second) or ``always`` (after each
        write). It matters only for power failures and crashes of the system.
    install_signal_handlers
        Flush on SIGTERM, then continue with the previous disposition; main thread only.
    clock
        Provides the `ts` of records without one; default: the system clock.
    on_error
        Receives a `SinkFailed` instead of the caller; called from the thread of the failure, must not raise.
    compact
        True: null values and `ts_iso`, which is derived from `ts`, are left out. Readers accept both forms; lines are
        about half as long.

    Raises
    ------
    ConfigError
        For a parameter out of its range.
    UnwritableOutput
        If the directory cannot be created.
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
        """Accept one record; return True if it will be written.

        Parameters
        ----------
        record
            Fields of the feed's table, or the same fields as keywords, whose names and types a type checker can check.
            A missing `ts` is set from the clock; `ts_iso` is always derived. Numbers are ints and floats, also those
            of numpy; text and `decimal.Decimal` are rejected here, although `OrderBook` accepts them as prices.

        Raises
        ------
        BadRecord
            If the record violates the schema; the message contains the field. It is counted and not written.
        SinkFailed
            Once, if a write failed. In the background, earlier records failed, and this one was not accepted; with
            ``background=False`` this one is the first that is counted as lost.
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
            Once, if a write failed.
        """
        self._channel.flush()

    def flush_within(self, wait_s: float) -> None:
        """Flush in a signal handler; raises `SinkFailed` after ``wait_s`` seconds."""
        self._channel.flush(wait_s)

    def close(self) -> None:
        """Flush and accept no more records; a second call does nothing.

        Raises
        ------
        SinkFailed
            Once, if a write failed; the logger is closed in any case.
        """
        self.close_within(FOR_EVER)

    def close_within(self, wait_s: float) -> None:
        """Close in a signal handler; raises `SinkFailed` after ``wait_s`` seconds."""
        try:
            self._channel.close(wait_s)  # also waits if another thread is closing
        finally:
            lifetime.unregister(self)

    @property
    def closed(self) -> bool:
        return self._channel.closed

    @property
    def stats(self) -> Stats:
        """Return the counts so far."""
        counts = self._channel.counts
        return Stats(counts.accepted, counts.written, counts.lost, counts.dropped, self._refused, self._sampled_out())

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """Return the repaired unfinished last lines, and the files moved while open; each was also logged."""
        return tuple(self._files.repairs)

    def after_fork(self) -> None:
        """In a forked child: start without records; the parent writes those accepted before the fork."""
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
    """Writes ``quotes_YYYYMMDD.jsonl``: one line per closed quote of the bot. Parameters as in `FeedLogger`."""

    feed = QUOTES

    if TYPE_CHECKING:

        @overload  # type: ignore[override]  # the base takes the fields of every feed
        def log(self, record: Mapping[str, Any], /) -> bool: ...
        @overload
        def log(self, **fields: Unpack[QuoteFields]) -> bool: ...
        def log(self, record: Any = None, /, **fields: Any) -> bool: ...  # type: ignore[misc]  # mypy and Unpack


class PipelineTickLogger(FeedLogger):
    """Writes ``pipeline_ticks_YYYYMMDD.jsonl``: one tick in ``sample_rate`` of each symbol, the first included.

    A line contains its ``sample_rate``. Its ``n_quotes`` times the rate is the number of quotes of all ticks of the
    symbol since the previous line, including the unsampled ones (see `sampling.Sampler`). Therefore the sum of the
    quotes is exact, not an estimate.

    Parameters
    ----------
    directory, options
        As in `FeedLogger`.
    sample_rate
        Number of ticks per line, 1 to 1,000,000; 1 writes all ticks.
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
            """Accept one tick; return True if it is written as a line, False if it is only counted.

            Raises like `FeedLogger.log`; a rejected record is not counted as a tick.
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
