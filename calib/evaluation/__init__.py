"""Recorded feeds evaluated: an AB experiment, and a canary.

- `calib.evaluation.ab`: `evaluate_ab`
- `calib.evaluation.canary`: `check_canary`, and what an operator does to a canary
"""
