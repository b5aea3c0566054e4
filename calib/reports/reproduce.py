"""The command that reproduces a dataset."""

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
"""Maximum number of symbols in the command; with more, it uses all symbols of the feeds."""

_FLAGS: Final = {rule.reason: rule.setting.flag for rule in FILTERS if rule.setting}


def command(dataset: Dataset) -> str:
    """Return the shell command that reproduces the dataset from the same feeds, with one option per line.

    ``--symbols`` is left out for more than 24 symbols, and for symbols with commas or outer spaces, which the option
    cannot express.
    """
    span, params = dataset.range, dataset.params
    options = [("--from", span.from_), ("--to", span.to), ("--interval-sec", str(span.interval_sec))]
    expressible = not any("," in symbol or symbol != symbol.strip() for symbol in span.symbols)
    if expressible and 0 < len(span.symbols) <= SYMBOLS:
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
        # Above the default tolerance: the original run had a higher one, and the new run needs it too.
        options.append(("--max-reject-ratio", _plain(min(1.0, math.ceil(worst * 1000) / 1000))))
    return " \\\n  ".join(["calib aggregate", *(f"{flag} {_quoted(value)}" for flag, value in options)])


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _quoted(word: str) -> str:
    """Return the word quoted for a shell; invisible characters are escaped in bash syntax (``$'...'``)."""
    if visible(word) == word:
        return shlex.quote(word)
    return "$'" + "".join(_escaped(char) for char in word) + "'"


def _escaped(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    return char if visible(char) == char else f"\\U{ord(char):08x}"
