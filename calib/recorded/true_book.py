"""The true book: the venue's book as far as the recording shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from calib.market import BookStream, Connection, Delta, Failed, OrderBook, Snapshot, StreamSettings
from calib.market.book.mirror import MirrorBook
from calib.market.stream.sequence import RULES, SequenceState
from calib.recorded.repeated_deltas import BEHIND, RepeatedDeltas
from calib.recorded.sequence_detection import EVERY, Messages

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from calib.market import BookView

_NEVER_SILENT_NS = 1 << 62
REPEATED: Final = "repeated"
"""The name in `TrueBook.counts` of lines that the recording repeats."""


class TrueBook:
    """The recorded book of one symbol, built by the same stream class as the books of a cache.

    After a gap in the recording the true book is unknown until the next recorded snapshot: a book built across the gap
    would show prices that never existed.

    Parameters
    ----------
    symbol
        The market.
    rule
        Its sequence rule, see `calib.market.stream.sequence`.
    deliver
        Receives each line's message before this book applies it, see `apply`; None: there is no other book.
    primary
        Returns the cache's book of the delivered messages; None while there is none.
    with_deltas
        The symbols with deltas in the input, see `calib.recorded.sequence_detection.is_pushed`.

    Attributes
    ----------
    known_since_ns
        When it was first known; None until then.
    readable, numbered
        Used by the driver: whether reads of the book have started, and whether its id scheme was checked.
    """

    __slots__ = (
        "_book",
        "_deliver",
        "_left_out",
        "_messages",
        "_newest",
        "_repeats",
        "_rule",
        "_stream",
        "known_since_ns",
        "numbered",
        "readable",
    )

    def __init__(
        self,
        symbol: str,
        rule: str,
        *,
        deliver: Callable[[str, Snapshot | Delta], object] | None = None,
        primary: Callable[[], OrderBook | None] = lambda: None,
        with_deltas: Container[str] = EVERY,
    ) -> None:
        self._messages = Messages(with_deltas)
        self._rule = rule
        self._repeats = RepeatedDeltas()
        self._newest = -1
        self._left_out = 0
        self._deliver = deliver
        self._book = MirrorBook(symbol, primary)
        # Only recorded snapshots are used: nothing is requested, so no jitter or delay applies.
        settings = StreamSettings(sequence_rule=rule)
        self._stream = BookStream(
            symbol,
            Connection("recording", silence_ns=_NEVER_SILENT_NS),
            random=lambda: 0.0,
            settings=settings,
            book=self._book,
        )
        self._stream.connect(0)
        self.known_since_ns: int | None = None
        self.readable = False
        self.numbered = False

    def apply(self, record: Any, now_ns: int, *, delivered: bool = True) -> None:
        """Apply a recorded line; with ``delivered`` its message also goes to ``deliver``."""
        stream = self._stream
        message = self._messages.message(record, stream.epoch)
        if isinstance(message, Delta):
            if message.last_id <= self._newest and self._is_left_out(message):
                self._left_out += 1
                return
            self._newest = message.last_id
            self._repeats.remember(message, message.bids, message.asks)
        elif message.epoch is None:
            self._begin(message, now_ns)
        if delivered and self._deliver is not None:
            self._book.before_primary_update()
            self._deliver(record.symbol, message)
        if isinstance(message, Delta):
            outcome = stream.on_delta(message, now_ns)
        else:
            outcome = stream.on_snapshot(message, now_ns)
        if outcome.effects and any(isinstance(effect, Failed) for effect in outcome.effects):
            # The stream of a bot would slow down its attempts here. The recording continues, and a later snapshot is
            # as good as the first: start over.
            stream.connect(now_ns)
        if self.known_since_ns is None and stream.live:
            self.known_since_ns = now_ns

    def _is_left_out(self, delta: Delta) -> bool:
        """Whether a delta that is not newer was repeated by the recorder, not by the venue; see `RepeatedDeltas`."""
        if self._repeats.is_repeat(delta, delta.bids, delta.asks):
            return True
        last_id = self._stream.last_id
        if last_id is None or RULES[self._rule](SequenceState(last_id, True), delta) not in BEHIND:
            return False
        return self._repeats.is_harmless(self._rule, delta)

    def _begin(self, pushed: Snapshot, now_ns: int) -> None:
        """A whole book in the stream; if its id is lower than the book's, it starts another session of the venue."""
        if pushed.update_id < self._newest:
            self._repeats.forget()
            if self._stream.live:
                self._stream.connect(now_ns)  # no message was lost, so this is not counted as a break
        self._newest = pushed.update_id

    @property
    def book(self) -> OrderBook | None:
        """The true book now; None while it is unknown. It changes with the next line, so use it at once."""
        return self._stream.book if self._stream.live else None

    def view(self, depth: int) -> BookView | None:
        """The best levels of the book; None while it is unknown."""
        return self._stream.view(depth)

    @property
    def counts(self) -> dict[str, int]:
        """Event counts of the recording, by `calib.market.Reason`, and skipped lines as ``repeated``; sorted."""
        counts = {str(reason): count for reason, count in self._stream.counts.items()}
        if self._left_out:
            counts[REPEATED] = self._left_out
        return dict(sorted(counts.items()))

    def unknown_ns(self, now_ns: int) -> int:
        """Time during which the true book was unknown."""
        return self._stream.out_of_sync_ns(now_ns)
