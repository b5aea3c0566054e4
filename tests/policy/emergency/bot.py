"""A bot for the kill tests: ``bot.py DIRECTORY violate|recover STEP``; it hangs in that step and says where it is."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from calib.policy import CacheComplianceMonitor, EmergencyResponse, FakeTradingEngine


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


class SayingEngine(FakeTradingEngine):
    """Prints each call before it does anything."""

    async def _called(self, name: str) -> None:
        say(name)
        await super()._called(name)


async def main(directory: Path, what: str, hang: str) -> None:
    monitor = CacheComplianceMonitor(audit_path=directory / "access_audit.jsonl")
    emergency = EmergencyResponse(SayingEngine(hanging=[hang]), directory, monitor=monitor, step_timeout_s=60)
    monitor.emergency = emergency
    say("allowed" if emergency.trading_allowed() else "latched")
    if what == "violate":
        monitor.monitor_cache_access("wallet", "balance")
    else:
        await emergency.recover()
        say("recovered")
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
