"""The edge: exit codes, streams, and no traceback for anybody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

import calib
from calib.cli.app import app
from calib.cli.main import run
from calib.cli.output import printable

CALIB = [sys.executable, "-m", "calib"]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"calib {calib.__version__}\n"


@pytest.mark.parametrize("argv", [["--nope"], ["confi"], ["config", "--output", "xml"], ["config", "--config"]])
def test_usage_errors_say_what_next_and_exit_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(argv) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("error: ")
    assert "hint: Try 'calib" in streams.err
    assert "Traceback" not in streams.err


def test_errors_come_as_json_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "--config", "missing.yaml", "--output", "json"]) == 2
    streams = capsys.readouterr()
    body = json.loads(streams.out)
    assert streams.err == ""
    assert (body["schema"], body["status"], body["exit_code"]) == ("calib.result/1", "error", 2)
    assert body["errors"][0]["name"] == "bad-config"
    assert body["errors"][0]["where"] == "missing.yaml"


def test_config_shows_each_value_with_its_origin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CALIB_AGGREGATE_MIN_TICKS", "7")
    file = tmp_path / "c.yaml"
    file.write_text("out: there\n")
    assert run(["config", "--config", str(file), "--output", "json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["aggregate.min_ticks"]["value"] == 7
    assert data["aggregate.min_ticks"]["origin"] == "env CALIB_AGGREGATE_MIN_TICKS"
    assert (data["out"]["value"], data["out"]["origin"]) == ("there", str(file))
    assert (data["feeds"]["value"], data["feeds"]["origin"]) == ("artifacts/edge/feeds", "default")


def test_help_loads_none_of_the_heavy_libraries() -> None:
    script = (
        "import sys; from calib.cli.main import run; run(['--help']);"
        "heavy = {'polars','numpy','jinja2','rich','pyarrow','dask','distributed','obstore'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Commands:" in done.stdout


def test_every_command_has_a_worked_example_in_its_help() -> None:
    root: Any = typer.main.get_command(app)
    assert {"aggregate", "import", "ab", "policy"} <= set(root.commands)
    for name, command in root.commands.items():
        if name != "policy":  # its commands have them
            assert command.epilog, name
            assert "Example" in command.epilog


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        ("metrics", "Print every name with its type, set and owner; with -v also its meaning and unit."),
        ("ab", "Show the status of a running experiment from its state file."),
    ],
)
def test_a_group_shows_whole_sentences_in_60_columns(
    group: str, sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert run([group, "--help"]) == 0
    assert sentence in " ".join(capsys.readouterr().out.split())


def test_a_command_is_imported_without_the_others() -> None:
    script = (
        "import sys; from calib.cli.main import run; run(['config', '--quiet']);"
        "own = sorted(name for name in sys.modules if name.startswith('calib.cli.'));"
        "print(own, 'pydantic' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    shared = ["app", "command", "config", "help", "lazy", "main", "options", "output", "signals", "success"]
    assert done.stderr.strip() == f"{[f'calib.cli.{name}' for name in shared]} False"


@pytest.mark.parametrize(
    ("argv", "wrong"),
    [
        (["agregate"], "No such command 'agregate'. Did you mean 'aggregate'?"),
        (["config", "--color", "red"], "'red' is not one of 'auto', 'always', 'never'"),
        (["aggregate", "--jobs", "two"], "unable to parse string as an integer"),
    ],
)
def test_what_is_wrong_with_a_command_line_is_said(
    argv: list[str], wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(argv) == 2
    assert wrong in capsys.readouterr().err


def test_an_internal_error_leaves_a_crash_log_and_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_argv: object) -> int:
        raise RuntimeError("boom")

    monkeypatch.setattr("calib.cli.main._invoke", explode)
    assert run(["config"]) == 4
    said = capsys.readouterr().err
    assert "Traceback" not in said
    path = Path(said.rsplit("crash log ", 1)[1].strip())
    assert "RuntimeError: boom" in path.read_text()
    path.unlink()


def test_ten_crash_logs_are_kept_for_their_owner_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_argv: object) -> int:
        raise RuntimeError("boom")

    monkeypatch.setattr("calib.cli.main._invoke", explode)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "other.log").write_text("not ours")
    (tmp_path / "calib-crash-link.log").symlink_to(tmp_path / "other.log")
    named = []
    for number in range(14):
        assert run(["config"]) == 4
        path = Path(capsys.readouterr().err.rsplit("crash log ", 1)[1].strip())
        os.utime(path, (number, number))
        named.append(path)
    assert sorted(path for path in named if path.exists()) == sorted(named[-10:])
    assert {path.stat().st_mode & 0o777 for path in named[-10:]} == {0o600}
    assert (tmp_path / "other.log").exists()
    assert (tmp_path / "calib-crash-link.log").is_symlink(), "a link is left alone: somebody else made it"


def test_interrupt_exits_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_argv: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("calib.cli.main._invoke", interrupted)
    assert run(["config"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_sigterm_exits_143() -> None:
    script = (
        "import calib.cli.main as m, time, sys\n"
        "def wait(argv):\n  print('ready', flush=True); time.sleep(60); return 0\n"
        "m._invoke = wait; sys.exit(m.run(['config']))"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        os.kill(child.pid, signal.SIGTERM)
        _, said = child.communicate(timeout=30)
    assert (child.returncode, said) == (143, b"error: terminated\n")


def test_a_closed_pipe_is_quiet() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run([*CALIB, "config"], stdout=write_end, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(write_end)
    assert (done.returncode, done.stderr) == (0, b"")


def test_control_characters_are_spelled_out() -> None:
    assert printable("a\x1b[31m\nb\u202e\u200b") == "a\\x1b[31m\\nb\\u202e\\u200b"
    assert printable("[red]ünï[/red]") == "[red]ünï[/red]"


def test_without_a_word_it_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert capsys.readouterr().out.startswith("Usage: calib")


ODD_FILES = {
    "deep nesting": b"x: [" * 3000,
    "a number of 5,000 digits": b"jobs: " + b"9" * 5000,
    "a hexadecimal number of 5,000 digits": b"jobs: 0x" + b"f" * 5000,
    "a number beyond every double": b"aggregate: {maker_fee_bps: 1" + b"0" * 400 + b"}",
    "not a number": b"aggregate: {maker_fee_bps: .nan}",
    "a date": b"ab: {salt: 2020-01-01}",
    "a date that is none": b"md_cache: {ttl_ms: 2020-13-45}",
    "a date as a key": b"2020-01-01: 1",
    "NUL": b"jobs: 1\0",
    "not UTF-8": b"\xff\xfe",
    "a mapping as a key": b"? {a: 1}\n: 2",
    "a list of itself": b"symbols: &a [*a]",
    "a call of a function": b"jobs: !!python/object/apply:os.getpid []",
    "a list": b"- 1",
    "a merge with nothing": b"<<: 3",
    "an unknown alias": b"jobs: *nothing",
}


@pytest.mark.parametrize("name", ODD_FILES)
def test_an_odd_configuration_is_one_sentence_and_exit_2(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(ODD_FILES[name])
    assert run(["config", "--config", str(path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(f"error: {path}")
    assert said[0].endswith("[bad-config]")
    assert len(said) == 2
    assert all(len(line) < 700 for line in said)


def test_a_named_pipe_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for words, code in (
        (["config", "--config", str(pipe)], 2),
        (["policy", "check", str(pipe)], 3),
        (["replay", "--feeds", str(tmp_path), "--latency", f"empirical:{pipe}"], 2),
        (["summary", str(pipe)], 3),
        (["import", "hummingbot", str(pipe), "--out", str(tmp_path / "out")], 3),
    ):
        assert run(words) == code, words
    capsys.readouterr()


@pytest.mark.parametrize(
    "words", [["config", "\udcff"], ["--config", "\udcff", "config"], ["aggregate", "--feeds", "\udcff"]]
)
def test_an_argument_that_is_not_utf8_is_answered_with_a_documented_code(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) in (2, 3)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("error", "code"), [(OSError(28, "No space left on device"), 2), (RuntimeError("odd"), 4)])
def test_trap_a_full_disk_without_a_temporary_directory_is_never_exit_1(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_argv: object) -> int:
        raise error

    def full(**_options: object) -> tuple[int, str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("calib.cli.main._invoke", explode)
    monkeypatch.setattr("calib.cli.main.tempfile.mkstemp", full)
    assert run(["canary", "check"]) == code
    said = capsys.readouterr().err
    assert "[unwritable-output]" in said if code == 2 else "No crash log could be written" in said


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_stream_changes_nothing(closed: str) -> None:
    command = f"{sys.executable} -m calib config {'>' if closed == 'stdout' else '2>'}&-"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_another_version_of_typer_converts_the_values_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typer, "__version__", "1.0.0")
    command = typer.main.get_command(app).commands["config"]  # type: ignore[attr-defined]
    parameters = command.get_params(command.make_context("config", []))
    assert not any("get_runtime_param" in vars(parameter) for parameter in parameters)
    assert run(["config", "--quiet"]) == 0
