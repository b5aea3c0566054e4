"""The true book: what the recording shows the venue's book to be, as far as it shows it."""

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
"""The name in `TrueBook.counts` of lines that the recording tells again."""


class TrueBook:
    """The recorded book of one symbol, kept by the same stream that a bot's cache builds its books with.

    After a gap of the recording the true book is not known until the next recorded snapshot: a book that carries on
    regardless shows prices that never were.

    Parameters
    ----------
    symbol
        The market.
    rule
        Its sequence rule, see `calib.market.stream.sequence`.
    deliver
        Hands each line's message on before this book takes it, see `apply`; None: there is no other book.
    primary
        The book that the cache keeps of what is delivered; None while it keeps none.
    with_deltas
        The symbols that have deltas in what is read, see `calib.recorded.sequence_detection.is_pushed`.

    Attributes
    ----------
    known_since_ns
        When it was known for the first time; None until then.
    readable, numbered
        For the driver: whether reads of it have begun, and whether its numbering was looked at.
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
        # Snapshots are only recorded ones: nobody is asked, so no attempt is jittered or delayed.
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
        """Take a recorded line; ``delivered``: the bot's socket gets its message too."""
        stream = self._stream
        message = self._messages.message(record, stream.epoch)
        if isinstance(message, Delta):
            if message.last_id <= self._newest and self._is_left_out(message):
                self._left_out += 1
                return
            self._newest = message.last_id
            self._repeats.taken(message, message.bids, message.asks)
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
            # A bot would give up here. The recording goes on, and a snapshot further on is as good as the first.
            stream.connect(now_ns)
        if self.known_since_ns is None and stream.live:
            self.known_since_ns = now_ns

    def _is_left_out(self, delta: Delta) -> bool:
        """Whether a delta that is not newer is the recorder's repeat and not the venue's: see `RepeatedDeltas`."""
        if self._repeats.is_repeat(delta, delta.bids, delta.asks):
            return True
        last_id = self._stream.last_id
        if last_id is None or RULES[self._rule](SequenceState(last_id, True), delta) not in BEHIND:
            return False
        return self._repeats.is_harmless(self._rule, delta)

    def _begin(self, pushed: Snapshot, now_ns: int) -> None:
        """A whole book in the stream; with a lower id than the book has, it begins another session of the venue."""
        if pushed.update_id < self._newest:
            self._repeats.forget()
            if self._stream.live:
                self._stream.connect(now_ns)  # no message is lost there: it is not counted as a break
        self._newest = pushed.update_id

    @property
    def book(self) -> OrderBook | None:
        """The true book now; None while it is not known. Read it at once: it changes."""
        return self._stream.book if self._stream.live else None

    def view(self, depth: int) -> BookView | None:
        """Its best levels; None while it is not known."""
        return self._stream.view(depth)

    @property
    def counts(self) -> dict[str, int]:
        """What happened in the recording, by `calib.market.Reason`, and lines left out as ``repeated``; sorted."""
        counts = {str(reason): count for reason, count in self._stream.counts.items()}
        if self._left_out:
            counts[REPEATED] = self._left_out
        return dict(sorted(counts.items()))

    def unknown_ns(self, now_ns: int) -> int:
        """Time without a known true book."""
        return self._stream.out_of_sync_ns(now_ns)
