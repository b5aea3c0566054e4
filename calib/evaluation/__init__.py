"""Recorded feeds, judged."""
