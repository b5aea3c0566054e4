"""Calibration from live feeds: fill intensity, markouts, queue times, quotes, and the file that a bot loads."""
