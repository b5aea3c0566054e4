"""The five questions: which one decides, and that the table wins."""

from __future__ import annotations

import itertools

import pytest

from calib.policy import DATA_TYPES, QUESTIONS, may_cache

GOOD = {
    "affects_trading": False,
    "changes_with_market": False,
    "real_time": False,
    "staleness_costs": False,
    "static": True,
}


def test_all_five_must_pass() -> None:
    answer = may_cache("holiday_calendar", **GOOD)
    assert (answer.allowed, answer.decided_by, answer.limit_s) == (True, "static", 1800.0)


def test_exactly_one_of_all_answers_is_allowed() -> None:
    allowed = [
        answers
        for answers in itertools.product((True, False), repeat=5)
        if may_cache("something_new", **dict(zip(GOOD, answers, strict=True))).allowed
    ]
    assert allowed == [(False, False, False, False, True)]


@pytest.mark.parametrize("key", list(GOOD))
def test_the_first_question_that_denies_is_named(key: str) -> None:
    answer = may_cache("something_new", **(GOOD | {key: not GOOD[key]}))
    assert (answer.allowed, answer.decided_by, answer.limit_s) == (False, key, 0.0)


@pytest.mark.parametrize("key", list(GOOD))
def test_a_question_without_an_answer_denies(key: str) -> None:
    answers = {name: value for name, value in GOOD.items() if name != key}
    answer = may_cache("something_new", **answers)
    assert (answer.allowed, answer.decided_by) == (False, key)


@pytest.mark.parametrize("name", list(DATA_TYPES))
def test_the_table_wins_over_any_answer(name: str) -> None:
    for answers in (GOOD, {key: not value for key, value in GOOD.items()}):
        answer = may_cache(name, **answers)
        assert answer.decided_by == "table"
        assert answer.allowed is DATA_TYPES[name].permitted
        assert answer.limit_s == DATA_TYPES[name].limit_s


def test_there_are_five_questions_in_the_policys_order() -> None:
    assert [question.key for question in QUESTIONS] == list(GOOD)
