"""The tree of errors: stable names, exit codes, and a docstring that draws it truly."""

from __future__ import annotations

import pickle
import re

import pytest

from calib import errors
from calib.errors import CalibError, all_errors


def test_names_are_kebab_case_and_unique() -> None:
    names = [kind.name for kind in all_errors()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)


def test_exit_codes_are_those_of_the_contract() -> None:
    assert {kind.exit_code for kind in all_errors()} <= {1, 2, 3, 4, 75}


@pytest.mark.parametrize("kind", all_errors()[1:], ids=lambda kind: kind.__name__)
def test_docstring_draws_every_class(kind: type[CalibError]) -> None:
    assert errors.__doc__ is not None
    if kind.__module__ == "calib.errors":
        assert re.search(rf"[|`]-- {kind.__name__}\b", errors.__doc__)


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_an_error_survives_the_way_between_processes(kind: type[CalibError]) -> None:
    error = kind("it broke", where="file.jsonl:3", hint="Mend line 3")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.what, copy.where, copy.hint) == (kind, "it broke", "file.jsonl:3", "Mend line 3")


def test_text_says_where_what_and_what_next() -> None:
    assert str(CalibError("it broke", where="a:3", hint="Mend it")) == "a:3: it broke. Mend it"
    assert str(CalibError("it broke")) == "it broke"
