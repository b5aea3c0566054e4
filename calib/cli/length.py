"""Durations in human-readable form."""

from __future__ import annotations


def length(seconds: float) -> str:
    """Format a duration for people: ``850 ms``, ``12.5 s``, ``3 h 5 min``, ``2 d 4 h``."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min" if seconds >= 600 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
