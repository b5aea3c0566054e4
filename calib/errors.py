"""Every error that calib raises on purpose, as one tree.

    CalibError                      exit code, stable name
    |-- UsageError              2   an invalid command, argument or setting
    |   |-- BadRange                bad-range
    |   |-- BadTime                 bad-time
    |   |-- ConfigError             bad-config
    |   |-- UnwritableOutput        unwritable-output
    |   |-- ForeignFiles            foreign-files
    |   |-- PortUnavailable         port-unavailable
    |   |-- DepthError              bad-depth
    |   |-- BadLatency              bad-latency
    |   |-- BadFault                bad-fault
    |   |-- SymbolError             bad-symbol
    |   |-- UseCaseError            bad-use-case
    |   |-- BadCatalogue            bad-catalogue
    |   |-- BadContext              bad-context
    |   |-- BadCacheKey             bad-cache-key
    |   |-- MissingExtra            missing-extra
    |   |-- ClusterUnavailable      cluster-unavailable
    |   `-- MaxAgeError             bad-max-age
    |-- InputError              3   input that is missing or not valid
    |   |-- NoFeeds                 no-feeds
    |   |-- NoLines                 no-lines-in-range
    |   |-- NoSuchSymbol            no-such-symbol
    |   |-- DuplicateDayFile        two-forms-of-one-day
    |   |-- UnreadableInput         unreadable-input
    |   |-- TruncatedInput          truncated-input
    |   |-- TooManyRejects          too-many-rejects
    |   |-- NotADataset             not-a-dataset
    |   |-- NotACalibration         not-a-calibration
    |   |-- NewerSchema             newer-schema
    |   |-- NotThisFormat           not-this-format
    |   |-- MixedStreams            mixed-streams
    |   |-- NoBuckets               no-buckets
    |   |-- BadState                bad-state
    |   `-- MixedNumbering          mixed-numbering
    |-- RecordError             2   a live record that does not fit its schema
    |   |-- BadRecord               bad-record
    |   |-- BadObservation          bad-observation
    |   |-- BadLevel                bad-level
    |   |-- VenueMessageError       bad-venue-message
    |   `-- InvalidSnapshot         bad-book-body
    |-- SinkError               2   a live writer that cannot write
    |   |-- SinkClosed              sink-closed
    |   `-- SinkFailed              sink-failed
    |-- PolicyError             2   the caching policy does not allow it
    |   |-- ProhibitedCacheError    prohibited-cache
    |   `-- StaticDataUnavailable   static-data-unavailable
    |-- WouldReplace            1   would-replace: an empty dataset in place of one with kept intervals
    |-- ChildLost               4   child-lost: a child process was killed
    |-- ComputeError            1   the computation behind a cache returned no value
    |   |-- ComputeTimeout          compute-timeout
    |   `-- ComputeCancelled        compute-cancelled
    |-- LockHeld               75   lock-held: another run uses the same output directory
    `-- OutputChanged          75   output-changed: another run wrote an object of the same output

An error says **what** happened, **where** (a file with its line, a key, a field) and **what to do next**. ``name``
is stable: scripts may match on it; the sentences may change.
"""

from __future__ import annotations

from typing import ClassVar


class CalibError(Exception):
    """The base class of every error that calib raises on purpose.

    Parameters
    ----------
    what
        One sentence without a full stop: what went wrong.
    where
        ``file``, ``file:line`` or ``file:line, field``; empty if the error has no location.
    hint
        What the user can do next, one sentence.
    """

    name: ClassVar[str] = "calib-error"
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.hint)


def _rebuild(kind: type[CalibError], what: str, where: str, hint: str) -> CalibError:
    return kind(what, where=where, hint=hint)


class UsageError(CalibError):
    """The command or call is not valid."""

    name = "usage"
    exit_code = 2


class BadRange(UsageError):
    """A time range that ends before it begins, or that is given twice."""

    name = "bad-range"


class BadTime(UsageError):
    """A text that is not a valid point in time or duration."""

    name = "bad-time"


class ConfigError(UsageError, ValueError):
    """An unknown configuration key, or a value outside its range."""

    name = "bad-config"


class UnwritableOutput(UsageError):
    """The output directory or file cannot be written."""

    name = "unwritable-output"


class ForeignFiles(UsageError):
    """The output directory holds feed files that this command did not write."""

    name = "foreign-files"


class PortUnavailable(UsageError):
    """A network port that is in use or not permitted."""

    name = "port-unavailable"


class DepthError(UsageError, ValueError):
    """A book depth below 1 or above the cache's ``max_depth``."""

    name = "bad-depth"


class BadLatency(UsageError, ValueError):
    """A latency that is not a finite number of milliseconds >= 0."""

    name = "bad-latency"


class BadFault(UsageError, ValueError):
    """A text that is not a valid fault of the simulated venue."""

    name = "bad-fault"


class UseCaseError(UsageError, ValueError):
    """An unknown use case of a market-data read."""

    name = "bad-use-case"


class SymbolError(UsageError, ValueError):
    """A symbol or exchange that is not recognised."""

    name = "bad-symbol"


class MaxAgeError(UsageError, ValueError):
    """A ``max_age_ms`` that is negative or not a number."""

    name = "bad-max-age"


class BadCatalogue(UsageError, ValueError):
    """A catalogue of events and markets, or a schedule of TTL zones, that is unknown or not valid."""

    name = "bad-catalogue"


class BadContext(UsageError, ValueError):
    """A context of a cached read whose event time, TTL or names are not valid."""

    name = "bad-context"


class BadCacheKey(UsageError, ValueError):
    """A cache key that is empty, too long or not text, or that cannot be derived from the arguments of a call."""

    name = "bad-cache-key"


class MissingExtra(UsageError):
    """A part of calib needs an optional dependency that is not installed."""

    name = "missing-extra"


class ClusterUnavailable(UsageError):
    """A Dask cluster that cannot be reached, has no workers, is lost, or runs another version of calib."""

    name = "cluster-unavailable"


class InputError(CalibError):
    """Input that is missing or not valid."""

    name = "input"
    exit_code = 3


class NoFeeds(InputError):
    """The feed directory is missing or holds no feed file of the kinds asked for."""

    name = "no-feeds"


class NoLines(InputError):
    """The feeds hold no usable line within the range."""

    name = "no-lines-in-range"


class NoBuckets(InputError):
    """No line of the feeds has a ``bucket``, the arm of an experiment."""

    name = "no-buckets"


class NoSuchSymbol(InputError):
    """None of the requested symbols occurs in the feeds."""

    name = "no-such-symbol"


class DuplicateDayFile(InputError):
    """A day of one kind of feed exists both plain and compressed."""

    name = "two-forms-of-one-day"


class UnreadableInput(InputError):
    """An input that cannot be opened, or that is not a regular file."""

    name = "unreadable-input"


class TruncatedInput(InputError):
    """A compressed input that is incomplete or damaged."""

    name = "truncated-input"


class TooManyRejects(InputError):
    """A file has more bad lines than ``max_reject_ratio`` allows."""

    name = "too-many-rejects"


class NotADataset(InputError):
    """A file that is not a calib dataset, or a damaged one."""

    name = "not-a-dataset"


class NotACalibration(InputError):
    """A file that is not a published calibration, or that was modified."""

    name = "not-a-calibration"


class NotThisFormat(InputError):
    """A file that does not have the format that was given for it."""

    name = "not-this-format"


class MixedNumbering(InputError):
    """Recorded books whose ids need different sequence rules."""

    name = "mixed-numbering"


class MixedStreams(InputError):
    """Two recordings of the same feed of one symbol; importing both would count everything twice."""

    name = "mixed-streams"


class NewerSchema(InputError):
    """A file written by a newer version of calib."""

    name = "newer-schema"


class BadState(InputError):
    """The state of an experiment or a canary is missing or damaged."""

    name = "bad-state"


class RecordError(CalibError):
    """A live record that is not accepted."""

    name = "record"
    exit_code = 2


class BadRecord(RecordError, ValueError):
    """A record that does not fit the feed's schema; ``where`` names the field."""

    name = "bad-record"


class BadObservation(RecordError, ValueError):
    """A value given to a feature collector that is NaN, infinite, negative or not a number; ``where`` names it."""

    name = "bad-observation"


class BadLevel(RecordError, ValueError):
    """A level of an order book whose price or quantity is not valid: NaN, infinite, negative or not a number."""

    name = "bad-level"


class VenueMessageError(RecordError, ValueError):
    """A venue's order book message that cannot be parsed."""

    name = "bad-venue-message"


class InvalidSnapshot(RecordError, ValueError):
    """A refresh callback returned an invalid order book; counted as a failed refresh, never raised to readers."""

    name = "bad-book-body"


class SinkError(CalibError):
    """A live writer that can no longer write."""

    name = "sink"
    exit_code = 2


class SinkClosed(SinkError):
    """A record was given to a closed logger."""

    name = "sink-closed"


class SinkFailed(SinkError):
    """The disk refused a write; raised once to the owner, and the file still holds whole lines only.

    ``lines_kept`` lines of the refused write are in the file.
    """

    name = "sink-failed"
    lines_kept: int = 0


class PolicyError(CalibError):
    """The caching policy does not allow the operation."""

    name = "policy"
    exit_code = 2


class ProhibitedCacheError(PolicyError):
    """A cache of data that may not be cached, or that keeps data for longer than the policy allows."""

    name = "prohibited-cache"


class StaticDataUnavailable(PolicyError):
    """Static data that is older than its limit, or that has not been fetched yet."""

    name = "static-data-unavailable"


class WouldReplace(CalibError):
    """A dataset without kept intervals would replace one that has some."""

    name = "would-replace"


class ChildLost(CalibError):
    """A child process was killed, for example because the system ran out of memory."""

    name = "child-lost"
    exit_code = 4


class ComputeError(CalibError):
    """The computation behind a cache returned no value."""

    name = "compute"


class ComputeTimeout(ComputeError, TimeoutError):
    """A computation took longer than the cache's ``hard_timeout_s``."""

    name = "compute-timeout"


class ComputeCancelled(ComputeError):
    """A computation was cancelled from inside, or because its cache was closed."""

    name = "compute-cancelled"


class LockHeld(CalibError):
    """Another run holds the lock of this output directory."""

    name = "lock-held"
    exit_code = 75


class OutputChanged(CalibError):
    """An object that another run wrote while this one ran; it stays."""

    name = "output-changed"
    exit_code = 75


def all_errors() -> list[type[CalibError]]:
    """Every class of the tree, parents before children.

    >>> [kind.name for kind in all_errors()][:2]
    ['calib-error', 'usage']
    """
    found: list[type[CalibError]] = []

    def walk(kind: type[CalibError]) -> None:
        found.append(kind)
        for child in kind.__subclasses__():
            walk(child)

    walk(CalibError)
    return found
