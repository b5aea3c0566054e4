"""Base types of the importers: records, rejects and the `Importer` protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

Advance = Callable[[float], None]
"""Receives the bytes of the source file read since the last call, counted before decompression."""

ROW_FAULTS: Final = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError)
"""Exceptions that parsing a damaged row can raise: the row is rejected, and reading continues with the next."""
SHOWN: Final = 500
"""Characters of a rejected row that its reject keeps."""


def unseen(_amount: float) -> None:
    """A no-op `Advance`."""


@dataclass(frozen=True, slots=True)
class Imported:
    """One record of one feed, with the field names of the feed's schema; not yet validated.

    Parameters
    ----------
    kind
        Feed: ``fills``, ``book``, ...
    record
        Field -> value.
    line
        Line of the source file where it begins, from 1.
    stream
        Stream of the market, such as ``aggTrade``; empty if the source does not name it, or if the record belongs to
        every stream. A symbol's feed must have one stream.
    market
        Venue and market, such as ``binance-spot``; empty if the source does not name it. A symbol must have one market.
    part
        Index among the records of that line, from 0; line and part are unique within a feed of the file.
    """

    kind: str
    record: dict[str, Any]
    line: int
    stream: str = ""
    market: str = ""
    part: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row without a record, and why.

    Parameters
    ----------
    damaged
        False for an intact row that was excluded by a rule or an option.
    what
        One phrase for people, such as ``1735689600 looks like seconds; expected microseconds``; may be empty.
    """

    line: int
    reason: str
    field: str
    text: str
    damaged: bool = True
    what: str = ""


class BadRow(Exception):
    """Raised while parsing a row without a record; holds the fields of its `Rejected`."""

    def __init__(self, reason: str, field: str = "", *, damaged: bool = True, what: str = "") -> None:
        super().__init__(reason)
        self.reason, self.field, self.damaged, self.what = reason, field, damaged, what

    def rejected(self, line: int, text: str | bytes) -> Rejected:
        """Return the reject for that line."""
        shown = text[: 4 * SHOWN].decode("utf-8", "replace") if isinstance(text, bytes) else text
        return Rejected(line, self.reason, self.field, shown[:SHOWN], self.damaged, self.what)


def fault_of(error: Exception) -> BadRow:
    """Return the `BadRow` for one of `ROW_FAULTS`."""
    return BadRow("bad_value", "", what=f"{type(error).__name__}: {str(error)[:100]}")


@dataclass(frozen=True, slots=True)
class ImportOption:
    """An option of one format: a flag of its command, and a keyword argument of its class.

    Parameters
    ----------
    flag
        Such as ``--limit-as``; the keyword is the same word, ``limit_as``.
    help
        One sentence.
    metavar
        Name of the value in the help; empty if there are ``choices``.
    choices
        The allowed values; empty: any.
    setting
        Configuration key of its default; empty if there is none.
    repeated
        Whether it may be given several times; the value is then a list.
    """

    flag: str
    help: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    setting: str = ""
    repeated: bool = False

    @property
    def keyword(self) -> str:
        """The keyword argument of the format's class."""
        return self.flag.removeprefix("--").replace("-", "_")


class Importer(Protocol):
    """Reads one foreign format.

    Importers add no values: a field that the source lacks is absent from the record. They read in one pass and keep no
    rows, so that a file may be larger than memory; a row uses at most a few times `calib.importers.lines.MAX_LINE`.

    Attributes
    ----------
    name
        The word after ``calib import``.
    summary
        The first sentence of the command's help: which files it converts into which feeds.
    files
        Which files it reads.
    example
        The arguments after ``calib import NAME`` in the help's example.
    options
        The options that only this format has.
    hints
        Reason of a reject -> what the user can do about rows with that reason.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    files: ClassVar[str]
    example: ClassVar[str]
    options: ClassVar[tuple[ImportOption, ...]]
    hints: ClassVar[Mapping[str, str]]

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        """Yield the rows of one file in order; ``advance`` receives the approximate progress.

        Raises
        ------
        UnreadableInput
            If the file cannot be opened.
        TruncatedInput
            If its compressed data is cut short; all rows before the cut have been yielded.
        NotThisFormat
            If the file has another format; raised before the first row.
        """
        ...
