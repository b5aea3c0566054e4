"""The five questions that classify a data type that is not in the policy's table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.policy.data_types import CacheClass, lookup

TABLE: Final = "table"


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and the answer that forbids a cache.

    Parameters
    ----------
    key
        Name of the argument of `may_cache`.
    text
        The question.
    denies
        The answer that forbids a cache.
    why
        The reason, one sentence without a full stop.
    """

    key: str
    text: str
    denies: bool
    why: str


QUESTIONS: Final = (
    Question("affects_trading", "Does it affect trading decisions?", True, "An old value would affect orders"),
    Question(
        "changes_with_market",
        "Does it change with trades or with the market?",
        True,
        "It is outdated as soon as the market has moved",
    ),
    Question("real_time", "Is it needed in real time?", True, "Data needed in real time must be fresh"),
    Question("staleness_costs", "Could an old value cause losses?", True, "An old value could cause losses"),
    Question(
        "static",
        "Is it static: changed rarely, and announced?",
        False,
        "Data that is not static may be old at any time",
    ),
)
"""The questions in order; the first answer that forbids a cache decides."""


@dataclass(frozen=True, slots=True)
class CacheAnswer:
    """Whether a data type may be cached.

    Parameters
    ----------
    data_type
        Name of the type.
    allowed
        Whether it may be cached.
    decided_by
        ``table``, or the key of the question that decided.
    cache_class
        The class in the table; for an unlisted type ``static`` or ``prohibited``.
    limit_s
        Maximum age, s; 0 if it is not allowed, None without an age limit.
    reason
        The reason, one sentence without a full stop.
    """

    data_type: str
    allowed: bool
    decided_by: str
    cache_class: CacheClass
    limit_s: float | None
    reason: str


def may_cache(
    data_type: str,
    *,
    affects_trading: bool | None = None,
    changes_with_market: bool | None = None,
    real_time: bool | None = None,
    staleness_costs: bool | None = None,
    static: bool | None = None,
) -> CacheAnswer:
    """Return whether the policy allows a data type to be cached, and what decided it.

    For a name in the table the answers are ignored. For another name the first answer that forbids a cache decides; a
    missing answer forbids it. A type that passes all five questions is allowed as static data, up to the strictest
    limit of static data (1800 s). That is advice for design: a monitor refuses names that are not in the table,
    regardless of the answers.

    Parameters
    ----------
    data_type
        Name of the data type.
    affects_trading, changes_with_market, real_time, staleness_costs, static
        The answers; None if not answered.

    >>> may_cache("balance", static=True).decided_by
    'table'
    >>> may_cache("funding_rate", affects_trading=False, changes_with_market=True).decided_by
    'changes_with_market'
    >>> answer = may_cache("holiday_calendar", affects_trading=False, changes_with_market=False, real_time=False,
    ...                    staleness_costs=False, static=True)
    >>> answer.allowed, answer.decided_by, answer.limit_s
    (True, 'static', 1800.0)
    """
    row = lookup(data_type)
    if row.cache_class is not CacheClass.UNKNOWN:
        return CacheAnswer(data_type, row.permitted, TABLE, row.cache_class, row.limit_s, row.reason)
    answers = {
        "affects_trading": affects_trading,
        "changes_with_market": changes_with_market,
        "real_time": real_time,
        "staleness_costs": staleness_costs,
        "static": static,
    }
    for question in QUESTIONS:
        answer = answers[question.key]
        if answer is None:
            why = f"Not answered: {question.text} A missing answer forbids a cache"
            return CacheAnswer(data_type, False, question.key, CacheClass.PROHIBITED, 0.0, why)
        if bool(answer) is question.denies:
            return CacheAnswer(data_type, False, question.key, CacheClass.PROHIBITED, 0.0, question.why)
    limit_s = lookup("trading_rules").limit_s
    why = "It is static and no order depends on it"
    return CacheAnswer(data_type, True, QUESTIONS[-1].key, CacheClass.STATIC, limit_s, why)
