"""Options that several commands share."""

from __future__ import annotations

import enum
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from calib.cli import success
from calib.cli.output import Session
from calib.config import Config, find_file
from calib.errors import ConfigError, UsageError
from calib.storage import is_url

_WITHOUT_FEEDS: Final = (
    "config",
    "metrics",
    "policy limits",
    "policy classify",
    "policy check",
    "import guess",
    "import presets",
)
"""Commands that touch neither feeds nor the output root, whatever the configuration says of them."""


class OutputForm(enum.StrEnum):
    """Form of the result on stdout."""

    TEXT = "text"
    JSON = "json"


class ColorMode(enum.StrEnum):
    """When to use colours."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


Output = Annotated[OutputForm, typer.Option("--output", help="Form of the result on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Silent on success.")]
Verbose = Annotated[int, typer.Option("--verbose", "-v", count=True, help="Print more on stderr.")]
Color = Annotated[ColorMode, typer.Option("--color", help="Colour on stderr; NO_COLOR is honoured.")]
ConfigFile = Annotated[
    str | None,
    typer.Option("--config", metavar="FILE", help="Configuration file; default ./calib.yaml if it exists."),
]
Feeds = Annotated[
    str | None, typer.Option("--feeds", metavar="DIR", help="Directory of the feeds [artifacts/edge/feeds].")
]
Out = Annotated[
    str | None,
    typer.Option("--out", metavar="DIR", help="Root of datasets/, rejects/ and reports/ [artifacts/edge]."),
]
Symbols = Annotated[
    list[str] | None, typer.Option("--symbols", metavar="SYM[,SYM]", help="Only these symbols; repeat or use commas.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting, e.g. md_cache.ttl_ms=60; repeat."),
]
From = Annotated[str | None, typer.Option("--from", "--from-ts", metavar="TIME", help="Start of the range, UTC.")]
To = Annotated[str | None, typer.Option("--to", "--to-ts", metavar="TIME", help="End of the range, exclusive.")]
Since = Annotated[str | None, typer.Option("--since", metavar="DURATION", help="The last 6h, 2d, ... until now.")]
Day = Annotated[str | None, typer.Option("--day", metavar="DAY", help="One UTC day: yesterday, 2025-01-01, 20250101.")]
Prom = Annotated[
    Path | None,
    typer.Option(
        "--prom",
        metavar="FILE",
        callback=success.refuse_absent_directory,
        help="Also write metrics as a text file, on success only.",
    ),
]
MaxRejectRatio = Annotated[
    float | None,
    typer.Option("--max-reject-ratio", metavar="X", help="Tolerated share of bad lines per file [0.01]."),
]


def start(
    command: str,
    *,
    flags: Mapping[str, Any] | None = None,
    config: str | None = None,
    output: OutputForm = OutputForm.TEXT,
    quiet: bool = False,
    verbose: int = 0,
    color: ColorMode = ColorMode.AUTO,
    urls: bool = False,
) -> Session:
    """Resolve the configuration and open the session of a command; flags by configuration key, None if not given."""
    from calib.app_config import SETTINGS

    with warnings.catch_warnings(record=True) as renamed:
        warnings.simplefilter("always", DeprecationWarning)
        resolved = Config.resolve(SETTINGS, flags, file=find_file(config))
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    session = Session(command, resolved, output.value, quiet, verbose, color.value, flags=given)
    for warning in renamed:
        session.note(str(warning.message))
    if not urls and not command.startswith(_WITHOUT_FEEDS):
        refuse_urls([resolved["feeds"], resolved["out"]], command)
    return session


def refuse_urls(places: Sequence[str], command: str) -> None:
    """Refuse URLs where a command reads and writes directories of this machine only.

    Raises
    ------
    UsageError
        Where one of the places is a URL.
    """
    for place in places:
        if is_url(place):
            scheme = place.partition("://")[0]
            raise UsageError(
                f"calib {command} takes no URL of feeds or outputs, and one of {scheme}:// was given",
                hint="`calib aggregate`, `check` and `summary` take s3:// and file://; copy what this one needs to a"
                " directory first",
            )


def split_commas(values: list[str] | None) -> list[str] | None:
    """Return ``["a,b", "c"]`` as ``["a", "b", "c"]``, without repeats, in the order given; None stays None."""
    if values is None:
        return None
    parts = (part.strip() for value in values for part in value.split(","))
    return list(dict.fromkeys(part for part in parts if part))


def parse_settings(texts: list[str] | None) -> dict[str, Any]:
    """Parse ``["md_cache.ttl_ms=60"]`` to settings by key.

    Raises
    ------
    ConfigError
        For a text without ``=``, an unknown key, or a value out of its range.
    """
    from calib.app_config import SETTINGS

    chosen: dict[str, Any] = {}
    for text in texts or []:
        key, equals, value = text.partition("=")
        setting = SETTINGS.get(key.strip())
        if not equals or setting is None:
            raise ConfigError(
                f"unknown setting in --set {text!r}", hint="Form: KEY=VALUE; `calib config` lists the keys"
            )
        chosen[setting.key] = setting.parse(value, f"--set {setting.key}")
    return chosen
