"""Order books rebuilt from recordings: the true book, as far as the recording shows it."""

from calib.recorded.book_audit import BookAudit, BookFacts
from calib.recorded.sequence_detection import Messages, numbering_of, rule_for
from calib.recorded.true_book import TrueBook

__all__ = ["BookAudit", "BookFacts", "Messages", "TrueBook", "numbering_of", "rule_for"]
