"""CAL202: a getter of a stored book without a stream."""

from __future__ import annotations

from collections.abc import Iterator

from calib.policy.checker.detect.books import book_getters, is_polled
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.module import Module


def _find(module: Module) -> Iterator[Hit]:
    for getter in book_getters(module):
        if is_polled(module, getter):
            yield Hit(getter.event.node, f"`{getter.function.name}` returns a stored order book that no stream updates")


RULE = Rule(
    id="CAL202",
    name="polled-book",
    severity=Severity.WARNING,
    title="A getter returns a stored order book that no stream updates",
    why=(
        "An order book may be stored only if a live stream updates it. A requested book is outdated by the next change "
        "of the market."
    ),
    wrong=code("""
        import time


        class Books:
            def __init__(self, client):
                self.client = client
                self._book = None
                self._at = 0.0

            def poll(self, symbol):
                self._book = self.client.fetch_order_book(symbol)
                self._at = time.monotonic()

            def get_order_book(self):
                if time.monotonic() - self._at > 5.0:
                    return None
                return self._book
    """),
    right=code("""
        import time


        class Books:
            def __init__(self):
                self._book = None
                self._at = 0.0

            async def on_message(self, message):
                self._book = message
                self._at = time.monotonic()

            def get_order_book(self):
                if time.monotonic() - self._at > 5.0:
                    return None
                return self._book
    """),
    find=_find,
)
