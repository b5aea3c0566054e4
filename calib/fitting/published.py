"""The published calibration as a bot reads it. It imports neither numpy nor polars: a live bot loads it each minute."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from calib.errors import NotACalibration

SCHEMA: Final = "calib.calibration/1"
PREVIOUS_SUFFIX: Final = ".previous"


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """The numbers of one symbol and side.

    Parameters
    ----------
    symbol, side
        ``side`` is ``both``, ``buy`` or ``sell``.
    valid_until
        Unix seconds; a held row keeps that of the calibration that it comes from.
    a_per_s, k_per_bps, sigma_bps
        Intensity and volatility: 1/s, 1/bps, bps/sqrt(s); None where there never was a usable fit.
    half_bps, skew_bps
        Half-spread at no inventory, and what a unit of inventory moves both quotes by; None where no gamma was chosen.
    table
        ``(inventory, bid distance, ask distance)``, bps from the mid.
    eta_ms
        Median wait by bucket of the queue ahead over the own quantity.
    verdict
        Of the fit that was published last: ``USE`` and so on.
    held
        Why the row keeps older numbers; None where they are new.
    """

    symbol: str
    side: str
    valid_until: float
    a_per_s: float | None
    k_per_bps: float | None
    sigma_bps: float | None
    half_bps: float | None
    skew_bps: float | None
    table: tuple[tuple[int, float, float], ...]
    eta_ms: Mapping[str, float | None]
    verdict: str
    held: str | None

    def distances(self, inventory: float) -> tuple[float, float] | None:
        """Bid and ask distance for an inventory in units, bps; the table's ends beyond them; None without a table.

        >>> row = CalibrationRow("X", "both", 9e9, 1, 1, 1, 2, 1, ((0, 2.0, 2.0), (1, 3.0, 1.0)), {}, "USE", None)
        >>> row.distances(0.2), row.distances(7)
        ((2.0, 2.0), (3.0, 1.0))
        """
        if not self.table:
            return None
        nearest = min(self.table, key=lambda entry: (abs(entry[0] - inventory), entry[0]))
        return nearest[1], nearest[2]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A published calibration.

    Parameters
    ----------
    version
        Counts the publications.
    valid_from, valid_until
        Unix seconds.
    fit_sha256
        Of the fit file that it was made from.
    rows
        Those that are still valid, and hold numbers.
    """

    version: int
    valid_from: float
    valid_until: float
    fit_sha256: str
    rows: tuple[CalibrationRow, ...] = field(default=())

    def row(self, symbol: str, side: str = "both") -> CalibrationRow | None:
        """The row of a symbol and side; None where there is none to use."""
        for row in self.rows:
            if row.symbol == symbol and row.side == side:
                return row
        return None


class LoadedCalibration(NamedTuple):
    """What `load_calibration` returns: the calibration or None, and why it is not the file itself (empty: it is)."""

    calibration: Calibration | None
    reason: str


def load_calibration(path: Path | str, now: float) -> LoadedCalibration:
    """Read a published calibration; where it cannot be used, the one before it.

    Parameters
    ----------
    path
        The file that `calib fit --publish` wrote; the one before it lies beside it as ``PATH.previous``.
    now
        Unix seconds.

    Returns
    -------
    LoadedCalibration
        ``(calibration, reason)``. A file of another schema, with a wrong hash, or past its ``valid_until`` is refused;
        then the previous one is returned where it can be used, else None. It never raises for what it finds on disk.

    Examples
    --------
    >>> load_calibration("no/such/file.json", 0.0)
    LoadedCalibration(calibration=None, reason='no/such/file.json does not exist')
    """
    target = Path(path)
    found, reason = _usable(target, now)
    if found is not None:
        return LoadedCalibration(found, "")
    before, _ = _usable(previous_path(target), now)
    if before is not None:
        return LoadedCalibration(before, f"{reason}; the previous one is used")
    return LoadedCalibration(None, reason)


def previous_path(path: Path) -> Path:
    """Where the calibration before this one is kept."""
    return path.with_name(path.name + PREVIOUS_SUFFIX)


def read_published(path: Path) -> dict[str, Any]:
    """The file's content, whatever its age.

    Raises
    ------
    NotACalibration
        Where it is missing, not JSON, of another schema, or was changed.
    """
    try:
        body = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise _refused(path, "does not exist") from None
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise _refused(path, "is damaged: not JSON") from error
    if not isinstance(body, dict) or body.get("schema") != SCHEMA:
        schema = body.get("schema") if isinstance(body, dict) else None
        raise _refused(path, f"has the schema {schema!r}, not {SCHEMA}")
    if body.get("sha256") != content_hash(body):
        raise _refused(path, "was changed after it was published: its hash is wrong")
    return body


def content_hash(body: Mapping[str, Any]) -> str:
    """sha256 of the content without its own hash, keys in order."""
    rest = {key: value for key, value in body.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def seconds(text: str) -> float:
    """Unix seconds of an ISO 8601 time."""
    return datetime.fromisoformat(text).timestamp()


def _refused(path: Path, what: str) -> NotACalibration:
    return NotACalibration(what, where=str(path), hint="Make one with `calib fit --publish`")


def _usable(path: Path, now: float) -> tuple[Calibration | None, str]:
    try:
        body = read_published(path)
        calibration = _calibration(body, now)
    except NotACalibration as error:
        return None, f"{error.where} {error.what}"
    except (KeyError, TypeError, ValueError) as error:
        return None, f"{path} is not a calibration: {type(error).__name__}"
    if now > calibration.valid_until:
        return None, f"{path} was valid until {body['valid_until']}"
    return calibration, ""


def _calibration(body: Mapping[str, Any], now: float) -> Calibration:
    rows = tuple(_row(row) for row in body["rows"] if row["k_per_bps"] is not None)
    return Calibration(
        body["version"],
        seconds(body["valid_from"]),
        seconds(body["valid_until"]),
        body["fit"]["sha256"],
        tuple(row for row in rows if now <= row.valid_until),
    )


def _row(row: Mapping[str, Any]) -> CalibrationRow:
    return CalibrationRow(
        row["symbol"],
        row["side"],
        seconds(row["valid_until"]),
        _est(row["A_per_s"]),
        _est(row["k_per_bps"]),
        _est(row["sigma_bps"]),
        _est(row["half_bps"]),
        _est(row["skew_bps"]),
        tuple((entry["q"], entry["bid_bps"], entry["ask_bps"]) for entry in row["table"]),
        dict(row["eta_ms"]),
        row["verdict"],
        row["held"],
    )


def _est(value: Mapping[str, Any] | None) -> float | None:
    return None if value is None else value["est"]
