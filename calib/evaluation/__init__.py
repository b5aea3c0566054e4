"""Evaluation of recorded feeds: AB experiments, canaries, readiness, and the cost of stale market data.

- `calib.evaluation.ab`: `evaluate_ab`
- `calib.evaluation.canary`: `check_canary`, and an operator's actions on a canary
- `calib.evaluation.policy_feeds`, `calib.evaluation.policy_assessment`: the reads and fills that used a stale book
"""
