"""The rules' pages and the how-to of the checker say what the checker does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from calib.cli.main import run
from calib.policy.checker import RULES, check_source

REPOSITORY = Path(__file__).resolve().parents[2]
HOW_TO = REPOSITORY / "docs" / "how-to" / "check-code-for-caches.md"


@pytest.mark.parametrize("rule", list(RULES))
def test_the_page_of_a_rule_shows_a_wrong_and_a_right_program(rule: str) -> None:
    page = (REPOSITORY / "docs" / "reference" / "policy-rules" / f"{rule.lower()}.md").read_text(encoding="utf-8")
    wrong, right = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert rule in {finding.rule for finding in check_source(wrong).findings}
    assert check_source(right).findings == ()


def test_the_how_to_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = HOW_TO.read_text(encoding="utf-8")
    program, allowed = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    printed, baseline = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot" / "account.py").write_text(program)
    monkeypatch.chdir(tmp_path)
    command, _, answer = printed.partition("\n")
    assert run(command.removeprefix("$ calib ").split()) == 1
    assert capsys.readouterr().out == answer
    for line in baseline.splitlines():
        assert run(line.removeprefix("$ calib ").split()) == 0
    capsys.readouterr()
    assert "# calib: allow[CAL103] " in allowed
    for flag in set(re.findall(r"`(--[a-z-]+)", text)):
        assert flag in re.sub(r"\s+", " ", (REPOSITORY / "docs/reference/commands.md").read_text(encoding="utf-8"))


def test_the_hook_for_pre_commit_names_the_command() -> None:
    import yaml

    (hook,) = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert (hook["id"], hook["entry"], hook["language"]) == ("calib-policy-check", "calib policy check", "python")
