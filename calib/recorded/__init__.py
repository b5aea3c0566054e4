"""Recorded books made whole again: the true book, as far as the recording shows it."""

from calib.recorded.sequence_detection import Messages, numbering_of, rule_for
from calib.recorded.true_book import TrueBook

__all__ = ["Messages", "TrueBook", "numbering_of", "rule_for"]
