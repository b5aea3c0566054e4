"""Publishing a fit as the file that a bot loads: checks the guard rails, then writes atomically."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from calib.errors import NotACalibration
from calib.files import write_atomic
from calib.fitting.document import encoded, iso
from calib.fitting.fit import FitResult
from calib.fitting.guard_rails import DAY_S, GuardRails
from calib.fitting.published import SCHEMA, content_hash, previous_path, read_published, seconds
from calib.fitting.verdict import USE

_NUMBERS: Final = ("A_per_s", "k_per_bps", "sigma_bps", "half_bps", "skew_bps", "gamma", "table", "eta_ms", "n")


@dataclass(frozen=True, slots=True)
class Publication:
    """The result of `publish`.

    Parameters
    ----------
    path
        The published file.
    changed
        False if the file already has this fit, or if no row may change.
    new, held
        Number of rows with new numbers, and of rows that keep older ones (or none).
    body
        The current content of the file; None if there is no file.
    """

    path: Path
    changed: bool
    new: int
    held: int
    body: dict[str, Any] | None


def publish(result: FitResult, fit_path: Path, path: Path, rails: GuardRails) -> Publication:
    """Publish a fit; a file that is not a calibration is not replaced.

    The existing file is kept as ``PATH.previous``. Both are written to a temporary file, synced and renamed, so that a
    kill at any time leaves a complete calibration at ``PATH`` or ``PATH.previous``.

    Parameters
    ----------
    fit_path
        The file of the fit, whose hash is stored in the calibration.

    Raises
    ------
    NotACalibration
        If ``path`` is a different kind of file.
    UnwritableOutput
        If the system refuses.
    """
    before = read_published(path) if path.exists() else None
    body = calibration_body(result, hashlib.sha256(fit_path.read_bytes()).hexdigest(), fit_path.name, rails, before)
    new = sum(row["held"] is None for row in body["rows"])
    held = len(body["rows"]) - new
    if before is not None and (before["fit"]["sha256"] == body["fit"]["sha256"] or not new):
        return Publication(path, False, new, held, before)
    if before is not None:
        write_atomic(previous_path(path), path.read_bytes())
    write_atomic(path, encoded(body))
    return Publication(path, True, new, held, body)


def calibration_body(
    result: FitResult, fit_sha256: str, fit_name: str, rails: GuardRails, before: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The content of a calibration, including its hash.

    Raises
    ------
    NotACalibration
        If the published calibration is of a later range than the fit.
    """
    document = result.document
    valid_from = document["range"]["to"]
    until = iso(seconds(valid_from) + rails.max_age_s)
    if before is not None and seconds(before["valid_from"]) > seconds(valid_from):
        raise NotACalibration(
            f"the published calibration uses data to {before['valid_from']}, newer than this fit's {valid_from}",
            hint="Fit a later range, or publish to another path",
        )
    old = {(row["symbol"], row["side"]): row for row in before["rows"]} if before else {}
    days = max(1.0, (seconds(valid_from) - seconds(before["valid_from"])) / DAY_S) if before else 1.0
    rows = [_row(fit, old.pop((fit["symbol"], fit["side"]), None), rails, days, until) for fit in result.rows]
    rows += [_kept(row, "not_in_this_fit") for row in old.values()]
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "version": before["version"] + 1 if before else 1,
        "valid_from": valid_from,
        "valid_until": until,
        "fit": {"file": fit_name, "sha256": fit_sha256},
        "inputs": [{"file": one["file"], "sha256": one["sha256"]} for one in document["inputs"]],
        "rows": sorted(rows, key=lambda row: (row["symbol"], row["side"])),
    }
    return {**body, "sha256": content_hash(body)}


def _row(
    fit: Mapping[str, Any], old: Mapping[str, Any] | None, rails: GuardRails, days: float, until: str
) -> dict[str, Any]:
    head = {"symbol": fit["symbol"], "side": fit["side"], "verdict": fit["verdict"]}
    held = _reason_to_hold(fit, rails)
    if held is not None:
        return _held(head, old, held, until)
    quotes = fit["quotes"][0] if fit["quotes"] else None
    row = {
        **head,
        "valid_until": until,
        "A_per_s": fit["intensity"]["A_per_s"],
        "k_per_bps": fit["intensity"]["k_per_bps"],
        "sigma_bps": None if fit["sigma"] is None else fit["sigma"]["bps_per_sqrt_s"],
        "half_bps": None if quotes is None else quotes["half_bps"],
        "skew_bps": None if quotes is None else quotes["skew_bps"],
        "gamma": None if quotes is None else quotes["gamma"],
        "table": [] if quotes is None else quotes["table"],
        "eta_ms": {one["bucket"]: one["eta_ms"]["est"] for one in fit["queue"] if one["eta_ms"]["quantile"] == 0.5},
        "n": fit["n"],
        "held": None,
        "limited": [],
    }
    return _limited(row, old, rails, days)


def _reason_to_hold(fit: Mapping[str, Any], rails: GuardRails) -> str | None:
    if fit["verdict"] != USE:
        return "; ".join([fit["verdict"], *fit["reasons"]])
    for quotes in fit["quotes"][:1]:
        half = quotes["half_bps"]
        if half["low"] is None or half["high"] is None:
            return "half_has_no_interval"
        if (half["high"] - half["low"]) / 2 > rails.max_half_width * half["est"]:
            return "half_interval_too_wide"
        if quotes["skew_bps"]["est"] < 0:
            return "skew_below_0"
    return None


def _held(head: dict[str, Any], old: Mapping[str, Any] | None, reason: str, until: str) -> dict[str, Any]:
    if old is None:
        nothing: dict[str, Any] = dict.fromkeys(_NUMBERS)
        return {**head, "valid_until": until, **nothing, "table": [], "eta_ms": {}, "held": reason, "limited": []}
    return {**_kept(old, reason), "verdict": head["verdict"]}


def _kept(old: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """Older numbers, with the time until which they are valid."""
    return {**old, "held": reason}


def _limited(row: dict[str, Any], old: Mapping[str, Any] | None, rails: GuardRails, days: float) -> dict[str, Any]:
    """Limit the change of half and skew from the published values, and apply their bounds; the table is adjusted."""
    if row["half_bps"] is None:
        return row
    limited = []
    share = rails.max_move_per_day * days
    wanted = {key: row[key]["est"] for key in ("half_bps", "skew_bps")}
    allowed = dict(wanted)
    for key in wanted:
        published = old[key]["est"] if old is not None and old.get(key) is not None else None
        if published is not None:
            low, high = published * (1 - min(1.0, share)), published * (1 + share)
            allowed[key] = min(max(wanted[key], low), high)
            if allowed[key] != wanted[key]:
                limited.append(f"{key}_move")
    bounded = min(max(allowed["half_bps"], rails.min_half_bps), rails.max_half_bps)
    if bounded != allowed["half_bps"]:
        limited.append("half_bps_bounds")
        allowed["half_bps"] = bounded
    allowed["skew_bps"] = max(0.0, allowed["skew_bps"])
    return {
        **row,
        **{key: {**row[key], "est": allowed[key]} for key in wanted},
        "table": _moved(row["table"], wanted, allowed),
        "limited": limited,
    }


def _moved(
    table: Sequence[Mapping[str, float]], wanted: Mapping[str, float], allowed: Mapping[str, float]
) -> list[dict[str, float]]:
    """The table shifted to the allowed half-spread, its slope scaled like the skew."""
    scale = allowed["skew_bps"] / wanted["skew_bps"] if wanted["skew_bps"] > 0 else 1.0
    centre, half = allowed["half_bps"], wanted["half_bps"]
    return [
        {
            "q": entry["q"],
            "bid_bps": centre + (entry["bid_bps"] - half) * scale,
            "ask_bps": centre + (entry["ask_bps"] - half) * scale,
        }
        for entry in table
    ]
