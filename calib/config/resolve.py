"""Resolution of settings: flags, then ``CALIB_*`` variables, then the configuration file, then the defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from calib.config.origins import environment_values, file_values
from calib.config.setting import Setting

DEFAULT_FILE: Final = "calib.yaml"


@dataclass(frozen=True, slots=True)
class Value:
    """A value with its origin: ``default``, a file's path, ``env CALIB_...`` or ``flag``."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Config:
    """The resolved value of every setting.

    Parameters
    ----------
    settings
        The known settings by key.
    values
        The value of each setting.

    >>> settings = {"jobs": Setting("jobs", "int", 1, "Processes", 1, 8), "out": Setting("out", "str", "x", "Where")}
    >>> config = Config.resolve(settings, environment={"CALIB_JOBS": "5"})
    >>> config["jobs"], config.origin("jobs"), config.origin("out")
    (5, 'env CALIB_JOBS', 'default')
    """

    settings: Mapping[str, Setting]
    values: Mapping[str, Value]

    def __getitem__(self, key: str) -> Any:
        return self.values[key].value

    def origin(self, key: str) -> str:
        """Return the origin of the value of ``key``."""
        return self.values[key].origin

    def section(self, name: str) -> dict[str, Any]:
        """Return the values of the section ``name``, by the rest of their keys."""
        return {key[len(name) + 1 :]: entry.value for key, entry in self.values.items() if key.startswith(f"{name}.")}

    def changed(self, *names: str) -> dict[str, Any]:
        """Return the non-default values of the named keys and sections, by key."""
        return {
            key: entry.value
            for key, entry in self.values.items()
            if (key in names or key.partition(".")[0] in names) and entry.value != self.settings[key].default
        }

    def with_flags(self, flags: Mapping[str, Any]) -> Config:
        """Return a copy with flags applied; None means that a flag was not given."""
        values = dict(self.values)
        for key, value in flags.items():
            if value is not None:
                values[key] = Value(self.settings[key].check(value, self.settings[key].flag), "flag")
        return Config(self.settings, values)

    @classmethod
    def resolve(
        cls,
        settings: Mapping[str, Setting],
        flags: Mapping[str, Any] | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        file: Path | None = None,
    ) -> Config:
        """Resolve flags > environment > file > defaults.

        Parameters
        ----------
        settings
            The known settings by key.
        flags
            Values by key; None means not given.
        environment
            The environment; default: that of the process.
        file
            A configuration file that must exist; None for no file (see `find_file`).

        Raises
        ------
        ConfigError
            For an unknown key or variable, or a value out of range.
        """
        environment = os.environ if environment is None else environment
        values = {key: Value(setting.default, "default") for key, setting in settings.items()}
        if file is not None:
            for key, value in file_values(file, settings).items():
                values[key] = Value(settings[key].check(value, str(file)), str(file))
        for key, text in environment_values(environment, settings).items():
            origin = f"env {settings[key].variable}"
            values[key] = Value(settings[key].parse(text, origin), origin)
        return cls(settings, values).with_flags(flags or {})


def find_file(explicit: str | None, environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the configuration file: ``explicit``, else ``CALIB_CONFIG``, else ``./calib.yaml`` if it exists."""
    named = explicit or (os.environ if environment is None else environment).get("CALIB_CONFIG")
    if named:
        return Path(named)
    default = Path(DEFAULT_FILE)
    return default if default.is_file() else None
