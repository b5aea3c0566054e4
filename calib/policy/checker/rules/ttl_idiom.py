"""CAL104: a hand-written TTL around prohibited data."""

from __future__ import annotations

from collections.abc import Iterator

from calib.policy.checker.detect.age import idioms
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.kinds import PROHIBITED
from calib.policy.checker.messages import listed
from calib.policy.checker.module import Module


def _find(module: Module) -> Iterator[Hit]:
    for idiom in idioms(module, PROHIBITED):
        yield Hit(
            idiom.guard.node.test,
            f"this age test decides whether `{idiom.function.name}` fetches {listed(idiom.kinds)}; it "
            "must be fetched on every call",
        )


RULE = Rule(
    id="CAL104",
    name="ttl-idiom",
    severity=Severity.ERROR,
    title="A hand-written TTL around prohibited data",
    why=(
        "An order can fill within even a short TTL. To stay within rate limits, request less often what the bot does "
        "not need, or use a user stream; do not serve an old balance."
    ),
    wrong=code("""
        import time


        class AccountService:
            def __init__(self, client):
                self.client = client
                self._cache = {}

            def get_account(self):
                entry = self._cache.get("account")
                if entry and time.time() - entry["at"] < 30:
                    return entry["data"]
                data = self.client.get_account()
                self._cache["account"] = {"at": time.time(), "data": data}
                return data
    """),
    right=code("""
        import time


        class AccountService:
            def __init__(self, client):
                self.client = client
                self._last_warning_at = 0.0

            def get_account(self):
                return self.client.get_account()

            def warn(self, text):
                if time.time() - self._last_warning_at < 30:
                    return
                self._last_warning_at = time.time()
                print(text)
    """),
    find=_find,
)
