"""The closed loop: reproducible feeds for tests, samples and trials, written by the live classes and real loggers.

- Foundations: `named_rng` (random numbers), `portable_math` (``exp`` and ``log`` with equal bits everywhere),
  `instruments`.
- Market: `market` (mid, regimes, spread), `depth` (the levels behind the best prices), `market_order_flow`,
  `market_model` (one symbol's market at the venue), `latency`, `incidents`.
- Bot: `pricing`, `records` (its log lines), and `closed_loop`: `socket`, `stages`, `account`, `bot`, `hour` (one hour,
  seeded independently), `tally`, `figures`, `compare`.
- Feeds: `malformed`, `plan`, `writing`, `output`; `live` runs the bot in real time.
"""
