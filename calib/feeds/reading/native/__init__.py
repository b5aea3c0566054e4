"""The kernel in C that reads plain lines of feeds; optional, and never the authority on what is valid."""

from calib.feeds.reading.native.library import NativeStatus, library, status

__all__ = ["NativeStatus", "library", "status"]
