"""Every error that calib raises on purpose, in one tree.

    CalibError                      exit code, stable name
    |-- UsageError              2   what was asked makes no sense
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
    |-- InputError              3   what was given is missing or not what it should be
    |   |-- NoFeeds                 no-feeds
    |   |-- NoLines                 no-lines-in-range
    |   |-- NoSuchSymbol            no-such-symbol
    |   |-- DuplicateDayFile                two-forms-of-one-day
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
    |-- RecordError             2   a live record that the feed's schema refuses
    |   |-- BadRecord               bad-record
    |   |-- BadObservation          bad-observation
    |   |-- BadLevel                bad-level
    |   |-- VenueMessageError       bad-venue-message
    |   `-- InvalidSnapshot                 bad-book-body
    |-- SinkError               2   a live writer that cannot write
    |   |-- SinkClosed              sink-closed
    |   `-- SinkFailed              sink-failed
    |-- PolicyError             2   what the caching policy forbids
    |   |-- ProhibitedCacheError    prohibited-cache
    |   `-- StaticDataUnavailable   static-data-unavailable
    |-- WouldReplace            1   would-replace: an empty dataset in place of one with kept intervals
    |-- ChildLost               4   child-lost: a process that did a part of the work was killed
    |-- ComputeError            1   a value that a cache was asked for and could not get
    |   |-- ComputeTimeout          compute-timeout
    |   `-- ComputeCancelled        compute-cancelled
    |-- LockHeld               75   lock-held: another run works in the same output directory
    `-- OutputChanged          75   output-changed: another run wrote an object of the same output

An error says **what** happened, **where** (a file with its line, a key, a field) and **what to do next**. ``name``
is stable: scripts may match on it; the sentences may improve.
"""

from __future__ import annotations

from typing import ClassVar


class CalibError(Exception):
    """The root: something calib can explain.

    Parameters
    ----------
    what
        One sentence without a full stop: what went wrong.
    where
        ``file``, ``file:line`` or ``file:line, field``; empty where no place is to blame.
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
    """The command or call makes no sense as it stands."""

    name = "usage"
    exit_code = 2


class BadRange(UsageError):
    """A time range that ends before it begins, or that is given twice."""

    name = "bad-range"


class BadTime(UsageError):
    """A text that is no point in time or duration."""

    name = "bad-time"


class ConfigError(UsageError, ValueError):
    """An unknown configuration key, or a value outside its range."""

    name = "bad-config"


class UnwritableOutput(UsageError):
    """The output directory or file cannot be written."""

    name = "unwritable-output"


class ForeignFiles(UsageError):
    """The output directory holds feeds that this command did not write."""

    name = "foreign-files"


class PortUnavailable(UsageError):
    """A network port that is taken or may not be used."""

    name = "port-unavailable"


class DepthError(UsageError, ValueError):
    """A book depth below 1 or above the cache's ``max_depth``."""

    name = "bad-depth"


class BadLatency(UsageError, ValueError):
    """A latency that is no finite number of milliseconds >= 0."""

    name = "bad-latency"


class BadFault(UsageError, ValueError):
    """A text that spells no fault of the simulated venue."""

    name = "bad-fault"


class UseCaseError(UsageError, ValueError):
    """A use case of a market-data read that calib does not know."""

    name = "bad-use-case"


class SymbolError(UsageError, ValueError):
    """A symbol or exchange whose spelling is not known."""

    name = "bad-symbol"


class MaxAgeError(UsageError, ValueError):
    """A ``max_age_ms`` that is negative or no number."""

    name = "bad-max-age"


class BadCatalogue(UsageError, ValueError):
    """A catalogue of events and markets, or a schedule of TTL zones, that is unknown or not valid."""

    name = "bad-catalogue"


class BadContext(UsageError, ValueError):
    """A context of a cached read that is not valid: its event time, TTL or names."""

    name = "bad-context"


class BadCacheKey(UsageError, ValueError):
    """A cache key that is empty, too long, not text, or that cannot be made from a call's arguments."""

    name = "bad-cache-key"


class MissingExtra(UsageError):
    """A part of calib whose optional dependency is not installed."""

    name = "missing-extra"


class ClusterUnavailable(UsageError):
    """A Dask cluster that cannot be reached, has no workers, is lost, or runs another version of calib."""

    name = "cluster-unavailable"


class InputError(CalibError):
    """Input that is missing, or not what it should be."""

    name = "input"
    exit_code = 3


class NoFeeds(InputError):
    """The feed directory is missing or holds no feed file of the kinds asked for."""

    name = "no-feeds"


class NoLines(InputError):
    """The feeds hold no usable line within the range."""

    name = "no-lines-in-range"


class NoBuckets(InputError):
    """No line of the feeds says which arm of an experiment it belongs to."""

    name = "no-buckets"


class NoSuchSymbol(InputError):
    """None of the symbols asked for occurs."""

    name = "no-such-symbol"


class DuplicateDayFile(InputError):
    """One day of one kind lies there plain and compressed at once."""

    name = "two-forms-of-one-day"


class UnreadableInput(InputError):
    """An input that cannot be opened, or that is no regular file."""

    name = "unreadable-input"


class TruncatedInput(InputError):
    """A compressed input that ends too early or is damaged."""

    name = "truncated-input"


class TooManyRejects(InputError):
    """More bad lines in one file than ``max_reject_ratio`` tolerates."""

    name = "too-many-rejects"


class NotADataset(InputError):
    """A file that is no calib dataset, or a damaged one."""

    name = "not-a-dataset"


class NotACalibration(InputError):
    """A file that is not a published calibration, or one that was changed."""

    name = "not-a-calibration"


class NotThisFormat(InputError):
    """A file that is not of the foreign format it was given as."""

    name = "not-this-format"


class MixedNumbering(InputError):
    """Recorded books whose ids need different sequence rules."""

    name = "mixed-numbering"


class MixedStreams(InputError):
    """Two recordings that tell the same feed of one symbol, so that it would hold everything twice."""

    name = "mixed-streams"


class NewerSchema(InputError):
    """A file written by a later version of calib than this one."""

    name = "newer-schema"


class BadState(InputError):
    """The state of an experiment or a canary that is missing or damaged."""

    name = "bad-state"


class RecordError(CalibError):
    """A live record that cannot be accepted."""

    name = "record"
    exit_code = 2


class BadRecord(RecordError, ValueError):
    """A record that the feed's schema refuses; ``where`` names the field."""

    name = "bad-record"


class BadObservation(RecordError, ValueError):
    """A number given to a feature collector that is NaN, infinite, negative or no number; ``where`` names it."""

    name = "bad-observation"


class BadLevel(RecordError, ValueError):
    """A level of an order book whose price or quantity is none: NaN, infinite, negative, no number."""

    name = "bad-level"


class VenueMessageError(RecordError, ValueError):
    """A venue's message that claims to be of an order book and cannot be read as one."""

    name = "bad-venue-message"


class InvalidSnapshot(RecordError, ValueError):
    """What a refresh callback brought is no order book; counted as a failed refresh, never raised to readers."""

    name = "bad-book-body"


class SinkError(CalibError):
    """A live writer that can no longer write."""

    name = "sink"
    exit_code = 2


class SinkClosed(SinkError):
    """A record given to a logger that was closed."""

    name = "sink-closed"


class SinkFailed(SinkError):
    """The disk refused a write; said once to the owner, the file stays whole.

    ``lines_kept`` lines of the refused write stand in the file, whole.
    """

    name = "sink-failed"
    lines_kept: int = 0


class PolicyError(CalibError):
    """Something that the caching policy forbids."""

    name = "policy"
    exit_code = 2


class ProhibitedCacheError(PolicyError):
    """A cache of data that may not be cached, or one that would keep it for longer than the policy's limit."""

    name = "prohibited-cache"


class StaticDataUnavailable(PolicyError):
    """Static data that is older than its limit, or that could not be fetched yet."""

    name = "static-data-unavailable"


class WouldReplace(CalibError):
    """A dataset without kept intervals that would take the place of one that has some."""

    name = "would-replace"


class ChildLost(CalibError):
    """A process that did a part of the work was killed, by the system where memory ran out, say."""

    name = "child-lost"
    exit_code = 4


class ComputeError(CalibError):
    """A compute behind a cache that brought no value."""

    name = "compute"


class ComputeTimeout(ComputeError, TimeoutError):
    """A compute that took longer than the cache's ``hard_timeout_s``."""

    name = "compute-timeout"


class ComputeCancelled(ComputeError):
    """A compute that was cancelled from inside, or by the closing of its cache."""

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
    """Every class of the tree, the root first, parents before children.

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
