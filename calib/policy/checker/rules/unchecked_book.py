"""CAL108: a getter of a stored book without an age check."""

from __future__ import annotations

from collections.abc import Iterator

from calib.policy.checker.detect.books import book_getters, checks_age
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.module import Module


def _find(module: Module) -> Iterator[Hit]:
    for getter in book_getters(module):
        if not checks_age(module, getter.function):
            yield Hit(getter.event.node, f"`{getter.function.name}` returns a stored order book without an age check")


RULE = Rule(
    id="CAL108",
    name="unchecked-book",
    severity=Severity.WARNING,
    title="A getter returns a stored order book without an age check",
    why=(
        "After a stream has died its last book still looks valid. Compare its time with the clock, or check whether "
        "the connection is alive, and return None after 5 s."
    ),
    wrong=code("""
        class Books:
            def __init__(self):
                self._books = {}

            def on_depth(self, message):
                self._books[message["symbol"]] = message

            def get_order_book(self, symbol):
                return self._books.get(symbol)
    """),
    right=code("""
        import time


        class Books:
            def __init__(self):
                self._books = {}
                self._seen_at = {}

            def on_depth(self, message):
                self._books[message["symbol"]] = message
                self._seen_at[message["symbol"]] = time.monotonic()

            def get_order_book(self, symbol):
                if time.monotonic() - self._seen_at.get(symbol, 0.0) > 5.0:
                    return None
                return self._books.get(symbol)
    """),
    find=_find,
)
