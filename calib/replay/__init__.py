"""Recorded feeds replayed through the classes that a bot runs, in virtual time."""
