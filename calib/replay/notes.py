"""Notes that explain the figures of a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from calib.recorded.true_book import REPEATED
from calib.replay.sources import US_PER_S

if TYPE_CHECKING:
    from calib.exchange_sim.faults import Fault
    from calib.replay.driver import Driver
    from calib.replay.sources import Sources

_HARMLESS: Final = frozenset(
    {"confirmed", "dropped", "late_snapshot", "resync", "stale_snapshot", "no_snapshot", REPEATED}
)
"""Event counts of a stream that do not indicate a break in the recording."""


def notes_of(driver: Driver, sources: Sources) -> list[str]:
    """The notes on a finished replay; equal feeds and settings give equal notes."""
    return [*_setting_notes(driver), *_clock_notes(driver, sources), *_gap_notes(driver), *_tick_notes(driver, sources)]


def _setting_notes(driver: Driver) -> list[str]:
    found, settings = driver.recording, driver.settings
    notes = []
    if settings.fill == "stream":
        notes.append(
            "Books came from the stream, where a verified book is the true one: TTLs had no effect on the prices "
            "served, only on which of them are called stale while the connection says nothing. Staleness comes from "
            "gaps, silences and resyncs alone; to weigh TTLs replay with --fill callback."
        )
    if settings.read_every_us is not None:
        notes.append(f"Reads were made every {settings.read_every_us / 1000:g} ms, not at recorded ticks.")
    if settings.expand and settings.read_every_us is not None:
        notes.append("Without effect: filling up sampled ticks, as none of them was read.")
    elif settings.expand:
        notes.append(f"Put between sampled ticks, evenly spaced: {_many(found.reads_added, 'read')}.")
    notes += [
        f"Without effect: {', '.join(map(str, faults))}. {why}."
        for why, faults in _faults_without_effect(driver).items()
    ]
    notes.append("A hit takes no time here: fetch_md with the cache counts what reads waited for.")
    if found.depths_cut:
        notes.append(
            f"{_many(found.depths_cut, 'read')} asked for more levels than md_cache.max_depth, and got so many."
        )
    if evictions := driver.cache_summary["evictions"]:
        notes.append(
            f"The cache let symbols go {_many(evictions, 'time')} (md_cache.max_symbols): the invalidations and "
            "streams of the symbols count from when it took them up again."
        )
    return notes


def idle_faults(driver: Driver) -> list[Fault]:
    """The faults without effect, in order."""
    idle = [fault for faults in _faults_without_effect(driver).values() for fault in faults]
    return [fault for fault in driver.settings.faults if fault in idle]


def _faults_without_effect(driver: Driver) -> dict[str, list[Fault]]:
    """The faults without effect, by reason."""
    last_us = driver.recording.last_us
    seconds = 0.0 if last_us is None else (last_us - driver.start_us) / US_PER_S
    found: dict[str, list[Fault]] = {}
    for fault in driver.settings.faults:
        if fault in driver.settings.idle_faults:
            why = (
                "Such faults strike the stream, which --fill callback does not use; only rest-error and rest-timeout "
                "do there"
            )
        elif fault.start_s > seconds:
            why = f"The range ends after {seconds:g} s"
        elif fault.symbol is not None and fault.symbol not in driver.books:
            why = "No book of that symbol was replayed"
        else:
            continue
        found.setdefault(why, []).append(fault)
    return found


def _clock_notes(driver: Driver, sources: Sources) -> list[str]:
    found = driver.recording
    notes = [
        f"Behind the time of a line before them, by up to {late.max_s:g} s, and taken at that line's time: "
        f"{_many(late.lines, 'line')} of {kind}."
        for kind, late in sorted(sources.late.items())
        if late.lines
    ]
    if found.negative_lag:
        notes.append(
            f"The clocks differ: {_many(found.negative_lag, 'book line')} came before the venue's own time of them "
            f"(down to {(found.min_lag_s or 0.0) * 1000:.0f} ms). Times of receipt were used throughout."
        )
    if found.silences:
        notes.append(
            f"The recording says nothing for more than a minute {_many(found.silences, 'time')}, "
            f"{found.silent_s:.0f} s in all; no reads are scheduled there."
        )
    return notes


def _gap_notes(driver: Driver) -> list[str]:
    notes = []
    for symbol, book in sorted(driver.books.items()):
        breaks = {name: count for name, count in book.counts.items() if name not in _HARMLESS}
        if breaks:
            what = ", ".join(f"{count:,} {name}" for name, count in breaks.items())
            notes.append(
                f"The recording of {symbol} is broken ({what}): until the next recorded snapshot the true book is not "
                "known, and reads there are not judged."
            )
        elif book.known_since_ns is None:
            notes.append(f"No snapshot of {symbol} is bridged to its deltas: its book is never known; it was not read.")
        if repeated := book.counts.get(REPEATED):
            notes.append(f"Left out: {_many(repeated, 'line')} of {symbol} that the recording tells a second time.")
        if holes := driver.reader.in_holes[symbol]:
            notes.append(
                f"Not made: {_many(holes, 'read')} of {symbol} while its true book is not known. They count neither as "
                "hits nor as misses."
            )
    return notes


def _tick_notes(driver: Driver, sources: Sources) -> list[str]:
    found = driver.recording
    left_out = found.ticks_without_book
    notes = [
        f"Left out: {_many(count, 'tick')} of {symbol}, before its book is known."
        for symbol, count in sorted(left_out.items())
        if symbol in driver.books
    ]
    if unknown := sorted(symbol for symbol in left_out if symbol not in driver.books):
        count = sum(left_out[symbol] for symbol in unknown)
        named = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        notes.append(f"Left out: {_many(count, 'tick')}; there is no recorded book of {named}.")
    notes += [
        f"Left out: {_many(count, 'tick')} of {symbol}; its recording had said nothing for a minute or more."
        for symbol, count in sorted(found.ticks_in_silence.items())
    ]
    notes += [
        f"Read as {driver.settings.use_case}: {_many(count, 'tick')} with the use case {name!r}, which is not known."
        for name, count in sorted(found.unknown_use_cases.items())
    ]
    tails = sorted(name for name, stats in sources.stats.items() if stats.partial_tail)
    return notes + [f"{name} ends in the middle of a line; that line was left out." for name in tails]


def _many(count: int, what: str) -> str:
    """Format a count with its noun.

    >>> _many(1, "tick"), _many(6552, "book line")
    ('1 tick', '6,552 book lines')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"
