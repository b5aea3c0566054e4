"""``calib policy check`` as a user runs it: forms, exit codes, baseline, comments, files that are not Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from calib.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
WRONG = "from functools import cache\n\n\n@cache\ndef get_balance(x):\n    return x.fetch_balance()\n"
WARNED = """\
class Books:
    def __init__(self):
        self._books = {}

    def on_depth(self, message):
        self._books[message["s"]] = message

    def get_order_book(self, symbol):
        return self._books[symbol]
"""
CLEAN = "def get_balance(x):\n    return x.fetch_balance()\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot" / "wrong.py").write_text(WRONG)
    (tmp_path / "bot" / "clean.py").write_text(CLEAN)
    return tmp_path


def checked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = run(["policy", "check", *words, "--output", "json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_finding_ends_with_1_and_stands_in_the_envelope(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = checked(capsys, "bot")
    assert code == answer["exit_code"] == 1
    assert (answer["schema"], answer["command"], answer["errors"]) == ("calib.result/1", "policy check", [])
    (finding,) = answer["data"]["findings"]
    assert {key: finding[key] for key in ("rule", "path", "line", "severity", "baseline")} == {
        "rule": "CAL101",
        "path": "bot/wrong.py",
        "line": 4,
        "severity": "error",
        "baseline": False,
    }
    assert finding["message"]
    assert len(finding["fingerprint"]) == 16


def test_clean_code_ends_with_0(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = checked(capsys, "bot/clean.py")
    assert (code, answer["status"], answer["data"]["findings"]) == (0, "ok", [])


def test_text_is_one_line_a_finding(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "bot"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("bot/wrong.py:4:2: error CAL101 `cache` caches the results of `get_balance`")
    assert lines[1:] == ["2 files checked: 1 error, 0 warnings"]


def test_a_warning_alone_ends_with_1_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "bot" / "wrong.py").write_text(WARNED)
    code, answer = checked(capsys, "bot")
    assert code == 1
    assert [(each["rule"], each["severity"]) for each in answer["data"]["findings"]] == [("CAL108", "warning")]


def test_json_lines_hold_the_same_findings(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, answer = checked(capsys, "bot")
    assert run(["policy", "check", "bot", "--output", "jsonl"]) == 1
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == answer["data"]["findings"]


def test_github_annotations_are_escaped(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "bot" / "a,b%c.py").write_text(WRONG)
    assert run(["policy", "check", "bot/a,b%c.py", "--format", "github"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("::error file=bot/a%2Cb%25c.py,line=4,endLine=4,col=2,title=CAL101::`cache` caches")


def test_files_that_are_not_python_are_reported_and_do_not_count(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "bot" / "wrong.py").write_text("def f(:\n")
    code, answer = checked(capsys, "bot")
    assert code == 0
    assert answer["data"]["findings"] == []
    (error,) = answer["errors"]
    assert (error["name"], error["where"]) == ("not-python", "bot/wrong.py:1")


@pytest.mark.parametrize("form", ["text", "jsonl", "github", "sarif"])
def test_a_file_that_cannot_be_read_is_an_error_in_every_form(
    form: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check that saw nothing of a file must not let a pipeline pass."""
    (home / "bot" / "wrong.py").unlink()
    (home / "bot" / "gone.py").symlink_to("nowhere.py")
    assert run(["policy", "check", "bot", "--output", form, "--quiet"]) == 3
    said = capsys.readouterr()
    assert "bot/gone.py: cannot be read and was not checked: No such file or directory [unreadable-input]" in said.err
    if form == "sarif":
        (invocation,) = json.loads(said.out)["runs"][0]["invocations"]
        assert invocation["executionSuccessful"] is False
        assert invocation["toolExecutionNotifications"][0]["level"] == "error"


def test_a_file_that_cannot_be_read_in_the_envelope(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "bot" / "gone.py").symlink_to("nowhere.py")
    code, answer = checked(capsys, "bot")
    assert (code, answer["status"]) == (1, "verdict-no")  # the finding in wrong.py
    (home / "bot" / "wrong.py").unlink()
    code, answer = checked(capsys, "bot")
    assert (code, answer["status"], answer["exit_code"]) == (3, "error", 3)
    (error,) = answer["errors"]
    assert (error["name"], error["where"]) == ("unreadable-input", "bot/gone.py")


def test_a_directory_that_cannot_be_listed_is_not_passed_over(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "bot" / "locked").mkdir()
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert run(["policy", "check", "bot"]) == 3
    assert "bot/locked: cannot be listed: Permission denied [unreadable-input]" in capsys.readouterr().err


def test_a_pipe_is_not_passed_over(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "bot" / "wrong.py").unlink()
    os.mkfifo(home / "bot" / "pipe.py")
    assert run(["policy", "check", "bot/pipe.py"]) == 3
    assert "bot/pipe.py: cannot be read and was not checked" in capsys.readouterr().err
    assert run(["policy", "check", "bot", "--write-baseline", "known.json"]) == 3


def test_a_broken_file_does_not_stop_the_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "bot" / "a_first.py").write_text("def f(:\n")
    code, answer = checked(capsys, "bot")
    assert (code, len(answer["errors"]), len(answer["data"]["findings"])) == (1, 1, 1)


def test_the_baseline_marks_and_does_not_drop(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "bot", "--write-baseline", "known.json"]) == 0
    capsys.readouterr()
    (home / "bot" / "wrong.py").write_text("# moved\n\n" + WRONG)
    code, answer = checked(capsys, "bot", "--baseline", "known.json")
    assert code == 0
    assert [each["baseline"] for each in answer["data"]["findings"]] == [True]
    (home / "bot" / "new.py").write_text(WRONG)
    code, answer = checked(capsys, "bot", "--baseline", "known.json")
    assert code == 1
    assert [(each["path"], each["baseline"]) for each in answer["data"]["findings"]] == [
        ("bot/new.py", False),
        ("bot/wrong.py", True),
    ]


def test_a_baseline_is_the_same_bytes_every_time(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["policy", "check", "bot", "--write-baseline", "one.json"])
    run(["policy", "check", "bot", "--write-baseline", "two.json"])
    assert (home / "one.json").read_bytes() == (home / "two.json").read_bytes()


def test_allows_are_counted_and_unused_ones_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "bot" / "wrong.py").write_text(WRONG.replace("@cache\n", "@cache  # calib: allow[CAL101] a page only\n"))
    (home / "bot" / "clean.py").write_text("x = 1  # calib: allow[CAL103] not needed\n")
    code, answer = checked(capsys, "bot")
    assert code == 0
    assert [each["reason"] for each in answer["data"]["suppressed"]] == ["a page only"]
    assert [(each["path"], each["line"]) for each in answer["data"]["allow_problems"]] == [("bot/clean.py", 1)]
    assert run(["policy", "check", "bot"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "2 files checked: 0 errors, 0 warnings, 1 allowed by comments\n"
    assert "bot/clean.py:1: calib: allow: the comment has no effect: no finding here matches it" in shown.err


@pytest.mark.parametrize(
    ("words", "rules"),
    [
        (["--select", "CAL101"], {"CAL101"}),
        (["--select", "CAL1", "--ignore", "CAL101"], set()),
        (["--ignore", "cal101,CAL2"], set()),
        (["--select", "CAL102,CAL103"], set()),
    ],
)
def test_rules_are_chosen(home: Path, capsys: pytest.CaptureFixture[str], words: list[str], rules: set[str]) -> None:
    code, answer = checked(capsys, "bot", *words)
    assert {each["rule"] for each in answer["data"]["findings"]} == rules
    assert code == (1 if rules else 0)


def test_statistics_count_the_rules(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "bot", "--statistics"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].split() == ["1", "CAL101", "cache-decorator"]
    _, answer = checked(capsys, "bot", "--statistics")
    assert answer["data"]["statistics"] == {"CAL101": 1}


def test_a_rule_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "--explain", "cal104"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("CAL104 ttl-idiom (error)\n")
    assert "Wrong:" in text
    assert "Right:" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    "words",
    [
        ["nothing-here"],
        ["bot", "--select", "CAL999"],
        ["bot", "--ignore", "X"],
        ["bot", "--ignore", "CAL"],
        ["--explain", "CAL999"],
        ["bot", "--baseline", "none.json"],
        ["bot", "--baseline", "bot/clean.py"],
        ["bot", "--jobs", "0"],
        ["bot", "--output", "xml"],
    ],
)
def test_what_makes_no_sense_ends_with_2(home: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert run(["policy", "check", *words]) == 2
    assert "hint: " in capsys.readouterr().err


def test_a_baseline_of_another_kind_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "other.json").write_text('{"schema": "other/1", "findings": []}')
    assert run(["policy", "check", "bot", "--baseline", "other.json"]) == 2
    assert "calib.policy.baseline/1" in capsys.readouterr().err


def test_processes_give_the_same_bytes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(250):
        (home / "bot" / f"part_{number:03}.py").write_text(WRONG if number % 50 == 0 else CLEAN)
    run(["policy", "check", "bot", "--output", "jsonl", "--jobs", "1"])
    one = capsys.readouterr().out
    run(["policy", "check", "bot", "--output", "jsonl", "--jobs", "2"])
    assert capsys.readouterr().out == one
    assert one.count("\n") == 6


def test_virtual_environments_and_hidden_directories_are_left_out(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("bot/.hidden", "bot/venv", "bot/env2"):
        (home / name).mkdir()
        (home / name / "wrong.py").write_text(WRONG)
    (home / "bot/env2/pyvenv.cfg").write_text("home = /usr\n")
    _, answer = checked(capsys, "bot")
    assert [each["path"] for each in answer["data"]["findings"]] == ["bot/wrong.py"]


def sarif(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    run(["policy", "check", *words, "--output", "sarif"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def full_sarif(home: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """A log with a new finding, a known one, an allowed one, and a file that is not Python."""
    run(["policy", "check", "bot", "--write-baseline", "known.json"])
    (home / "bot" / "new one.py").write_text(WRONG)
    (home / "bot" / "allowed.py").write_text(WRONG.replace("@cache\n", "@cache  # calib: allow[CAL101] a page\n"))
    (home / "bot" / "broken.py").write_text("def f(:\n")
    capsys.readouterr()
    return sarif(capsys, "bot", "--baseline", "known.json")


def test_sarif_has_relative_addresses_fingerprints_and_states(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (log,) = full_sarif(home, capsys)["runs"]
    places = [each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in log["results"]]
    assert places == ["bot/allowed.py", "bot/new%20one.py", "bot/wrong.py"]
    assert [each["baselineState"] for each in log["results"]] == ["new", "new", "unchanged"]
    assert [each.get("suppressions", []) for each in log["results"]] == [
        [{"kind": "inSource", "justification": "a page"}],
        [],
        [],
    ]
    assert all(each["partialFingerprints"] for each in log["results"])
    assert all(log["tool"]["driver"]["rules"][each["ruleIndex"]]["id"] == each["ruleId"] for each in log["results"])
    assert log["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].startswith("not valid Python: ")


VALIDATE = """\
const Ajv = require(process.argv[1] + "/ajv");
const schema = require(process.argv[1] + "/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json");
const ajv = new Ajv({schemaId: "auto", allErrors: true});
ajv.addMetaSchema(require(process.argv[1] + "/ajv/lib/refs/json-schema-draft-04.json"));
const valid = ajv.compile(schema);
const log = JSON.parse(require("fs").readFileSync(0, "utf8"));
if (!valid(log)) { console.log(JSON.stringify(valid.errors)); process.exit(1); }
"""


def published_schema() -> tuple[str, Path]:
    """The program ``node`` and the directory with the npm package that carries SARIF's schema."""
    node = shutil.which("node")
    places = [ROOT / ".tools" / "node_modules"]
    if (npm := shutil.which("npm")) is not None:
        done = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=False)
        places.append(Path(done.stdout.strip()))
    found = next((place for place in places if (place / "@microsoft" / "jest-sarif").is_dir()), None)
    if node is None or found is None:
        pytest.skip("needs node, and @microsoft/jest-sarif: npm install --prefix .tools @microsoft/jest-sarif")
    return node, found


def test_sarif_follows_the_published_schema(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node, modules = published_schema()
    for log in (full_sarif(home, capsys), sarif(capsys, "bot/clean.py")):
        done = subprocess.run(
            [node, "-e", VALIDATE, str(modules)], input=json.dumps(log), capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    log["runs"][0]["results"] = [{"message": 5}]
    done = subprocess.run([node, "-e", VALIDATE, str(modules)], input=json.dumps(log), capture_output=True, text=True)
    assert done.returncode == 1, "the check itself must be able to fail"


def test_the_package_itself_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", str(ROOT / "calib"), "--jobs", "1"]) == 0
    assert capsys.readouterr().out.endswith(" files checked: 0 errors, 0 warnings\n")
