"""The sources of values: a YAML file and the environment.

The key ``aggregate.interval_sec`` is ``aggregate: {interval_sec: ...}`` in the file and
``CALIB_AGGREGATE_INTERVAL_SEC`` in the environment.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from calib.config.setting import PREFIX, Setting
from calib.errors import ConfigError
from calib.system import read_regular


def file_values(path: Path, settings: Mapping[str, Setting]) -> dict[str, Any]:
    """Return the values of a configuration file by key, unchecked.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not valid YAML, or has an unknown key.
    """
    import yaml  # here, because most runs have no file, and it takes as long to import as ten of our modules

    try:
        tree = yaml.safe_load(read_regular(path).decode("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=str(path), hint="Check --config or CALIB_CONFIG"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", where=str(path), hint="Save it as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, fix = ("", "Fix the file") if mark is None else (f":{mark.line + 1}", f"Fix line {mark.line + 1}")
        problem = getattr(error, "problem", None) or "unreadable"
        raise ConfigError(f"is not valid YAML: {problem}", where=f"{path}{line}", hint=fix) from error
    except RecursionError as error:
        raise ConfigError("is nested too deeply", where=str(path), hint="See `calib config` for the keys") from error
    except ValueError as error:  # a date such as 2020-13-45, an integer with thousands of digits
        what = f"has a value that cannot be parsed: {str(error).partition(';')[0]}"
        raise ConfigError(what, where=str(path), hint="Put text in quotes; see `calib config` for the keys") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(
            "must be a mapping of keys to values", where=str(path), hint="See `calib config` for the keys"
        )
    return _flatten(tree, "", path, settings)


def _flatten(tree: Mapping[Any, Any], prefix: str, path: Path, settings: Mapping[str, Setting]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if key in settings:
            flat[key] = value
        elif isinstance(value, Mapping) and any(known.startswith(f"{key}.") for known in settings):
            flat |= _flatten(value, f"{key}.", path, settings)
        else:
            raise ConfigError(f"unknown key {key}", where=str(path), hint=nearest(key, settings))
    return flat


def environment_values(environment: Mapping[str, str], settings: Mapping[str, Setting]) -> dict[str, str]:
    """Return the texts of ``CALIB_*`` variables by key; raises `ConfigError` for an unknown variable."""
    by_variable = {setting.variable: key for key, setting in settings.items()}
    found: dict[str, str] = {}
    for variable in sorted(environment):
        if variable in by_variable:
            found[by_variable[variable]] = environment[variable]
        elif variable.startswith(PREFIX) and variable not in ("CALIB_CONFIG", "CALIB_NATIVE"):
            raise ConfigError(f"unknown variable {variable}", where="environment", hint=nearest(variable, by_variable))
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name: the most similar known one."""
    near = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f"Did you mean {near[0]}?" if near else "`calib config` lists every key"
