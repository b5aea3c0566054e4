"""The five questions that decide about a data type which the policy's table lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.policy.data_types import CacheClass, lookup

TABLE: Final = "table"


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and what an answer means.

    Parameters
    ----------
    key
        Name of the answer's argument of `may_cache`.
    text
        The question as it is put to people.
    denies
        The answer that forbids a cache.
    why
        Why it does, one sentence without a full stop.
    """

    key: str
    text: str
    denies: bool
    why: str


QUESTIONS: Final = (
    Question("affects_trading", "Does it affect trading decisions?", True, "An old value would decide about orders"),
    Question(
        "changes_with_market",
        "Does it change with trades or with the market?",
        True,
        "It is old as soon as the market has moved",
    ),
    Question("real_time", "Is it needed in real time?", True, "What is needed in real time must be fresh"),
    Question("staleness_costs", "Could an old value lose money?", True, "An old value could lose money"),
    Question(
        "static", "Is it static: changed seldom, and announced?", False, "What is not static may be old at any time"
    ),
)
"""In the order in which they are asked; the first that denies decides."""


@dataclass(frozen=True, slots=True)
class CacheAnswer:
    """Whether a data type may be cached.

    Parameters
    ----------
    data_type
        The type that was asked about.
    allowed
        The answer.
    decided_by
        ``table``, or the key of the question that decided.
    cache_class
        Of the table's row; for a type that the table lacks ``static`` or ``prohibited``.
    limit_s
        Greatest age, seconds; 0 where it is not allowed, None without an age limit.
    reason
        Why, one sentence without a full stop.
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
    """Whether the policy lets a data type be cached, and what decided it.

    The table's entries win: for a name that it lists the answers are not looked at. For another name the questions are
    gone through in order and the first that denies decides; a question without an answer denies. A type that passes all
    five is allowed as static data, up to the strictest limit of static data (1800 s). That is advice about what to
    build: a monitor refuses names that the table lacks, whatever was answered here.

    Parameters
    ----------
    data_type
        The name to ask about.
    affects_trading, changes_with_market, real_time, staleness_costs, static
        The answers; None for not answered.

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
            why = f"Not answered: {question.text} What is not known is refused"
            return CacheAnswer(data_type, False, question.key, CacheClass.PROHIBITED, 0.0, why)
        if bool(answer) is question.denies:
            return CacheAnswer(data_type, False, question.key, CacheClass.PROHIBITED, 0.0, question.why)
    limit_s = lookup("trading_rules").limit_s
    why = "It is static and no order depends on it"
    return CacheAnswer(data_type, True, QUESTIONS[-1].key, CacheClass.STATIC, limit_s, why)
