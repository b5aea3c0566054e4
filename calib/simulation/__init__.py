"""The market-and-bot model: seeded feeds for tests, samples and trials, written through the real loggers."""
