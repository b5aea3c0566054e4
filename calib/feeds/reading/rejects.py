"""Rejects: the lines that could not be used, kept with the reason, and the limit past which a run ends."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Protocol

import orjson

from calib.errors import TooManyRejects, UnwritableOutput
from calib.feeds.reading.stats import FieldFault, FileStats
from calib.feeds.schema.validation import RejectReason
from calib.storage import Place, remove, write_whole
from calib.words import counted

TEXT_LIMIT: Final = 500
"""Characters of a line that its reject keeps."""
TOLERATED: Final = (RejectReason.DUPLICATE, RejectReason.PARTIAL_TAIL)
"""Reasons that do not count against a file."""
_WAITING: Final = 256
"""Rejects that are written together."""
_TOLD: Final = 3
"""Faults that one message names."""


class Reject(NamedTuple):
    """One line that was not used; a tuple, because a bad file has millions of them.

    Parameters
    ----------
    line
        Its number in the file, from 1.
    reason, field
        As `calib.feeds.schema.validation.Fault` says.
    text
        The line, at most 500 characters; bytes that are not UTF-8 are shown as U+FFFD.
    what
        One phrase for people, as `calib.feeds.schema.validation.Violation` says it; it is not written to the file.
    """

    line: int
    reason: RejectReason
    field: str
    text: str
    what: str = ""

    def at(self, line: int) -> Reject:
        """The same with another number of its line."""
        return Reject(line, self.reason, self.field, self.text, self.what)

    def encode(self) -> bytes:
        """As a line of the rejects file; ``field`` is null where no field is to blame."""
        entry = {"line": self.line, "reason": self.reason.value, "field": self.field or None, "text": self.text}
        return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)


def clipped(line: bytes) -> str:
    """The text of a line as a reject keeps it."""
    return line[: 4 * TEXT_LIMIT + 4].rstrip(b"\r\n").decode("utf-8", "replace")[:TEXT_LIMIT]


def rejects_path(out: Place, feed_file_name: str) -> Place:
    """Where the rejects of a feed file go below the output root."""
    return out / "rejects" / f"{feed_file_name}.rejects.jsonl"


class RejectSink(Protocol):
    """What takes the rejects of one feed file, in line order."""

    def add(self, reject: Reject) -> None:
        """Take one."""
        ...


class RejectWriter:
    """Gathers the rejects of one feed file and writes them whole when its block ends well.

    A file without rejects has no rejects file: one that an earlier run left is removed. Where the block ends with an
    error nothing is touched. Bounded memory: what does not fit waits in a temporary file.

    Raises
    ------
    UnwritableOutput
        Where the system refuses.
    """

    def __init__(self, path: Place) -> None:
        self.path = path
        self.count = 0
        self._waiting: list[bytes] = []
        self._held = tempfile.SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> RejectWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            if kind is None:
                self._commit()

    def add(self, reject: Reject) -> None:
        self.count += 1
        self._waiting.append(reject.encode())
        if len(self._waiting) >= _WAITING:
            self._write_waiting()

    def add_lines(self, lines: bytes) -> None:
        """Take whole lines as `Reject.encode` makes them."""
        self._write_waiting()
        self.count += lines.count(b"\n")
        self._write(lines)

    def _write_waiting(self) -> None:
        lines, self._waiting = b"".join(self._waiting), []
        self._write(lines)

    def _write(self, lines: bytes) -> None:
        try:
            self._held.write(lines)
        except OSError as error:
            raise _unwritable(Path(tempfile.gettempdir()), error) from error

    def _commit(self) -> None:
        if self.count:
            self._write_waiting()
            self._held.seek(0)
            write_whole(self.path, lambda handle: shutil.copyfileobj(self._held, handle))
            return
        remove(self.path)


def _unwritable(path: Path, error: OSError) -> UnwritableOutput:
    return UnwritableOutput(
        f"cannot be written: {error.strerror or error}",
        where=str(path),
        hint="Check its permissions and the free space",
    )


@contextlib.contextmanager
def rejects_to(path: Place | None) -> Iterator[RejectWriter | None]:
    """A `RejectWriter` for the block, or None where nothing is to be written."""
    if path is None:
        yield None
        return
    with RejectWriter(path) as writer:
        yield writer


def check_ratio(stats: FileStats, max_reject_ratio: float, rejects: Place | None = None) -> None:
    """Refuse a file of which too many lines were bad.

    Parameters
    ----------
    max_reject_ratio
        The largest tolerated share of bad lines among all lines, 0..1; duplicates and a partial tail do not count.
    rejects
        The file that holds each bad line; None where none was written.

    Raises
    ------
    TooManyRejects
        Naming the file, its first bad line, and what is wrong with most of the bad lines.
    """
    faults = [fault for fault in stats.faults if fault.reason not in TOLERATED]
    bad = sum(fault.lines for fault in faults)
    if not bad or bad <= max_reject_ratio * stats.lines:
        return
    first = min(fault.first_line for fault in faults)
    reason = next(fault.reason for fault in faults if fault.first_line == first)
    share = f"{bad} of {counted(stats.lines, 'line')} {'is' if stats.lines == 1 else 'are'} bad"
    raise TooManyRejects(
        f"{share} ({bad / stats.lines:.2%}, tolerated are {max_reject_ratio:.2%}); "
        f"the first is {reason}; {most_faults(faults)}",
        where=f"{stats.path}:{first}",
        hint=_hint(bad, stats, rejects),
    )


def most_faults(faults: Sequence[FieldFault]) -> str:
    """The most frequent faults in words, at most three.

    >>> most_faults([FieldFault("bad_value", "ts", 200, 1, "1735765201000 looks like milliseconds")])
    'ts: 1735765201000 looks like milliseconds (200 lines, first at line 1)'
    """
    ordered = sorted(faults, key=lambda fault: (-fault.lines, fault.first_line))
    return "; ".join(fault.sentence for fault in ordered[:_TOLD])


def _hint(bad: int, stats: FileStats, rejects: Place | None) -> str:
    see = f"See {rejects} for each bad line" if rejects is not None else f"See {stats.path}"
    if bad * 2 > stats.lines:
        return f"{see}; correct what writes the file"  # a higher tolerance would leave next to nothing
    return f"{see}, or raise --max-reject-ratio"
