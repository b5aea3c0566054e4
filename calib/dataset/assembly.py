"""The parts of a dataset besides its rows: options, limits, inputs, and missing days and symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from calib.dataset.filters import REASONS, Filter, chosen_filters
from calib.dataset.naming import dataset_name
from calib.dataset.parts import ContractParams, Filters, Input, MissingDays, Params
from calib.dataset.plan import DatasetPlan
from calib.dataset.settings import DEFAULTS
from calib.errors import NoLines, NoSuchSymbol
from calib.feeds.contracts import Contracts
from calib.feeds.reading.days import DayFile
from calib.feeds.reading.rejects import check_ratio, rejects_path
from calib.feeds.reading.stats import FileStats
from calib.feeds.settings import MAX_REJECT_RATIO
from calib.storage import Place


@dataclass(frozen=True, slots=True)
class DatasetOptions:
    """Options of a dataset other than its range; meaning and defaults as in `build_dataset`."""

    symbols: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = chosen_filters()
    tick_sample_rate: int = DEFAULTS.tick_sample_rate
    maker_fee_bps: float = DEFAULTS.maker_fee_bps
    taker_fee_bps: float = DEFAULTS.taker_fee_bps
    max_reject_ratio: float = MAX_REJECT_RATIO
    contracts: Contracts = field(default_factory=dict)


def params_of(recipe: DatasetOptions) -> Params:
    """Return the parameters that the numbers depend on, in the form of the envelope."""
    return Params(
        tick_sample_rate=recipe.tick_sample_rate,
        maker_fee_bps=recipe.maker_fee_bps,
        taker_fee_bps=recipe.taker_fee_bps,
        contracts=_contracts(recipe.contracts),
    )


def limits_of(filters: Sequence[Filter]) -> Filters:
    """Return the limits of the filters in the form of the envelope; a filter that is not in the list is off."""
    limits = {rule.reason: rule.limit for rule in filters}
    return {reason: limits.get(reason) for reason in REASONS}


def input_of(stats: FileStats) -> Input:
    """Return the statistics of a file in the form of the envelope."""
    return Input(
        file=stats.file,
        bytes=stats.bytes,
        sha256=stats.sha256,
        lines=stats.lines,
        used=stats.used,
        rejected=dict(stats.rejected),
        trade_id_conflicts=stats.trade_id_conflicts or msgspec.UNSET,
    )


def _contracts(contracts: Contracts) -> dict[str, ContractParams] | msgspec.UnsetType:
    named = {
        symbol: ContractParams(inverse=contract.inverse, multiplier=contract.multiplier)
        for symbol, contract in sorted(contracts.items())
    }
    return named or msgspec.UNSET


def check_found(plan: DatasetPlan, asked: Sequence[str], present: set[str], *, empty: bool) -> list[str]:
    """Return a note for each requested symbol that does not occur.

    Parameters
    ----------
    asked, present
        The requested symbols, and the symbols in the files.
    empty
        Whether the range has no usable line.

    Raises
    ------
    NoSuchSymbol
        If none of the requested symbols occurs.
    NoLines
        If the range has no usable line.
    """
    absent = [symbol for symbol in asked if symbol not in present]
    if asked and present and len(absent) == len(asked):
        there = sorted(present)
        more = f" and {len(there) - 10} more" if len(there) > 10 else ""
        raise NoSuchSymbol(
            f"none of the symbols asked for occurs: {', '.join(absent)}",
            where=str(plan.directory),
            hint=f"The feeds hold {', '.join(there[:10])}{more}",
        )
    if empty:
        span = plan.range([])
        raise NoLines(
            f"no usable line from {span.from_} to {span.to}",
            where=str(plan.directory),
            hint="Widen --from and --to; `calib check` shows what each file holds",
        )
    return [f"symbol {symbol} does not occur in the feeds of this range" for symbol in absent]


def checked_stats(
    plan: DatasetPlan, stats: Mapping[DayFile, FileStats], max_reject_ratio: float, out: Place | None
) -> list[FileStats]:
    """Return the statistics of the files that were read, in the order of the envelope.

    Raises
    ------
    TooManyRejects
        If the share of bad lines in a file is larger than ``max_reject_ratio``.
    """
    found = [stats[file] for file in (*plan.files, *plan.books) if file in stats]
    for facts in found:
        check_ratio(facts, max_reject_ratio, None if out is None else rejects_path(out, facts.file))
    return found


def missing_days_of(plan: DatasetPlan) -> MissingDays:
    """Return the days without a file in the form of the envelope."""
    return MissingDays(**{kind: [day.isoformat() for day in days] for kind, days in plan.missing.items()})


def asked_symbols_of(recipe: DatasetOptions, present: set[str]) -> tuple[str, ...]:
    """Return the symbols that the dataset is limited to.

    Empty if these are all symbols of the files: that is the same dataset as one without a list of symbols.
    """
    return recipe.symbols if present - set(recipe.symbols) else ()


def planned_name(plan: DatasetPlan, recipe: DatasetOptions) -> str:
    """Return the file name of the dataset of this plan, without a suffix."""
    return dataset_name(plan.range([]), limits_of(recipe.filters), params_of(recipe), recipe.symbols)
