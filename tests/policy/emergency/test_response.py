"""The procedure: its order, exactly once, timeouts, escalation, and no way back by itself."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from calib import virtual_loop
from calib.clock import VirtualClock
from calib.errors import BadState, ConfigError
from calib.policy import (
    CacheComplianceMonitor,
    CacheCounts,
    EmergencyResponse,
    FakeTradingEngine,
    Phase,
    SafetyCheck,
    Unmonitored,
    set_default_monitor,
)
from calib.policy.emergency import EmergencyStore, resume

ORDER = ["stop_trading", "disable_cache", "enable_fresh_api_mode", "cached_trading_data"]
STEPS = ["stop_trading", "disable_cache_component", "enable_fresh_api_mode", "validate_no_cached_trading_data"]


def response(engine: FakeTradingEngine, directory: Path | None = None, **options: Any) -> EmergencyResponse:
    options.setdefault("monitor", CacheComplianceMonitor())
    return EmergencyResponse(engine, directory, **options)


async def until(condition: Callable[[], object]) -> None:
    """Wait until it holds; 20 s at most."""
    deadline = time.monotonic() + 20
    while not condition():  # what is waited for happens on other threads
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def test_the_steps_run_in_order() -> None:
    engine = FakeTradingEngine()

    async def main() -> None:
        outcome = await response(engine).handle_cache_violation("balance_cache_access", "wallet")
        assert [step.step for step in outcome.steps] == STEPS
        assert outcome.safety == SafetyCheck(True, ())
        assert outcome.escalations == ()

    virtual_loop.run(main())
    assert engine.calls == ORDER
    assert (engine.trading, engine.fresh_api_mode, engine.disabled) == (False, True, ["wallet"])


def test_exactly_once_under_concurrent_violations() -> None:
    engine = FakeTradingEngine()

    async def main() -> None:
        emergency = response(engine)
        outcomes = await asyncio.gather(*(emergency.handle_cache_violation("t", "wallet") for _ in range(50)))
        assert len({outcome.emergency_id for outcome in outcomes}) == 1
        await emergency.handle_cache_violation("t", "wallet")  # later, while it is still in force

    virtual_loop.run(main())
    assert engine.calls == ORDER


def test_exactly_once_from_many_threads(tmp_path: Path) -> None:
    engine = FakeTradingEngine()
    emergency = response(engine, tmp_path)
    barrier = threading.Barrier(8)

    def violate() -> None:
        barrier.wait()
        asyncio.run(emergency.handle_cache_violation("t", "wallet"))

    threads = [threading.Thread(target=violate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert engine.calls == ORDER
    assert emergency.status()["safety"] is True


def test_another_component_is_disabled_and_validated_too_but_trading_is_stopped_once() -> None:
    engine = FakeTradingEngine()

    async def main() -> None:
        emergency = response(engine)
        await asyncio.gather(*(emergency.handle_cache_violation("t", name) for name in ("a", "b", "a")))
        await emergency.handle_cache_violation("t", "c")

    virtual_loop.run(main())
    assert sorted(engine.disabled) == ["a", "b", "c"]
    assert engine.calls.count("stop_trading") == engine.calls.count("enable_fresh_api_mode") == 1
    assert engine.calls[-1] == "cached_trading_data"


def test_violations_from_another_thread_run_on_the_engines_loop() -> None:
    loops: list[object] = []

    class Bound(FakeTradingEngine):
        async def stop_trading(self, reason: str) -> None:
            loops.append(asyncio.get_running_loop())
            await super().stop_trading(reason)

    async def main() -> None:
        monitor = CacheComplianceMonitor()
        emergency = EmergencyResponse(Bound(), monitor=monitor)
        monitor.emergency = emergency
        thread = threading.Thread(target=monitor.monitor_cache_access, args=("wallet", "balance"))
        thread.start()
        await until(lambda: emergency.status()["safety"] is not None)
        thread.join()
        assert loops == [asyncio.get_running_loop()]

    asyncio.run(main())


@pytest.mark.parametrize("failing", ORDER)
@pytest.mark.parametrize("how", ["failing", "hanging"])
def test_a_failed_step_escalates_and_the_later_ones_still_run(failing: str, how: str) -> None:
    told: list[str] = []
    clock = VirtualClock()

    async def tell(sentence: str) -> None:
        told.append(sentence)

    async def main() -> None:
        engine = FakeTradingEngine(**{how: [failing]})
        emergency = response(engine, escalate=tell, step_timeout_s=5, clock=clock)
        outcome = await emergency.handle_cache_violation("t", "wallet")
        assert engine.calls == ORDER
        assert outcome.escalations == tuple(told)
        assert len(told) == 1
        assert STEPS[ORDER.index(failing)] in outcome.escalations[0]
        assert [step.ok for step in outcome.steps] == [name != failing for name in ORDER]
        assert outcome.safety.passed is (failing != "cached_trading_data")
        assert emergency.trading_allowed() is False
        assert clock.monotonic_ns() == (5_000_000_000 if how == "hanging" else 0)

    virtual_loop.run(main(), clock=clock)


def test_a_failed_escalation_does_not_stop_the_procedure() -> None:
    engine = FakeTradingEngine(failing=["stop_trading"])

    async def broken(sentence: str) -> None:
        raise OSError("pager is down")

    async def main() -> None:
        await response(engine, escalate=broken).handle_cache_violation("t", "wallet")

    virtual_loop.run(main())
    assert engine.calls == ORDER


def test_a_step_that_blocks_the_thread_does_not_block_the_loop() -> None:
    release = threading.Event()

    class Blocking(FakeTradingEngine):
        def stop_trading(self, reason: str) -> None:  # type: ignore[override]
            release.wait(10)

    async def main() -> None:
        engine = Blocking()
        outcome = await response(engine, step_timeout_s=0.05).handle_cache_violation("t", "wallet")
        assert outcome.escalations == ("stop_trading: did not end within 0.05 s",)
        assert engine.calls == ORDER[1:]

    asyncio.run(main())
    release.set()


def test_it_never_resumes_by_itself() -> None:
    clock = VirtualClock()

    async def main() -> None:
        emergency = response(FakeTradingEngine(), clock=clock)
        watcher = asyncio.create_task(emergency.watch(60))
        await emergency.handle_cache_violation("t", "wallet")
        await asyncio.sleep(30 * 86_400)
        assert emergency.phase is Phase.LATCHED
        assert not emergency.trading_allowed()
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)

    virtual_loop.run(main(), clock=clock)


def test_a_cancelled_caller_does_not_stop_the_procedure() -> None:
    engine = FakeTradingEngine()

    async def main() -> None:
        emergency = response(engine)
        caller = asyncio.create_task(emergency.handle_cache_violation("t", "wallet"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        await asyncio.sleep(1)
        assert engine.calls == ORDER

    virtual_loop.run(main())


def test_watching_tries_again_what_failed() -> None:
    engine = FakeTradingEngine(failing=["stop_trading", "cached_trading_data"])

    async def main() -> None:
        emergency = response(engine)
        watcher = asyncio.create_task(emergency.watch(1))
        await emergency.handle_cache_violation("t", "wallet")
        await asyncio.sleep(3.5)
        assert (engine.trading, engine.calls.count("stop_trading")) == (True, 4)
        engine.failing.clear()
        await asyncio.sleep(2)
        assert (engine.trading, engine.calls.count("stop_trading")) == (False, 5)
        assert emergency.status()["safety"] is True
        assert engine.calls.count("disable_cache") == 1
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)

    virtual_loop.run(main())


class Cache:
    """A registered cache that refuses to be switched off, when told to."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.enabled = True
        self.stuck = stuck

    def cache_counts(self) -> CacheCounts:
        return CacheCounts(0, 0)

    def disable_cache(self, reason: str) -> None:
        self.enabled = self.stuck


def test_validation_finds_a_cache_that_still_serves() -> None:
    monitor = CacheComplianceMonitor()
    caches = Cache(), Cache(stuck=True)
    for cache in caches:
        monitor.register("orderbook", owner="books").attach(cache)

    async def main() -> None:
        outcome = await response(FakeTradingEngine(), monitor=monitor).handle_cache_violation("t", "books")
        assert outcome.safety.findings == ("books still serves cached values (1 enabled)",)

    virtual_loop.run(main())
    assert not caches[0].enabled


def test_validation_finds_reads_after_the_cache_was_disabled() -> None:
    monitor = CacheComplianceMonitor()

    class Reads(FakeTradingEngine):
        async def enable_fresh_api_mode(self) -> None:
            monitor.monitor_cache_access("wallet", "balance")
            await super().enable_fresh_api_mode()

    async def main() -> None:
        emergency = response(Reads(), monitor=monitor)
        monitor.monitor_cache_access("wallet", "balance")  # before: it is why the procedure runs
        outcome = await emergency.handle_cache_violation("t", "wallet")
        assert outcome.safety.findings == ("wallet was read for balance: 1 since the last check",)
        assert (await emergency.validate_no_cached_trading_data()).passed

    virtual_loop.run(main())


def test_validation_finds_what_the_bot_and_unmonitored_caches_keep() -> None:
    monitor = CacheComplianceMonitor()
    before = set_default_monitor(monitor)
    try:
        Unmonitored(reason="an experiment").register("position", owner="mine")
        Unmonitored(reason="replay").register("orderbook", owner="replay")

        async def main() -> None:
            engine = FakeTradingEngine(cached=["balances of yesterday"])
            outcome = await EmergencyResponse(engine).handle_cache_violation("t", "wallet")
            assert outcome.safety.findings == (
                "the bot still caches balances of yesterday",
                "mine caches position outside of the policy",
            )

        virtual_loop.run(main())
    finally:
        set_default_monitor(before)


def test_a_violation_after_the_validation_is_validated_again_by_the_watch() -> None:
    engine, clock = FakeTradingEngine(), VirtualClock()

    async def main() -> None:
        emergency = response(engine, clock=clock)
        await emergency.handle_cache_violation("t", "wallet")
        await asyncio.sleep(5)
        await emergency.handle_cache_violation("t", "wallet")
        assert engine.calls == ORDER
        watcher = asyncio.create_task(emergency.watch(1))
        await asyncio.sleep(10)
        assert engine.calls == [*ORDER, "cached_trading_data"]
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)

    virtual_loop.run(main(), clock=clock)


def test_a_storm_of_violations_fills_neither_memory_nor_disk(tmp_path: Path) -> None:
    clock = VirtualClock(1e9)

    async def main() -> None:
        emergency = response(FakeTradingEngine(), tmp_path, clock=clock)
        for _ in range(2000):
            clock.advance_ms(1)
            await emergency.handle_cache_violation("t", "wallet")
        await until(lambda: emergency.status()["saved"])

    asyncio.run(main())
    held = EmergencyStore(tmp_path).load().latched
    assert held is not None
    assert 2 <= len(held.violations) <= 5
    assert len((tmp_path / "emergency_audit.jsonl").read_bytes().splitlines()) < 20


def test_the_engine_and_its_fake_agree_with_the_protocol() -> None:
    from calib.policy import TradingEngine

    assert isinstance(FakeTradingEngine(), TradingEngine)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_out_of_range_is_refused(timeout: float) -> None:
    with pytest.raises(ConfigError):
        response(FakeTradingEngine(), step_timeout_s=timeout)


# --- with a state file


def test_the_latch_is_on_disk_before_trading_is_stopped(tmp_path: Path) -> None:
    seen: list[object] = []

    class Looks(FakeTradingEngine):
        async def stop_trading(self, reason: str) -> None:
            seen.append(json.loads((tmp_path / "emergency.json").read_bytes())["latched"]["id"])
            await super().stop_trading(reason)

    async def main() -> None:
        outcome = await response(Looks(), tmp_path).handle_cache_violation("t", "wallet")
        assert seen == [outcome.emergency_id]

    asyncio.run(main())


def test_a_restarted_process_is_latched_and_runs_the_whole_procedure_again(tmp_path: Path) -> None:
    async def first() -> None:
        await response(FakeTradingEngine(), tmp_path).handle_cache_violation("t", "wallet")

    async def second() -> None:
        engine = FakeTradingEngine()
        emergency = response(engine, tmp_path)
        assert not emergency.trading_allowed()
        outcome = await emergency.recover()
        assert outcome is not None
        assert outcome.safety.passed
        assert engine.calls == ORDER
        await emergency.recover()
        assert engine.calls == ORDER

    asyncio.run(first())
    asyncio.run(second())


def test_recover_does_nothing_where_nothing_is_in_force(tmp_path: Path) -> None:
    engine = FakeTradingEngine()
    emergency = response(engine, tmp_path)
    assert emergency.trading_allowed()
    assert asyncio.run(emergency.recover()) is None
    assert engine.calls == []
    assert list(tmp_path.iterdir()) == []


def test_a_latch_of_another_process_is_joined(tmp_path: Path) -> None:
    async def main() -> None:
        engines = FakeTradingEngine(), FakeTradingEngine()
        first = response(engines[0], tmp_path, owner="maker")
        second = response(engines[1], tmp_path, owner="hedger")
        assert second.trading_allowed()
        await first.handle_cache_violation("t", "wallet")
        assert not second.trading_allowed()
        watcher = asyncio.create_task(second.watch(0.01))
        await until(lambda: engines[1].calls == ORDER)
        await until(lambda: second.status()["saved"])
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)

    asyncio.run(main())
    held = EmergencyStore(tmp_path).load().latched
    assert held is not None
    assert set(held.procedures) == {"maker", "hedger"}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"schema": "other/1"}', b'{"schema": "calib.emergency/1"}'])
def test_a_damaged_state_file_is_refused_by_name(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "emergency.json").write_bytes(damage)
    with pytest.raises(BadState, match="emergency"):
        response(FakeTradingEngine(), tmp_path)


def test_a_state_file_that_is_damaged_or_gone_clears_no_latch_in_memory(tmp_path: Path) -> None:
    async def main() -> None:
        emergency = response(FakeTradingEngine(), tmp_path)
        await emergency.handle_cache_violation("t", "wallet")
        path = tmp_path / "emergency.json"
        whole = path.read_bytes()
        for damage in (b"", b"{}", whole[:50], b'{"schema": "calib.emergency/1", "latched": null, "resumed": []}'):
            path.write_bytes(damage)
            assert not emergency.trading_allowed(), damage
        path.unlink()
        assert not emergency.trading_allowed()

    asyncio.run(main())


def test_an_emergency_that_only_the_audit_knows_is_in_force(tmp_path: Path) -> None:
    async def main() -> None:
        await response(FakeTradingEngine(), tmp_path).handle_cache_violation("t", "wallet")

    asyncio.run(main())
    (tmp_path / "emergency.json").unlink()
    assert not response(FakeTradingEngine(), tmp_path).trading_allowed()


def test_a_disk_that_refuses_does_not_stop_the_procedure_and_is_tried_again(tmp_path: Path) -> None:
    directory = tmp_path / "state"

    async def main() -> None:
        engine = FakeTradingEngine()
        emergency = response(engine, directory, step_timeout_s=0.3)
        directory.write_text("a file stands where the directory should be")
        await emergency.handle_cache_violation("t", "wallet")
        assert engine.calls == ORDER
        assert emergency.status()["saved"] is False
        assert emergency.status()["save_error"]
        assert not emergency.trading_allowed()
        directory.unlink()
        await until(lambda: emergency.status()["saved"])
        assert EmergencyStore(directory).load().latched is not None

    asyncio.run(main())


def test_after_a_resume_the_bot_trades_and_is_watched_and_a_finding_latches_again(tmp_path: Path) -> None:
    async def main() -> None:
        engine = FakeTradingEngine()
        emergency = response(engine, tmp_path)
        await emergency.handle_cache_violation("t", "wallet")
        watcher = asyncio.create_task(emergency.watch(0.01))
        now = time.time()
        decision = resume(
            EmergencyStore(tmp_path), reason="fixed", by="0", paper_traded_until=now, now=now, min_paper_trading_s=0
        )
        assert decision.obstacles == ()
        assert emergency.phase is Phase.MONITORING
        assert emergency.trading_allowed()
        await asyncio.sleep(0.1)
        assert emergency.trading_allowed()
        engine.cached = ["positions"]
        await until(lambda: not emergency.trading_allowed())
        await until(lambda: engine.calls.count("stop_trading") == 2)
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)

    asyncio.run(main())


def test_violations_are_critical_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        await response(FakeTradingEngine()).handle_cache_violation("balance_cache_access", "wallet")

    with caplog.at_level(logging.CRITICAL, "calib.policy"):
        virtual_loop.run(main())
    assert "balance_cache_access in wallet: trading stops" in caplog.text


def test_an_async_findings_of_any_sequence_is_taken() -> None:
    class Tuple(FakeTradingEngine):
        async def cached_trading_data(self) -> Sequence[str]:
            return ("a", "b")

    async def main() -> None:
        check = await response(Tuple()).validate_no_cached_trading_data()
        assert check == SafetyCheck(False, ("the bot still caches a", "the bot still caches b"))

    virtual_loop.run(main())
