"""The mappings of the package, and the mapping that the options of a command line select."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from calib.errors import UnreadableInput, UsageError
from calib.importers.table.mapping import TableMapping, known_kind, mapping_of

_PACKAGE = "calib.importers.table.presets"


@cache
def preset_names() -> tuple[str, ...]:
    """Return the names of the presets, sorted."""
    files = resources.files(_PACKAGE).iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


@cache
def preset(name: str) -> TableMapping:
    """Return the mapping of a preset.

    Raises
    ------
    UsageError
        If there is no preset of that name.
    """
    if name not in preset_names():
        raise UsageError(f"there is no preset {name!r}", hint=f"Use one of {', '.join(preset_names())}")
    text = resources.files(_PACKAGE).joinpath(f"{name}.yaml").read_text("utf-8")
    return mapping_of(yaml.safe_load(text), f"preset {name}", name)


def mapping_file(path: Path) -> TableMapping:
    """Read a mapping from a YAML file.

    Raises
    ------
    UnreadableInput
        If it cannot be read, or is not YAML.
    """
    try:
        document: Any = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableInput(f"cannot be read: {error}", where=str(path)) from error
    except yaml.YAMLError as error:
        what = " ".join(str(error).split())
        raise UnreadableInput(
            f"is not YAML: {what[:200]}", where=str(path), hint="Put values with a colon in quotes"
        ) from None
    return mapping_of(document, str(path))


def beginning(kind: str | None, map_file: str | None, preset_name: str | None) -> TableMapping:
    """Return the mapping to which the options of a command line are added.

    Raises
    ------
    UsageError
        If a file and a preset are both given, or ``kind`` is not the kind of their mapping.
    """
    if map_file and preset_name:
        raise UsageError("--map-file and --preset are both given", hint="Give one, and change it with --map and --set")
    found = preset(preset_name) if preset_name else mapping_file(Path(map_file)) if map_file else None
    if found is None:
        return TableMapping(known_kind(kind))
    if kind and kind != found.kind:
        raise UsageError(f"--kind is {kind}, but the mapping is of {found.kind}", hint="Leave out --kind")
    return found
