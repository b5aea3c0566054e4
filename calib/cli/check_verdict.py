"""The verdict of ``calib check``: too many bad lines, unusable books, lines that are too old."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from calib.cli.length import length
from calib.storage import place_of
from calib.words import counted

if TYPE_CHECKING:
    from calib.cli.check_sequence import Audits
    from calib.config import Config
    from calib.feeds.reading.checkup import FileHealth, Freshness
    from calib.feeds.reading.days import DayFile


def verdict_of(
    config: Config,
    files: Sequence[DayFile],
    found: Sequence[FileHealth],
    audits: Audits,
    freshness: Freshness,
    max_age_s: float | None,
    *,
    keep: bool,
) -> str:
    """Return the problems, in one sentence each; empty if there are none.

    Parameters
    ----------
    keep
        Whether the bad lines were written to ``rejects/``.
    """
    faults = list(_bad_files(config, files, found, keep))
    faults += _bad_books(config["check.max_bad_book_ratio"], audits)
    if max_age_s is not None and freshness.too_old(max_age_s):
        age = "is unknown (no usable line)" if freshness.age_s is None else f"is {length(freshness.age_s)} old"
        faults.append(f"the newest line {age}; --max-age allows {length(max_age_s)}")
    return "; ".join(faults)


def _bad_files(config: Config, files: Sequence[DayFile], found: Sequence[FileHealth], keep: bool) -> Iterator[str]:
    from calib.feeds.reading.rejects import TOLERATED, most_faults, rejects_path

    limit = config["max_reject_ratio"]
    for file, health in zip(files, found, strict=True):
        if health.too_bad(limit):
            stats = health.stats
            what = most_faults([fault for fault in stats.faults if fault.reason not in TOLERATED])
            place = rejects_path(place_of(config["out"]), file.name) if keep else file.path
            bad = f"{health.bad} of {stats.lines} lines are bad (max_reject_ratio allows {limit:.2%})"
            yield f"{stats.file}: {bad}: {what}; see {place}"


def _bad_books(limit: float, audits: Audits) -> Iterator[str]:
    for directory, symbol, lines, bad, known in audits.books():
        where = f"the book of {symbol} in {directory}"
        if not known:
            yield (
                f"{where} is unknown: {counted(lines, 'line')} and no usable snapshot; add the file with the "
                "snapshot, such as that of the day before"
            )
        elif bad > limit * lines:
            yield (
                f"{where} is crossed or unknown after {bad} of {counted(lines, 'line')} ({bad / lines:.2%}; "
                f"check.max_bad_book_ratio allows {limit:.2%})"
            )
