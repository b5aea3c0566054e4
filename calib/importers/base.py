"""What every importer of a foreign format is: a stream of records, with a reject for each row that gives none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

Advance = Callable[[float], None]
"""Receives the bytes of the source file that were read since the last call: its own bytes, packed ones where it is."""

ROW_FAULTS: Final = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError)
"""What a damaged row can raise in the code that reads it: such a row is a reject, and the next one is read."""
SHOWN: Final = 500
"""Characters of a rejected row that are kept."""


def unseen(_amount: float) -> None:
    """An `Advance` that does nothing."""


@dataclass(frozen=True, slots=True)
class Imported:
    """One record of one feed, as the feed's table names its fields; not yet checked against it.

    Parameters
    ----------
    kind
        Feed: ``fills``, ``book``, ...
    record
        Field -> value.
    line
        Where it began in the source file, counted from 1.
    stream
        Which stream of the market it is from, such as ``aggTrade``; empty where the source does not say, or where the
        record belongs to any of them. A symbol's feed must have one stream.
    market
        Venue and market, such as ``binance-spot``; empty where the source does not say. A symbol must have one market.
    part
        Its number among the records of that line, from 0: no other record of its feed has the same line and part.
    """

    kind: str
    record: dict[str, Any]
    line: int
    stream: str = ""
    market: str = ""
    part: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row that gives no record, and why.

    Parameters
    ----------
    damaged
        False for a row that is whole, and that a rule turned away which the user can change.
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
    """Raised while a row is read that gives no record: the words of its `Rejected`."""

    def __init__(self, reason: str, field: str = "", *, damaged: bool = True, what: str = "") -> None:
        super().__init__(reason)
        self.reason, self.field, self.damaged, self.what = reason, field, damaged, what

    def rejected(self, line: int, text: str | bytes) -> Rejected:
        """As the reject of that line."""
        shown = text[: 4 * SHOWN].decode("utf-8", "replace") if isinstance(text, bytes) else text
        return Rejected(line, self.reason, self.field, shown[:SHOWN], self.damaged, self.what)


def fault_of(error: Exception) -> BadRow:
    """What one of `ROW_FAULTS` says of its row."""
    return BadRow("bad_value", "", what=f"{type(error).__name__}: {str(error)[:100]}")


@dataclass(frozen=True, slots=True)
class ImportOption:
    """An option that a format has of its own: a flag of its command, and a keyword of its class.

    Parameters
    ----------
    flag
        Such as ``--limit-as``; the keyword is the same word, ``limit_as``.
    help
        One sentence.
    metavar
        How the value is called in the help; empty where ``choices`` say it.
    choices
        The only values.
    setting
        The configuration key behind it; empty where there is none.
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
        """The keyword of the format's class."""
        return self.flag.removeprefix("--").replace("-", "_")


class Importer(Protocol):
    """One foreign format.

    Importers invent nothing: what the source does not say is left out of the record. They read in one pass and keep
    nothing of it, so that a file larger than memory can be imported, and a row costs at most a few times
    `calib.importers.lines.MAX_LINE`.

    Attributes
    ----------
    name
        The word after ``calib import``.
    summary
        What it makes of what: the first sentence of the command's help.
    files
        Which files it takes.
    example
        The words after ``calib import NAME`` in the help's example.
    options
        The options of its own.
    hints
        Reason of a reject -> what the user can do about rows of that reason.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    files: ClassVar[str]
    example: ClassVar[str]
    options: ClassVar[tuple[ImportOption, ...]]
    hints: ClassVar[Mapping[str, str]]

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        """The rows of one file in their order; ``advance`` receives how far the reading has come, about.

        Raises
        ------
        UnreadableInput
            Where the file cannot be opened.
        TruncatedInput
            Where its compression ends too early; every row before that was given.
        NotThisFormat
            Where it is something else; raised before the first row.
        """
        ...
