"""Recorded feeds evaluated: an AB experiment, a canary, and what stale market data did.

- `calib.evaluation.ab`: `evaluate_ab`
- `calib.evaluation.canary`: `check_canary`, and what an operator does to a canary
- `calib.evaluation.policy_feeds`, `calib.evaluation.policy_assessment`: the reads and fills that used a stale book
"""
