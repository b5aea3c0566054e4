"""CAL112: an account snapshot that a background task refreshes."""

from __future__ import annotations

from collections.abc import Iterator

from calib.policy.checker.detect.background import refreshers
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.kinds import PROHIBITED
from calib.policy.checker.messages import listed, shown
from calib.policy.checker.module import Module


def _find(module: Module) -> Iterator[Hit]:
    reported: set[str] = set()
    for each in refreshers(module, PROHIBITED):
        place = f"{each.entry.owner}.{each.write.slot.path}"
        if place not in reported:
            reported.add(place)
            yield Hit(
                each.write.node,
                f"`{shown(each.write.slot.path)}` is a snapshot of {listed(each.kinds)} that "
                f"`{each.entry.name}` refreshes "
                "in the background; fetch it where it is used",
            )


RULE = Rule(
    id="CAL112",
    name="background-refresh",
    severity=Severity.ERROR,
    title="An account snapshot that is refreshed in the background",
    why=(
        "The reader sees a state that is some seconds old, or much older if the thread has died or its "
        "requests fail. "
        "Fetch in the function that makes the decision."
    ),
    wrong=code("""
        import threading
        import time


        class Bot:
            def __init__(self, client):
                self.client = client
                self._account = None
                threading.Thread(target=self._refresh, daemon=True).start()

            def _refresh(self):
                while True:
                    self._account = self.client.get_account()
                    time.sleep(10)

            def buying_power(self):
                return float(self._account.buying_power)
    """),
    right=code("""
        import threading
        import time


        class Bot:
            def __init__(self, client):
                self.client = client
                threading.Thread(target=self._beat, daemon=True).start()

            def _beat(self):
                while True:
                    self.client.ping()
                    time.sleep(10)

            def buying_power(self):
                return float(self.client.get_account().buying_power)
    """),
    find=_find,
)
