"""The published calibration as loaded by a bot. Imports neither numpy nor polars: a live bot loads it every minute."""

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
        Unix seconds; a held row keeps the value of the calibration from which its numbers come.
    a_per_s, k_per_bps, sigma_bps
        Intensity and volatility: 1/s, 1/bps, bps/sqrt(s); None if there never was a usable fit.
    half_bps, skew_bps
        Half-spread at zero inventory, and its change per unit of inventory; None if no gamma was chosen.
    table
        ``(inventory, bid distance, ask distance)``, bps from the mid.
    eta_ms
        Median wait, by bucket of queue ahead divided by own quantity.
    verdict
        Verdict of the last published fit: ``USE`` etc.
    held
        Why the row keeps older numbers; None if they are new.
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
        """Bid and ask distance for an inventory in units, bps; clamped to the table's range; None without a table.

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
        Number of the publication.
    valid_from, valid_until
        Unix seconds.
    fit_sha256
        Hash of the fit file from which it was made.
    rows
        The rows that are still valid and have numbers.
    """

    version: int
    valid_from: float
    valid_until: float
    fit_sha256: str
    rows: tuple[CalibrationRow, ...] = field(default=())

    def row(self, symbol: str, side: str = "both") -> CalibrationRow | None:
        """The row of a symbol and side; None if there is no usable one."""
        for row in self.rows:
            if row.symbol == symbol and row.side == side:
                return row
        return None


class LoadedCalibration(NamedTuple):
    """The result of `load_calibration`: the calibration or None, and why the file itself is not used (else empty)."""

    calibration: Calibration | None
    reason: str


def load_calibration(path: Path | str, now: float) -> LoadedCalibration:
    """Load a published calibration; if it cannot be used, the previous one.

    Parameters
    ----------
    path
        The file written by `calib fit --publish`; the previous one is beside it as ``PATH.previous``.
    now
        Unix seconds.

    Returns
    -------
    LoadedCalibration
        ``(calibration, reason)``. A file with another schema, a wrong hash, or past its ``valid_until`` is refused;
        then the previous one is returned if it can be used, else None. Never raises because of a file's content.

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
    """The path of the previous calibration."""
    return path.with_name(path.name + PREVIOUS_SUFFIX)


def read_published(path: Path) -> dict[str, Any]:
    """Read the content of the file, whatever its age.

    Raises
    ------
    NotACalibration
        If it is missing, not JSON, has another schema, or was modified.
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
        raise _refused(path, "was modified after it was published: its hash does not match")
    return body


def content_hash(body: Mapping[str, Any]) -> str:
    """SHA-256 of the content without its own hash, keys sorted."""
    rest = {key: value for key, value in body.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def seconds(text: str) -> float:
    """Convert an ISO 8601 time to Unix seconds."""
    return datetime.fromisoformat(text).timestamp()


def _refused(path: Path, what: str) -> NotACalibration:
    return NotACalibration(what, where=str(path), hint="Create one with `calib fit --publish`")


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
