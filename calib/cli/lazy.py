"""What a command line does not need is not made: the other commands, and Typer's conversion of values.

Typer makes every command of an application, with all its options, whichever one runs, and converts every value by
pydantic, an absent one too. Of a short run that was a third.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final, get_args, get_origin

import typer
from typer.core import TyperCommand

_KNOWN: Final = "0.29."
"""Versions of Typer whose way of converting values is known here. Another version converts them all itself."""


class Commands(MutableMapping[str, Any]):
    """Commands by name, each made on first use.

    Parameters
    ----------
    made
        Those that exist already; they come first.
    names
        Returns the names of the others, in their order.
    make
        Makes one of them.
    """

    def __init__(self, made: Mapping[str, Any], names: Callable[[], Iterable[str]], make: Callable[[str], Any]) -> None:
        self._made: dict[str, Any] = dict(made)
        self._first = list(made)
        self._names = names
        self._make = make

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            if name not in list(self):
                raise KeyError(name)
            self._made[name] = self._make(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._first, *self._names(), *self._made]))

    def __len__(self) -> int:
        return len(list(iter(self)))


class Command(TyperCommand):
    """A command whose options leave a value that has its type already as it is."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters."""
        return spare_conversions(super().get_params(ctx))


def spare_conversions(parameters: list[Any]) -> list[Any]:
    """Make the parameters of Typer convert only the values that need it."""
    if not typer.__version__.startswith(_KNOWN):
        return parameters
    for parameter in parameters:
        parameter.get_runtime_param = _Conversion(parameter)
    return parameters


class _Conversion:
    """Typer's conversion of the values of a parameter, which imports pydantic once one of them needs it."""

    def __init__(self, parameter: Any) -> None:
        self._parameter = parameter

    def __call__(self) -> _Conversion:
        """What the parameter asks for; Typer's own is made later."""
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value in its type."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        kind = param.type_descriptor
        if kind.parameter_info.parser is None and not kind.is_ranged and _has_type(value, kind.annotation):
            return value
        parameter = self._parameter
        return type(parameter).get_runtime_param(parameter).coerce(value, param=param, ctx=ctx)


def _has_type(value: Any, annotation: Any) -> bool:
    if get_origin(annotation) is list:
        return isinstance(value, list | tuple) and get_args(annotation) == (str,) and all(type(v) is str for v in value)
    return type(value) is annotation
