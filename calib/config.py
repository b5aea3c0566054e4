"""Settings: the one table of keys, their ranges, and where each value came from.

Precedence: flags, then ``CALIB_*`` environment variables, then ``calib.yaml`` (or the file named by ``--config``), then
the defaults. A key ``aggregate.interval_sec`` is ``aggregate: {interval_sec: ...}`` in the file and
``CALIB_AGGREGATE_INTERVAL_SEC`` in the environment.
"""

from __future__ import annotations

import difflib
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from calib.errors import ConfigError

DEFAULT_FILE: Final = "calib.yaml"
PREFIX: Final = "CALIB_"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the configuration.

    Parameters
    ----------
    key
        Dotted name.
    kind
        ``bool``, ``int``, ``float``, ``str``, ``list`` (of strings) or ``map`` (string -> float).
    default
        The value where nothing else is said; None for "not set", which only ``nullable`` keys allow elsewhere.
    meaning
        One sentence, with the unit.
    low, high
        Inclusive bounds of a number.
    choices
        The only values of a string, or of a list's items.
    nullable
        Whether null may be set: "off" or "not set".
    renamed
        Choices of older versions and what they are called now; accepted with a `DeprecationWarning`.
    """

    key: str
    kind: str
    default: Any
    meaning: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    nullable: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def variable(self) -> str:
        """Name of the environment variable."""
        return PREFIX + self.key.replace(".", "_").upper()

    @property
    def allowed(self) -> str:
        """The allowed range in words, as errors and the reference page give it."""
        if self.choices:
            words = ", ".join(self.choices)
        elif self.kind in ("int", "float"):
            low = "" if self.low is None else f" from {_plain(self.low)}"
            high = "" if self.high is None else f" to {_plain(self.high)}"
            words = {"int": "whole number", "float": "number"}[self.kind] + low + high
        else:
            words = {"bool": "true or false", "str": "text", "list": "list of texts", "map": "names with numbers"}[
                self.kind
            ]
        return f"{words}, or null" if self.nullable else words

    def check(self, value: Any, where: str) -> Any:
        """The value in its proper type.

        Raises
        ------
        ConfigError
            Where it is of another type or out of range; the message names the key and the allowed range.
        """
        if value is None and self.nullable:
            return None
        value = self._current(value)
        checked = _CHECKS[self.kind](value)
        if checked is None or not self._within(checked):
            raise ConfigError(
                f"{self.key}: {value!r} is not allowed",
                where=where,
                hint=f"Allowed: {self.allowed}",
            )
        return checked

    def _current(self, value: Any) -> Any:
        """Today's name of a choice."""
        if not isinstance(value, str) or value not in self.renamed:
            return value
        today = self.renamed[value]
        warnings.warn(f"{self.key}: {value!r} is now called {today!r}", DeprecationWarning, stacklevel=4)
        return today

    def parse(self, text: str, where: str) -> Any:
        """The value of a text from the environment or a flag; see `check`."""
        text = text.strip()
        if self.nullable and text.lower() in ("", "null", "none", "off"):
            return None
        return self.check(_read(self.kind, text), where)

    def _within(self, value: Any) -> bool:
        if self.choices:
            return all(item in self.choices for item in (value if self.kind == "list" else [value]))
        if self.kind in ("int", "float"):
            return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        return True


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


def _check_bool(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _check_int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _check_float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _check_str(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _check_list(value: Any) -> list[str] | None:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item for item in value):
        return None
    return list(value)


def _check_map(value: Any) -> dict[str, float] | None:
    if not isinstance(value, Mapping):
        return None
    checked = {name: _check_float(number) for name, number in value.items() if isinstance(name, str)}
    if len(checked) != len(value) or None in checked.values():
        return None
    return {name: checked[name] for name in sorted(checked)}  # type: ignore[misc]  # None was refused above


_CHECKS: Final = {
    "bool": _check_bool,
    "int": _check_int,
    "float": _check_float,
    "str": _check_str,
    "list": _check_list,
    "map": _check_map,
}


def _read(kind: str, text: str) -> Any:
    """A text as the value it spells, or the text itself, which `Setting.check` then refuses."""
    try:
        match kind:
            case "bool":
                return True if text.lower() in _TRUE else False if text.lower() in _FALSE else text
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "list":
                return [item.strip() for item in text.split(",") if item.strip()]
            case "map":
                pairs = (item.partition("=") for item in text.split(",") if item.strip())
                return {name.strip(): float(number) for name, _, number in pairs}
    except ValueError:
        return text
    return text


FORMATS: Final = ("json", "parquet", "csv", "arrow")

SETTINGS: Final[dict[str, Setting]] = {
    setting.key: setting
    for setting in (
        Setting("feeds", "str", "artifacts/edge/feeds", "Directory of the feed files"),
        Setting("out", "str", "artifacts/edge", "Root that holds datasets/, rejects/ and reports/"),
        Setting("symbols", "list", [], "Symbols to work on; empty for all"),
        Setting("max_reject_ratio", "float", 0.01, "Share of bad lines in one file past which a run ends", 0, 1),
        Setting(
            "jobs",
            "int",
            None,
            "Processes that read feeds; null for one a core, none for small files",
            1,
            256,
            nullable=True,
        ),
        Setting("aggregate.interval_sec", "int", 300, "Length of an interval, s", 1, 31_536_000),
        Setting("aggregate.min_ticks", "int", 10, "Filter low_ticks: fewest tick lines of an interval", 0),
        Setting(
            "aggregate.max_deadline_miss_rate", "float", 0.05, "Filter deadline_miss: largest share of late ticks", 0, 1
        ),
        Setting("aggregate.max_gap_sec", "float", 60.0, "Filter ws_gap: longest silence of an interval, s", 0),
        Setting(
            "aggregate.no_filter",
            "list",
            [],
            "Filters that are switched off",
            choices=("low_ticks", "deadline_miss", "ws_gap", "non_finite"),
        ),
        Setting("aggregate.tick_sample_rate", "int", 10, "Ticks that a line without sample_rate stands for", 1),
        Setting("aggregate.maker_fee_bps", "float", 0.0, "Fee of a maker fill without fee_bps, bps"),
        Setting("aggregate.taker_fee_bps", "float", 0.0, "Fee of a taker fill without fee_bps, bps"),
        Setting(
            "import.limit_as",
            "str",
            "reject",
            "What a plain LIMIT order of Hummingbot was",
            choices=("maker", "taker", "reject"),
        ),
        Setting(
            "import.buffer_mb",
            "int",
            64,
            "Memory for lines that wait for their place, MiB; what does not fit is sorted on disk",
            1,
            65_536,
        ),
        Setting("aggregate.format", "list", ["json"], "Formats of the dataset", choices=FORMATS),
        Setting("md_cache.enabled", "bool", False, "Whether the market-data cache is used at all"),
        Setting(
            "md_cache.mode",
            "str",
            "on",
            "on, or shadow: the cache runs beside the direct fetch, whose answer is used",
            choices=("shadow", "on"),
        ),
        Setting("md_cache.ttl_ms", "int", 100, "Age up to which a book is fresh for general reads, ms", 10, 5000),
        Setting("md_cache.max_depth", "int", 50, "Deepest view that may be asked for, levels a side", 1, 200),
        Setting("md_cache.stale_ok", "bool", True, "Whether an old book may be served while a refresh runs"),
        Setting(
            "md_cache.hard_ttl_ms",
            "int",
            None,
            "Age past which no book is served as stale, ms; null: max(ttl_ms, 5000)",
            10,
            5000,
            nullable=True,
        ),
        Setting(
            "md_cache.invalidate_on_ws_gap_ms",
            "int",
            300,
            "Silence of a connection after which its books are suspect, ms",
            50,
            10_000,
        ),
        Setting("md_cache.max_inflight_refresh", "int", 1, "Refreshes of one symbol at a time", 1, 1),
        Setting(
            "md_cache.fresh_ms_for_pricing",
            "int",
            None,
            "Age up to which a book is fresh for pricing, ms; null: min(60, ttl_ms)",
            1,
            5000,
            nullable=True,
        ),
        Setting(
            "md_cache.skip_pricing_on_stale", "bool", False, "Whether pricing is refused a book past its freshness"
        ),
        Setting(
            "md_cache.guard_max_age_ms",
            "int",
            None,
            "Age up to which a book is fresh for guards, ms; null: min(50, fresh_ms_for_pricing)",
            1,
            5000,
            nullable=True,
        ),
        Setting("md_cache.guard_timeout_ms", "int", 50, "Longest wait of a guard for its refresh, ms", 1, 5000),
        Setting(
            "md_cache.guard_on_timeout",
            "str",
            "unavailable",
            "What a guard gets when its refresh fails or is late",
            choices=("unavailable", "stale_last_resort"),
        ),
        Setting("md_cache.refresh_timeout_ms", "int", 1000, "Longest duration of one refresh, ms", 10, 5000),
        Setting(
            "md_cache.refresh_source",
            "str",
            "rest",
            "What the callback's bodies are, where they do not say so themselves",
            choices=("rest", "stream"),
        ),
        Setting("md_cache.refresh_backoff_ms", "int", 100, "Pause after a first failed refresh, ms", 1, 60_000),
        Setting(
            "md_cache.refresh_backoff_cap_ms",
            "int",
            None,
            "Longest pause after failed refreshes, ms; null: max(refresh_backoff_ms, 5000)",
            1,
            600_000,
            nullable=True,
        ),
        Setting("md_cache.refresh_backoff_jitter", "float", 0.5, "Share of a pause that is drawn at random", 0, 1),
        Setting(
            "md_cache.price_jump_ticks",
            "int",
            20,
            "Move of the best bid or ask, in ticks of the symbol, past which its book is dropped; null: never",
            1,
            1_000_000,
            nullable=True,
        ),
        Setting("md_cache.tick_sizes", "map", {}, "Tick size by symbol, quote currency; without one no jump is judged"),
        Setting(
            "md_cache.max_symbols", "int", 1000, "Symbols kept; the one written longest ago goes first", 1, 100_000
        ),
        Setting(
            "md_cache.sequence_mode",
            "str",
            "contiguous",
            "How a read's expected_update_id is compared with the book's",
            choices=("contiguous", "ranged"),
        ),
        Setting(
            "md_cache.sequence_rule",
            "str",
            "contiguous",
            "The venue's rule by which a delta continues the one before",
            choices=("contiguous", "range", "previous"),
        ),
        Setting(
            "ab.decision",
            "str",
            "sequential",
            "Decision that acts; the other stands beside it",
            choices=("threshold", "sequential"),
            renamed={"seed": "threshold", "sound": "sequential"},
        ),
        Setting(
            "ab.assignment", "str", "hash", "Rule that deals symbols to arms", choices=("hash", "rank", "switchback")
        ),
        Setting("ab.salt", "str", "ab", "Name of the experiment; another salt deals anew"),
        Setting("ab.split", "float", 0.5, "Share of the symbols in B; switchback takes 0.5 only", 0, 1),
        Setting("ab.whitelist", "list", [], "Symbols that are always in B"),
        Setting("ab.blacklist", "list", [], "Symbols that are always in A"),
        Setting("ab.block_s", "float", 60.0, "Length of a block, s", 1, 86_400),
        Setting(
            "ab.grace_s", "float", 60.0, "Time after its end in which a block takes fills of its quotes, s", 0, 86_400
        ),
        Setting("ab.eval_s", "float", 5.0, "Step of the evaluation grid, s", 0.1, 3600),
        Setting("ab.lateness_s", "float", 5.0, "Delay of an evaluation behind its grid point, s", 0, 3600),
        Setting("ab.hold_s", "float", 600.0, "Threshold decision: time a gate must be violating, s", 0, 86_400),
        Setting("ab.window", "int", 1000, "Records kept per arm and kind", 10, 1_000_000),
        Setting(
            "ab.window_s", "float", None, "Largest age of a record in a window, s; null for no bound", 1, nullable=True
        ),
        Setting("ab.min_fills", "int", 30, "Fills an arm needs for a verdict", 1),
        Setting("ab.min_ticks", "int", 30, "Tick lines an arm needs for a verdict", 1),
        Setting("ab.max_gap_fills_s", "float", 300.0, "Longest silence of fills that counts as covered, s", 1, 86_400),
        Setting("ab.max_gap_ticks_s", "float", 60.0, "Longest silence of ticks that counts as covered, s", 1, 86_400),
        Setting("ab.min_coverage", "float", 0.5, "Share of a violation's time that data must cover", 0, 1),
        Setting("ab.slippage_margin_bps", "float", 0.0, "Gate slippage_degradation: tolerated worsening, bps", 0),
        Setting(
            "ab.taker_margin", "float", 0.01, "Gate taker_share_increase: tolerated increase; 0.01 is 1 p.p.", 0, 0.5
        ),
        Setting(
            "ab.latency_margin_ratio",
            "float",
            0.10,
            "Gate latency_regression: tolerated rise of p95; 0.1 is +10 %",
            0,
            10,
        ),
        Setting(
            "ab.max_deadline_miss_rate",
            "float",
            0.02,
            "Gate deadline_miss_spike: largest share of late ticks",
            0.0001,
            0.5,
        ),
        Setting(
            "ab.alpha", "float", 0.05, "Sequential decision: false rollbacks tolerated, over all gates", 0.0001, 0.5
        ),
        Setting("ab.warmup_blocks", "int", 5, "Sequential decision: blocks that only set the scale", 2, 1000),
        Setting("ab.horizon_s", "float", 7200.0, "Sequential decision: time the tests are tuned for, s", 60),
        Setting(
            "ab.nodata", "str", "hold", "What missing data of B leads to, after ab.hold_s", choices=("hold", "rollback")
        ),
        Setting(
            "ab.srm_policy",
            "str",
            "rollback",
            "What a sample-ratio mismatch leads to: hold, or rollback where B lacks data or a gate is over its limit",
            choices=("hold", "rollback"),
        ),
        Setting(
            "ab.treatment_from",
            "float",
            None,
            "Persistent arms: when B began to differ, Unix s; before it both ran A",
            0,
            nullable=True,
        ),
        Setting("replay.fill", "str", "stream", "What fills the replayed cache", choices=("stream", "callback")),
        Setting(
            "replay.latency",
            "str",
            None,
            "Latency of the venue: constant:MS, recorded or empirical:FILE; null: as recorded, else 36 ms",
            nullable=True,
        ),
        Setting(
            "replay.read_every_ms",
            "float",
            None,
            "Reads of every symbol so often, ms; null: the recorded ticks, and 100 ms where there are none",
            1,
            3_600_000,
            nullable=True,
        ),
        Setting(
            "replay.use_case",
            "str",
            "pricing",
            "Use case of scheduled reads, and of ticks that name none",
            choices=("general", "analytics", "pricing", "guards"),
        ),
        Setting("replay.depth", "int", 20, "Levels a side of reads that name none; cut to md_cache.max_depth", 1, 200),
        Setting("replay.features_every_s", "float", 10.0, "Step of the grid of --features-out, s", 0.001, 86_400),
        Setting("replay.min_hit_ratio", "float", 0.7, "Gate: least hit ratio; null: not judged", 0, 1, nullable=True),
        Setting(
            "replay.max_fetch_p95_ms",
            "float",
            35.0,
            "Gate: largest fetch_md p95, ms; null: not judged",
            0,
            nullable=True,
        ),
        Setting(
            "replay.max_pricing_on_stale",
            "float",
            0.05,
            "Gate: largest share of pricing reads that used a stale book; null: not judged",
            0,
            1,
            nullable=True,
        ),
        Setting(
            "replay.max_error_p95_bps",
            "float",
            1.0,
            "Gate: largest p95 of |served mid - true mid|, bps; null: not judged",
            0,
            nullable=True,
        ),
        Setting("canary.steps", "list", ["0.1:600", "0.5:600", "1:1800"], "Schedule: share of the symbols : time, s"),
        Setting("canary.salt", "str", "canary", "Name of the canary; another salt chooses other symbols first"),
        Setting(
            "canary.decision",
            "str",
            "sequential",
            "Rule for a rise of fetch_md: a test over the whole rollout, or one look",
            choices=("sequential", "threshold"),
        ),
        Setting("canary.alpha", "float", 0.05, "Sequential decision: false rollbacks tolerated", 0.0001, 0.4),
        Setting("canary.block_s", "float", 30.0, "Sequential decision: shortest length of a block, s", 5, 3600),
        Setting(
            "canary.max_fetch_increase_absolute",
            "float",
            0.5,
            "Sequential decision: a higher rise over the baseline rolls back at once",
            0,
            10,
        ),
        Setting("canary.min_hit_ratio", "float", 0.5, "Gate: a lower hit ratio rolls back", 0, 1),
        Setting("canary.max_fetch_increase", "float", 0.15, "Gate: a higher rise of fetch_md p95 rolls back", 0, 10),
        Setting("canary.warmup_s", "float", 120.0, "Beginning of a step that is not judged, s", 0, 86_400),
        Setting("canary.window_s", "float", 600.0, "Time that a step is judged on, s", 10, 86_400),
        Setting("canary.min_ticks", "int", 100, "Tick lines that a verdict needs", 1),
        Setting("canary.max_gap_s", "float", 60.0, "Longest silence that counts as covered, s", 1, 86_400),
        Setting("canary.shadow_s", "float", 3600.0, "Time in shadow before the first step, s", 0, 604_800),
        Setting("canary.shadow_min_hit_ratio", "float", 0.7, "Shadow: least hit ratio", 0, 1),
        Setting("canary.shadow_max_fetch_ms", "float", 35.0, "Shadow: largest fetch_md p95, ms", 0),
        Setting("canary.shadow_max_tick_ms", "float", 150.0, "Shadow: largest tick_total p95, ms", 0),
        Setting("canary.shadow_max_deadline_miss_rate", "float", 0.02, "Shadow: share of late ticks stays below", 0, 1),
        Setting(
            "canary.deadline_ms",
            "float",
            None,
            "The bot's deadline, ms: judges lateness in shadow with the cache in place; null takes it as logged",
            0,
            nullable=True,
        ),
    )
}
"""Every key by its name; rooms further up read their own part of it."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value with its origin: ``default``, a file's path, ``env CALIB_...`` or ``flag``."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting resolved.

    >>> config = Config.resolve(environment={"CALIB_AGGREGATE_MIN_TICKS": "5"}, file=None)
    >>> config["aggregate.min_ticks"], config.origin("aggregate.min_ticks"), config.origin("out")
    (5, 'env CALIB_AGGREGATE_MIN_TICKS', 'default')
    """

    values: Mapping[str, Value]

    def __getitem__(self, key: str) -> Any:
        return self.values[key].value

    def origin(self, key: str) -> str:
        """Where the value of ``key`` came from."""
        return self.values[key].origin

    def section(self, name: str) -> dict[str, Any]:
        """The values below ``name.``, by the rest of their keys."""
        return {key[len(name) + 1 :]: entry.value for key, entry in self.values.items() if key.startswith(f"{name}.")}

    def with_flags(self, flags: Mapping[str, Any]) -> Config:
        """The same with flags on top; a flag that is None was not given."""
        values = dict(self.values)
        for key, value in flags.items():
            if value is not None:
                values[key] = Value(SETTINGS[key].check(value, _flag(key)), "flag")
        return Config(values)

    @classmethod
    def resolve(
        cls,
        flags: Mapping[str, Any] | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        file: Path | None = None,
    ) -> Config:
        """Resolve flags > environment > file > defaults.

        Parameters
        ----------
        flags
            Values by key; None means not given.
        environment
            Default: the process's own.
        file
            A configuration file that must exist; None looks for no file (see `find_file`).

        Raises
        ------
        ConfigError
            For an unknown key or variable, or a value out of range.
        """
        environment = os.environ if environment is None else environment
        values = {key: Value(setting.default, "default") for key, setting in SETTINGS.items()}
        if file is not None:
            for key, value in _file_values(file).items():
                values[key] = Value(SETTINGS[key].check(value, str(file)), str(file))
        for key, text in _environment_values(environment).items():
            origin = f"env {SETTINGS[key].variable}"
            values[key] = Value(SETTINGS[key].parse(text, origin), origin)
        return cls(values).with_flags(flags or {})


def find_file(explicit: str | None, environment: Mapping[str, str] | None = None) -> Path | None:
    """The configuration file: ``explicit``, else ``CALIB_CONFIG``, else ``./calib.yaml`` where it exists."""
    named = explicit or (os.environ if environment is None else environment).get("CALIB_CONFIG")
    if named:
        return Path(named)
    default = Path(DEFAULT_FILE)
    return default if default.is_file() else None


def _flag(key: str) -> str:
    return "--" + key.rpartition(".")[2].replace("_", "-")


def _file_values(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=str(path), hint="Check --config or CALIB_CONFIG"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", where=str(path), hint="Save it as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f":{mark.line + 1}"
        problem = getattr(error, "problem", None) or "is no YAML"
        raise ConfigError(f"is not valid YAML: {problem}", where=f"{path}{line}", hint="Mend that line") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError("must hold keys with values", where=str(path), hint="See `calib config` for the keys")
    return _flatten(tree, "", path)


def _flatten(tree: Mapping[Any, Any], prefix: str, path: Path) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if key in SETTINGS:
            flat[key] = value
        elif isinstance(value, Mapping) and any(known.startswith(f"{key}.") for known in SETTINGS):
            flat |= _flatten(value, f"{key}.", path)
        else:
            raise ConfigError(f"unknown key {key}", where=str(path), hint=_nearest(key, list(SETTINGS)))
    return flat


def _environment_values(environment: Mapping[str, str]) -> dict[str, str]:
    by_variable = {setting.variable: key for key, setting in SETTINGS.items()}
    found: dict[str, str] = {}
    for variable in sorted(environment):
        if variable in by_variable:
            found[by_variable[variable]] = environment[variable]
        elif variable.startswith(PREFIX) and variable != "CALIB_CONFIG":
            raise ConfigError(
                f"unknown variable {variable}", where="environment", hint=_nearest(variable, list(by_variable))
            )
    return found


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.6)
    return f"Did you mean {near[0]}?" if near else "`calib config` lists every key"
