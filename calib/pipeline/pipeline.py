"""The pipeline: runs the stages of a tick, measures them, and creates the record of the tick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from calib.clock import NS_PER_MS, Clock, SystemClock
from calib.errors import ConfigError
from calib.pipeline.context import Decision, QuoteContext
from calib.pipeline.metrics import StageMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from calib.market import MDCacheMeta
    from calib.pipeline.stage import QuoteStage


class Tick(NamedTuple):
    """The result of a tick.

    Parameters
    ----------
    context
        The context returned by the last stage.
    record
        A line of the ``pipeline_ticks`` feed; pass it to ``PipelineTickLogger.log`` of `calib.feeds`.
    """

    context: QuoteContext
    record: dict[str, Any]


class Pipeline:
    """Runs the stages of a tick in order.

    A tick with the decision to skip ends there: the remaining stages are not run. Durations are monotonic; ``ts`` of
    the record is the wall clock at the start of the tick. An exception of a stage is counted and raised.

    Parameters
    ----------
    stages
        The stages in order; their names must be distinct.
    deadline_ms
        A tick that takes longer is a deadline miss, ms.
    metrics
        Default: a new object.
    clock
        Default: the machine's clock.
    """

    def __init__(
        self,
        stages: Sequence[QuoteStage],
        *,
        deadline_ms: float = 200.0,
        metrics: StageMetrics | None = None,
        clock: Clock | None = None,
    ) -> None:
        names = [stage.name for stage in stages]
        if len(set(names)) != len(names):
            raise ConfigError(f"stage names are not unique: {', '.join(names)}", hint="Give each stage its own name")
        if not 0 < deadline_ms < float("inf"):
            raise ConfigError(f"deadline_ms: {deadline_ms!r} is out of range", hint="Allowed: a finite number > 0")
        self.stages = tuple(stages)
        self.deadline_ms = deadline_ms
        self.metrics = StageMetrics() if metrics is None else metrics
        self._clock: Clock = SystemClock() if clock is None else clock

    async def run(self, context: QuoteContext) -> Tick:
        """Run one tick."""
        clock, metrics = self._clock, self.metrics
        ts, began_ns = clock.time(), clock.monotonic_ns()
        latencies: dict[str, float] = {}
        stage_ns = began_ns
        for stage in self.stages:
            try:
                context = await stage.run(context)
            except Exception:
                metrics.record_stage_error(stage.name)
                raise
            now_ns = clock.monotonic_ns()
            latencies[stage.name] = latency_ms = (now_ns - stage_ns) / NS_PER_MS
            metrics.record_stage(stage.name, latency_ms)
            stage_ns = now_ns
            if context.decision is Decision.SKIP:
                break
        total_ms = (stage_ns - began_ns) / NS_PER_MS
        late = total_ms > self.deadline_ms
        metrics.record_tick(total_ms, deadline_miss=late)
        p95_ms = {name: metrics.get_stage_p95_ms(name) for name in latencies}
        return Tick(context, tick_record(context, ts, latencies, p95_ms, total_ms, deadline_miss=late))


def tick_record(
    context: QuoteContext,
    ts: float,
    latencies_ms: dict[str, float],
    p95_ms: dict[str, float | None],
    total_ms: float,
    *,
    deadline_miss: bool,
) -> dict[str, Any]:
    """Return one line of the ``pipeline_ticks`` feed.

    In shadow mode ``cache_hit``, ``cache_age_ms``, ``used_stale``, ``source`` and ``status`` describe the cache's
    answer, as does ``fetch_md_cache_ms``; prices and update id are those of the direct fetch, which was used.
    """
    shadow = context.shadow
    meta = context.meta if shadow is None else shadow.meta
    market = context.market_data
    skipped = context.decision is Decision.SKIP
    return {
        "ts": ts,
        "symbol": context.symbol,
        "stage_latencies": dict(latencies_ms),
        "stage_p95_ms": p95_ms,
        "tick_total_ms": total_ms,
        **_cache_fields(meta),
        "deadline_miss": deadline_miss,
        "n_quotes": 0 if skipped and context.n_quotes is None else context.n_quotes,
        "bid": None if market is None else market.best_bid,
        "ask": None if market is None else market.best_ask,
        "mid": None if market is None else market.mid,
        "update_id": None if market is None else market.update_id,
        "depth": context.depth,
        "use_case": context.use_case,
        "ws_gap_ms": context.ws_gap_ms,
        "fetch_md_cache_ms": None if shadow is None else shadow.took_ms,
        "bucket": context.bucket,
    }


def _cache_fields(meta: MDCacheMeta | None) -> dict[str, Any]:
    if meta is None:
        return {"cache_hit": False, "cache_age_ms": None, "used_stale": None, "source": None, "status": None}
    # For a direct fetch, age and staleness in the cache do not exist.
    direct = meta.status == "direct"
    return {
        "cache_hit": meta.cache_hit,
        "cache_age_ms": None if direct else meta.age_ms,
        "used_stale": None if direct else meta.used_stale,
        "source": meta.source,
        "status": meta.status,
    }
