"""The emergency procedure after a violation of the caching policy, and the latch that only an operator clears."""

from calib.policy.emergency.engine import FakeTradingEngine, TradingEngine
from calib.policy.emergency.response import EmergencyResponse
from calib.policy.emergency.resume import ResumeDecision, resume
from calib.policy.emergency.runner import EmergencyOutcome
from calib.policy.emergency.state import CacheViolation, Phase, StepName, StepOutcome
from calib.policy.emergency.store import EmergencyStore

__all__ = [
    "CacheViolation",
    "EmergencyOutcome",
    "EmergencyResponse",
    "EmergencyStore",
    "FakeTradingEngine",
    "Phase",
    "ResumeDecision",
    "StepName",
    "StepOutcome",
    "TradingEngine",
    "resume",
]
