"""The subcommands of ``calib import``, one for each format of the table, with the options of its class."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from calib.cli import import_, import_guess, import_listing, options
from calib.cli.command import add, group
from calib.cli.help import Group
from calib.cli.lazy import Command, Commands

if TYPE_CHECKING:
    from calib.importers import ImportOption

_SUFFIX = "--symbol-suffix"
_SHORT: Final = re.compile("-[hqv]+")
"""The options of one letter, several together too."""
FeedsOut = Annotated[
    str | None, typer.Option("--out", metavar="DIR", help="Directory of the feeds [the setting feeds].")
]
Only = Annotated[
    str | None,
    typer.Option("--only", metavar="NAME", help="Only this market or stream, such as spot, kucoin or aggTrade."),
]
SymbolSuffix = Annotated[
    str | None,
    typer.Option(_SUFFIX, metavar="TEXT", help="Add to each symbol; {market} is its market [@{market}]."),
]
Salvage = Annotated[bool, typer.Option("--salvage", help="Import the rows before the end of a truncated file.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace day files with different content.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Write nothing: show ten records and the rejects by reason.")]
Enrich = Annotated[
    bool,
    typer.Option("--enrich", help="Then join mids to fills that lack them, like calib enrich."),
]
COMMON: dict[str, tuple[Any, Any]] = {
    "out": (FeedsOut, None),
    "only": (Only, None),
    "symbol_suffix": (SymbolSuffix, None),
    "salvage": (Salvage, False),
    "replace": (Replace, False),
    "dry_run": (DryRun, False),
    "enrich": (Enrich, False),
    "prom": (options.Prom, None),
    "max_reject_ratio": (options.MaxRejectRatio, None),
    "config_file": (options.ConfigFile, None),
    "output": (options.Output, options.OutputForm.TEXT),
    "quiet": (options.Quiet, False),
    "verbose": (options.Verbose, 0),
    "color": (options.Color, options.ColorMode.AUTO),
}
"""The options of all formats: keyword -> annotation and default."""


class FormatCommand(Command):
    """The command of a format; its ``--symbol-suffix`` may be given without a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, with the default of a ``--symbol-suffix`` without a value."""
        return super().parse_args(ctx, list(_with_suffix(args)))


class FormatGroup(Group):
    """The group whose commands are created on first use: the help of `calib` itself needs none of them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Commands(self.commands, _names, made)


def _names() -> list[str]:
    from calib.importers.registry import IMPORTERS
    from calib.importers.table.chosen import preset_names

    return [*IMPORTERS, *preset_names()]


app = group(
    "import",
    invoke_without_command=True,
    cls=FormatGroup,
    help="Convert recordings of other tools, and your own tables, to feed files.",
    epilog="Example: calib import hummingbot trades_*.csv --out artifacts/edge/feeds",
)


@app.callback(invoke_without_command=True)
def _group(context: typer.Context) -> None:
    """Convert recordings of other tools, and your own tables, to feed files."""
    if context.invoked_subcommand is None:
        typer.echo("\n".join(import_listing.listing()))
        raise typer.Exit


add(app, "presets", import_listing.presets)
add(app, "guess", import_guess.guess)


def made(name: str) -> Any:
    """Create the command of a format."""
    from calib.importers import load

    importer = load(name)
    own = {option.keyword: option for option in importer.options}

    def command(**given: Any) -> int:
        files = [Path(file) for file in given.pop("files")]
        chosen = {keyword: _plain(given.pop(_parameter(keyword))) for keyword in own}
        return import_.import_files(importer, files, chosen, given)

    texts = {
        "files": (
            Annotated[list[str], typer.Argument(metavar="FILES...", help=importer.files)],
            inspect.Parameter.empty,
        )
    }
    taken = texts | {_parameter(keyword): (_annotation(option), None) for keyword, option in own.items()} | COMMON
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # Typer reads the options from it
        [
            inspect.Parameter(keyword, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
            for keyword, (annotation, default) in taken.items()
        ],
        return_annotation=int,
    )
    command.__annotations__ = {keyword: annotation for keyword, (annotation, _) in taken.items()} | {"return": int}
    command.__doc__ = importer.summary
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.command(name, cls=FormatCommand, epilog=f"Example: calib import {name} {importer.example}")(command)
    return typer.main.get_command(alone)


def _annotation(option: ImportOption) -> Any:
    """Return the annotation from which Typer reads the option."""
    kind: Any = str
    if option.choices:
        members = {choice.upper(): choice for choice in option.choices}
        kind = enum.EnumType.__call__(enum.StrEnum, option.keyword, members)
    if option.repeated:
        kind = list[str]
    return Annotated[kind | None, typer.Option(option.flag, metavar=option.metavar or None, help=option.help)]


def _parameter(keyword: str) -> str:
    """Return the parameter name of a format's option, distinct from those of the common options."""
    return f"{keyword}_" if keyword in COMMON else keyword


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def _with_suffix(args: Sequence[str]) -> Iterator[str]:
    """Yield the arguments, with the default added to a ``--symbol-suffix`` without a value."""
    from calib.importers.streams import DEFAULT_SUFFIX

    for place, word in enumerate(args):
        following = args[place + 1] if place + 1 < len(args) else "--"
        option = following.startswith("--") or _SHORT.fullmatch(following) is not None
        bare = word == _SUFFIX and (option or Path(following).is_file())
        yield f"{_SUFFIX}={DEFAULT_SUFFIX}" if bare else word
