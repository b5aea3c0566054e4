"""The command that makes a dataset again."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Final

from calib.dataset.filters import FILTERS
from calib.reports.alerts import REJECT_CRITICAL, reject_ratio
from calib.reports.markdown import visible

if TYPE_CHECKING:
    from calib.dataset.model import Dataset

SYMBOLS: Final = 24
"""Most symbols that are spelled out; with more, the command takes all of the feeds."""

_FLAGS: Final = {rule.reason: rule.setting.flag for rule in FILTERS if rule.setting}


def command(dataset: Dataset) -> str:
    """The shell command that makes the dataset again from the same feeds, an option to a line.

    ``--symbols`` is left out past 24 symbols, and where the option could not take one: it splits at commas and strips
    spaces.
    """
    span, params = dataset.range, dataset.params
    options = [("--from", span.from_), ("--to", span.to), ("--interval-sec", str(span.interval_sec))]
    sayable = not any("," in symbol or symbol != symbol.strip() for symbol in span.symbols)
    if sayable and 0 < len(span.symbols) <= SYMBOLS:
        options.append(("--symbols", ",".join(span.symbols)))
    for name, limit in dataset.filters.items():
        if limit is None:
            options.append(("--no-filter", name))
        elif name in _FLAGS:
            options.append((_FLAGS[name], _plain(limit)))
    options.append(("--tick-sample-rate", str(params.tick_sample_rate)))
    options.append(("--maker-fee-bps", _plain(params.maker_fee_bps)))
    options.append(("--taker-fee-bps", _plain(params.taker_fee_bps)))
    worst = max((reject_ratio(entry) for entry in dataset.inputs), default=0.0)
    if worst > REJECT_CRITICAL:
        # Past the default tolerance: the same run was allowed more, and a new one must be too.
        options.append(("--max-reject-ratio", _plain(min(1.0, math.ceil(worst * 1000) / 1000))))
    return " \\\n  ".join(["calib aggregate", *(f"{flag} {_quoted(value)}" for flag, value in options)])


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _quoted(word: str) -> str:
    """The word for a shell; what cannot be seen is spelled in bash's own way (``$'...'``)."""
    if visible(word) == word:
        return shlex.quote(word)
    return "$'" + "".join(_spelled(char) for char in word) + "'"


def _spelled(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    return char if visible(char) == char else f"\\U{ord(char):08x}"
