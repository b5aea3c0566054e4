"""Settings: ranges, precedence, origins, and errors that name the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calib.app_config import SETTINGS
from calib.config import Config, find_file
from calib.errors import ConfigError


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "calib.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_default_is_within_its_own_range() -> None:
    for setting in SETTINGS.values():
        if setting.default is not None:
            assert setting.check(setting.default, "default") == setting.default, setting.key
        else:
            assert setting.nullable, setting.key


def test_flags_beat_environment_beats_file_beats_default(tmp_path: Path) -> None:
    path = _file(tmp_path, "aggregate:\n  min_ticks: 1\n  interval_sec: 60\n  max_gap_sec: 5\n")
    environment = {"CALIB_AGGREGATE_MIN_TICKS": "2", "CALIB_AGGREGATE_INTERVAL_SEC": "120"}
    config = Config.resolve(SETTINGS, {"aggregate.min_ticks": 3}, environment=environment, file=path)
    shown = {key: (config[key], config.origin(key)) for key in SETTINGS if config.origin(key) != "default"}
    assert shown == {
        "aggregate.min_ticks": (3, "flag"),
        "aggregate.interval_sec": (120, "env CALIB_AGGREGATE_INTERVAL_SEC"),
        "aggregate.max_gap_sec": (5.0, str(path)),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("aggregate:\n  interval: 60\n", ["unknown key aggregate.interval", "interval_sec"]),
        ("aggregate:\n  interval_sec: 0\n", ["aggregate.interval_sec", "0", "from 1"]),
        ("aggregate:\n  interval_sec: '60'\n", ["aggregate.interval_sec", "whole number"]),
        ("aggregate:\n  interval_sec: true\n", ["aggregate.interval_sec"]),
        ("aggregate:\n  format: [json, xls]\n", ["aggregate.format", "parquet"]),
        ("aggregate:\n  max_gap_sec: .nan\n", ["aggregate.max_gap_sec"]),
        ("symbols: BTC\n", ["symbols", "list"]),
        ("- a\n", ["must be a mapping of keys to values"]),
        ("a: [\n", ["not valid YAML", "calib.yaml:2"]),
    ],
)
def test_a_bad_file_names_key_file_and_range(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.resolve(SETTINGS, environment={}, file=_file(tmp_path, text))
    said = str(caught.value)
    assert all(word in said for word in [*words, "calib.yaml"]), said


def test_a_file_that_is_no_text_or_missing_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "calib.yaml"
    with pytest.raises(ConfigError, match="cannot be read"):
        Config.resolve(SETTINGS, environment={}, file=path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        Config.resolve(SETTINGS, environment={}, file=path)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert Config.resolve(SETTINGS, environment={}, file=_file(tmp_path, "")) == Config.resolve(
        SETTINGS, environment={}
    )


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("CALIB_SYMBOLS", "BTCUSDT, ETHUSDT", ["BTCUSDT", "ETHUSDT"]),
        ("CALIB_MAX_REJECT_RATIO", "0.5", 0.5),
        ("CALIB_AGGREGATE_FORMAT", "json,csv", ["json", "csv"]),
        ("CALIB_OUT", "elsewhere", "elsewhere"),
    ],
)
def test_environment_texts_are_read(variable: str, text: str, value: Any) -> None:
    config = Config.resolve(SETTINGS, environment={variable: text})
    key = next(key for key, setting in SETTINGS.items() if setting.variable == variable)
    assert config[key] == value


def test_an_unknown_variable_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="CALIB_AGGREGATE_INTERVAL_SEC"):
        Config.resolve(SETTINGS, environment={"CALIB_AGGREGATE_INTERVAL": "60"})


def test_the_named_file_goes_before_the_one_lying_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_file(None, {}) is None
    _file(tmp_path, "")
    assert find_file(None, {}) == Path("calib.yaml")
    assert find_file(None, {"CALIB_CONFIG": "b.yaml"}) == Path("b.yaml")
    assert find_file("a.yaml", {"CALIB_CONFIG": "b.yaml"}) == Path("a.yaml")


def test_variables_are_unambiguous() -> None:
    assert len({setting.variable for setting in SETTINGS.values()}) == len(SETTINGS)
