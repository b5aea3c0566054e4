"""Check that the live-book fuzz finds each fault if its fix is removed. Run: python -m tools.check_live_book_mutants

Each mutant is a copy of calib with one fix removed by a text replacement; the fuzz must report a problem. Prints the
table of docs/explanation/live-book-fuzz.md; exits 1 if a mutant survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
WALKS = 800


class Mutant(NamedTuple):
    """One fix, and the text replacement that removes it."""

    fault: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "a lagging copy of the old numbering",
        "stream/numbering.py",
        "return update_id >= min(self._old_first, self.first_id) and not proven",
        "return False",
    ),
    Mutant(
        "ids go back under a snapshot without a bridge",
        "stream/book_stream.py",
        "        if ids_went_back:\n            # If deltas",
        "        if False:\n            # If deltas",
    ),
    Mutant(
        "a second stream forgets the ids that were seen",
        "stream/book_stream.py",
        "if after is None else after.numbering",
        "",
    ),
    Mutant(
        "what is known of a side is not tracked",
        "stream/known_depth.py",
        "self.limited = self._bid_edge != _WHOLE or self._ask_edge != _WHOLE",
        "self.limited = False",
    ),
    Mutant(
        "a view deeper than what is known",
        "cache/entry.py",
        "min(self._full_depth, stream.known_depth)",
        "self._full_depth",
    ),
    Mutant(
        "a reader wakes after the loss",
        "cache/refresh.py",
        "return entry if entry is None or waiter.generation == self._generation else None",
        "return entry",
    ),
    Mutant(
        "half a book for guards",
        "cache/freshness.py",
        "half = facts.one_sided and request.needs_both_sides",
        "half = False",
    ),
    Mutant("half a book out of the fast path", "cache/entry.py", "if view.bids and view.asks:  #", "if True:  #"),
    Mutant(
        "a suspect book after a confirming body",
        "cache/entry_table.py",
        "if entry.trust is TrustLevel.LIVE and entry.stream.suspect(now_ns):",
        "if False:",
    ),
    Mutant(
        "a late body priced as fresh",
        "cache/freshness.py",
        "    if facts.age_ns <= limits.fresh_ns(TrustLevel.LIVE, use_case) and not (suspect and pricing):",
        "    if True:",
    ),
    Mutant(
        "a terminal state",
        "stream/book_stream.py",
        "        return (*alarm, Resync(",
        "        if alarm or self._failure_reported:\n            return alarm\n        return (*alarm, Resync(",
    ),
    Mutant(
        "a reader behind the book takes it away",
        "cache/freshness.py",
        "    if facts.verified and gap:",
        "    if False:",
    ),
    Mutant(
        "a reader ahead of the book takes it away",
        "stream/book_stream.py",
        "        if for_reader:",
        "        if False:",
    ),
    Mutant(
        "raising metrics",
        "cache/stats.py",
        "        except Exception:\n            self.metrics_errors += 1",
        "        except ZeroDivisionError:\n            self.metrics_errors += 1",
    ),
    Mutant(
        "two sockets at a hand-over",
        "cache/ingest.py",
        "            state.standby = slot\n        silences",
        "            state.active = slot\n        silences",
    ),
    Mutant(
        "a doubt while the stream gets in sync",
        "stream/book_stream.py",
        "        if not self.live or (reason is Reason.PRICE_JUMP and not self.may_request_snapshot(now_ns)):",
        "        if not self.connected:",
    ),
    Mutant(
        "a snapshot wanted while a callback hung",
        "cache/refresh.py",
        "while self._task is task and (self._waiters or self._wanted):",
        "while self._task is task and self._waiters:",
    ),
    Mutant(
        "a refresh that timed out counts twice",
        "cache/refresh.py",
        "            if not self._settle_expiry():  # else",
        "            if True:  # else",
    ),
    Mutant(
        "an invalidation in flight",
        "cache/snapshot_sync.py",
        "            if result.superseded or restart:",
        "            if restart:",
    ),
)

_RUN = """
import sys
from tests.property.live_book_world import explore
for seed in range(int(sys.argv[1])):
    for faults in (True, False):
        try:
            problems = explore(seed, faults=faults).problems
        except Exception as error:
            problems = [repr(error)]
        if problems:
            print(f"{seed}|{problems[0][:60]}")
            sys.exit(0)
print("survived|")
"""


def run(mutant: Mutant) -> str:
    """Return ``seed|problem`` of the first walk that found it, or ``survived|``."""
    with tempfile.TemporaryDirectory() as directory:
        for name in ("calib", "tests"):
            shutil.copytree(ROOT / name, Path(directory) / name, ignore=shutil.ignore_patterns("__pycache__"))
        path = Path(directory) / "calib" / "market" / mutant.file
        text = path.read_text()
        if text.count(mutant.old) != 1:
            raise SystemExit(f"{mutant.fault}: the text occurs {text.count(mutant.old)} times in {mutant.file}")
        path.write_text(text.replace(mutant.old, mutant.new))
        environment = os.environ | {"PYTHONPATH": directory}
        done = subprocess.run(
            [sys.executable, "-c", _RUN, str(WALKS)], cwd=directory, env=environment, capture_output=True, text=True
        )
        return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else f"0|{done.stderr.strip()[-60:]}"


def main() -> int:
    """Run every mutant; return 1 if one survives."""
    survived = 0
    print("| fix removed | found by the walk of seed | as |\n|---|---|---|")
    for mutant in MUTANTS:
        seed, _, problem = run(mutant).partition("|")
        survived += seed == "survived"
        print(f"| {mutant.fault} | {seed} | {problem.split(':')[0]} |", flush=True)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
