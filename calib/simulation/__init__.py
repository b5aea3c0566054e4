"""The market-and-bot model: seeded feeds for tests, samples and trials, written through the real loggers.

- The ground: `chance` (the draws), `portable` (``exp`` and ``log`` alike everywhere), `instruments`.
- The world, which any bot can live in: `market` (mid, regimes, spread), `fills` (intensity, queue), `latency`,
  `incidents`.
- The model bot: `reads`, `pricing`, `bot`, `rolling`, and `records` (its log lines).
- Feeds: `hours` (one hour, seeded alone), `hostile`, `plan`, `writing`, `output`.
"""
