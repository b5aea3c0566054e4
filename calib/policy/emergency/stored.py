"""The emergency state as JSON, validated strictly so that a damaged state is never taken for a valid one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from calib.policy.emergency.state import CacheViolation, Emergency, EmergencyState, Procedure, Resume, StepOutcome
from calib.policy.safety import SafetyCheck


def to_json(state: EmergencyState) -> dict[str, Any]:
    """Return the state as plain values."""
    return asdict(state)


def from_json(raw: dict[str, Any]) -> EmergencyState:
    """Return the state from plain values.

    Raises
    ------
    ValueError
        If a field is missing or has a wrong type: a damaged state must not be read as clear.
    """
    latched = _take(raw, "latched", dict, type(None))
    resumed = _take(raw, "resumed", list)
    return EmergencyState(
        None if latched is None else _emergency(latched), tuple(_resume(_object(one)) for one in resumed)
    )


def _emergency(raw: dict[str, Any]) -> Emergency:
    procedures = _take(raw, "procedures", dict)
    emergency = Emergency(
        _text(raw, "id"),
        _number(raw, "ts"),
        tuple(
            CacheViolation(
                _text(one, "type"), _text(one, "component"), _number(one, "ts"), _text(one, "owner"), _text(one, "id")
            )
            for one in map(_object, _take(raw, "violations", list))
        ),
        {str(owner): _procedure(_object(one)) for owner, one in procedures.items()},
    )
    if not emergency.id:
        raise ValueError("the emergency has no id")
    return emergency


def _procedure(raw: dict[str, Any]) -> Procedure:
    safety = _take(raw, "safety", dict, type(None))
    steps = (
        StepOutcome(
            _text(one, "step"), _text(one, "component"), _take(one, "ok", bool), _number(one, "ts"), _text(one, "error")
        )
        for one in map(_object, _take(raw, "steps", list))
    )
    seen = tuple(_take({"id": one}, "id", str) for one in _take(raw, "safety_seen", list))
    return Procedure(tuple(steps), None if safety is None else _safety(safety), _number(raw, "safety_ts"), seen)


def _safety(raw: dict[str, Any]) -> SafetyCheck:
    findings = _take(raw, "findings", list)
    if not all(isinstance(one, str) for one in findings) or _take(raw, "passed", bool) is not (not findings):
        raise ValueError("the safety check contradicts itself")
    return SafetyCheck.of(findings)


def _resume(raw: dict[str, Any]) -> Resume:
    return Resume(
        _text(raw, "emergency_id"),
        _number(raw, "ts"),
        _text(raw, "reason"),
        _text(raw, "by"),
        _number(raw, "paper_traded_until"),
        _number(raw, "monitored_until"),
    )


def _take(raw: dict[str, Any], key: str, *kinds: type) -> Any:
    if key not in raw:
        raise ValueError(f"{key} is missing")
    if not isinstance(raw[key], kinds):
        raise ValueError(f"{key} has type {type(raw[key]).__name__}")
    return raw[key]


def _text(raw: dict[str, Any], key: str) -> str:
    return str(_take(raw, key, str))


def _number(raw: dict[str, Any], key: str) -> float:
    value = _take(raw, key, int, float)
    if isinstance(value, bool) or not -1e12 < value < 1e12:
        raise ValueError(f"{key}: {value!r} is out of range")
    return float(value)


def _object(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ValueError(f"expected an object, found {type(raw).__name__}")
    return raw
