"""CAL106: old prohibited data returned after a failed fetch."""

from __future__ import annotations

from collections.abc import Iterator

from calib.policy.checker.detect.fallback import fallbacks
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.kinds import PROHIBITED
from calib.policy.checker.messages import listed
from calib.policy.checker.module import Module


def _find(module: Module) -> Iterator[Hit]:
    for fallback in fallbacks(module, PROHIBITED):
        yield Hit(
            fallback.node,
            f"`{fallback.function.name}` returns old {listed(fallback.kinds)} if the fetch fails; raise, "
            "or report that it is unknown",
        )


RULE = Rule(
    id="CAL106",
    name="old-on-error",
    severity=Severity.ERROR,
    title="An old value is returned from `except`",
    why=(
        "Requests fail mostly when markets move fast. The old value is then most wrong, and the caller cannot detect "
        "it. Let the error propagate and do not quote until a request succeeds."
    ),
    wrong=code("""
        class Account:
            def __init__(self, client):
                self.client = client
                self._last_balance = 0.0

            def balance(self):
                try:
                    self._last_balance = self.client.fetch_balance()
                    return self._last_balance
                except ConnectionError:
                    return self._last_balance
    """),
    right=code("""
        class Account:
            def __init__(self, client):
                self.client = client

            def balance(self):
                try:
                    return self.client.fetch_balance()
                except ConnectionError as error:
                    raise RuntimeError("the balance is not known now") from error
    """),
    find=_find,
)
