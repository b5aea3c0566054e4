"""All loggers of a bot, with one switch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self, TypeVar, Unpack

from calib.errors import SinkClosed, SinkFailed
from calib.feeds.writers.fields import BookFields, FillFields, QuoteFields, TickFields, TradeFields
from calib.feeds.writers.loggers import (
    BookLogger,
    FeedLogger,
    FillLogger,
    Options,
    PipelineTickLogger,
    QuoteLogger,
    Stats,
    TradeLogger,
)

DEFAULT_DIRECTORY: Final = "artifacts/edge/feeds"
_L = TypeVar("_L", bound=FeedLogger)


class CalibrationLoggerManager:
    """The five loggers of one feed directory, each created on first use.

    Parameters
    ----------
    enabled
        False: nothing is created or written; every call costs one attribute test and returns False.
    directory
        The feed directory.
    sample_rate
        Sample rate of the ticks, see `PipelineTickLogger`.
    options
        Options of every logger, see `FeedLogger`.

    >>> CalibrationLoggerManager(enabled=False).log_fill(symbol="BTCUSDT")
    False
    """

    def __init__(
        self,
        enabled: bool = True,
        directory: str | Path = DEFAULT_DIRECTORY,
        *,
        sample_rate: int = 10,
        **options: Unpack[Options],
    ) -> None:
        self.enabled = enabled
        self.directory = Path(directory)
        self._sample_rate = sample_rate
        self._options = options
        self._loggers: dict[str, FeedLogger] = {}
        self._making = threading.RLock()
        self._closed = False

    @property
    def fills(self) -> FillLogger:
        return self._logger(FillLogger, FillLogger)

    @property
    def ticks(self) -> PipelineTickLogger:
        return self._logger(PipelineTickLogger, self._make_ticks)

    @property
    def book(self) -> BookLogger:
        return self._logger(BookLogger, BookLogger)

    @property
    def trades(self) -> TradeLogger:
        return self._logger(TradeLogger, TradeLogger)

    @property
    def quotes(self) -> QuoteLogger:
        return self._logger(QuoteLogger, QuoteLogger)

    def log_fill(self, **fields: Unpack[FillFields]) -> bool:
        """Log one execution; returns and raises as `FeedLogger.log`."""
        return self.enabled and self.fills.log(fields)

    def log_tick(self, **fields: Unpack[TickFields]) -> bool:
        """Log one tick of the quoting pipeline; returns and raises as `PipelineTickLogger.log`."""
        return self.enabled and self.ticks.log(fields)

    def log_book(self, **fields: Unpack[BookFields]) -> bool:
        """Log one snapshot or delta; returns and raises as `FeedLogger.log`."""
        return self.enabled and self.book.log(fields)

    def log_trade(self, **fields: Unpack[TradeFields]) -> bool:
        """Log one trade of the market; returns and raises as `FeedLogger.log`."""
        return self.enabled and self.trades.log(fields)

    def log_quote(self, **fields: Unpack[QuoteFields]) -> bool:
        """Log one closed quote; returns and raises as `FeedLogger.log`."""
        return self.enabled and self.quotes.log(fields)

    @property
    def stats(self) -> dict[str, Stats]:
        """Return the counts by kind of feed, for the loggers that were used."""
        return {kind: self._loggers[kind].stats for kind in sorted(self._loggers)}

    def flush(self) -> None:
        """Flush every logger; the first failure is raised after all were tried."""
        self._each(lambda logger: logger.flush())

    def close(self) -> None:
        """Close every logger; the first failure is raised after all were closed."""
        with self._making:
            self._closed = True
        self._each(lambda logger: logger.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _logger(self, kind: type[_L], make: Callable[..., _L]) -> _L:
        found = self._loggers.get(kind.feed.kind)
        if found is None:
            with self._making:
                found = self._loggers.get(kind.feed.kind)
                if found is None:
                    if self._closed:
                        raise SinkClosed("these loggers are closed", hint="Log before close(), or create a new manager")
                    found = self._loggers[kind.feed.kind] = make(self.directory, **self._options)
        return found  # type: ignore[return-value]  # the map contains each kind under its name

    def _make_ticks(self, directory: Path, **options: Unpack[Options]) -> PipelineTickLogger:
        return PipelineTickLogger(directory, sample_rate=self._sample_rate, **options)

    def _each(self, step: Callable[[FeedLogger], None]) -> None:
        first: SinkFailed | None = None
        for kind in sorted(self._loggers):
            try:
                step(self._loggers[kind])
            except SinkFailed as error:
                first = first or error
        if first is not None:
            raise first
