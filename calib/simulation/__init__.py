"""The bot in a box: seeded feeds for tests, samples and trials, written by the live path and the real loggers.

- The ground: `chance` (the draws), `portable` (``exp`` and ``log`` alike everywhere), `instruments`.
- The world: `market` (mid, regimes, spread), `depth` (the levels behind), `tape` (market orders), `world` (the venue's
  truth of one symbol), `latency`, `incidents`.
- The bot: `pricing`, `records` (its log lines), and `box`, where it lives: `box.socket`, `box.stages`, `box.account`,
  `box.bot`, `box.hour` (one hour, seeded alone), `box.tally`, `box.figures`, `box.compare`.
- Feeds: `hostile`, `plan`, `writing`, `output`.
"""
