"""The mapping of a table's columns to a feed's fields, read from command-line options or from YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from calib.errors import UsageError
from calib.feeds.schema.table import FEEDS, Field, Type
from calib.importers.table.arithmetic import Arithmetic, is_arithmetic
from calib.importers.table.conversions import CONVERSIONS, Convert, Enum, key_of
from calib.importers.table.fees import Fee

_ENUM: Final = re.compile(r"(?P<source>.+?):\{(?P<choices>.*)\}")
_KEYS: Final = frozenset(
    {"kind", "map", "set", "fee", "rates", "path", "table", "query", "delimiter", "requires", "summary", "source",
     "market", "market_from", "files", "only", "contracts"}
)  # fmt: skip
_FEE_KEYS: Final = frozenset({"amount", "asset", "sign", "unnamed"})
_GRAMMAR: Final = "Write FIELD=SOURCE or FIELD=SOURCE:CONVERSION, such as ts=time:ms or side=side:{BUY:buy,SELL:sell}"


@dataclass(frozen=True, slots=True)
class TableColumn:
    """The source of one field.

    Parameters
    ----------
    source
        The column; None if the field is computed by ``arithmetic``.
    convert
        Converts the value; None: it is converted to its field's type only.
    """

    text: str
    source: str | None
    arithmetic: Arithmetic | None = None
    convert: Convert | None = None

    @classmethod
    def of(cls, text: str, choices: Mapping[str, Any] | None = None) -> TableColumn:
        """Parse ``SOURCE[:CONVERSION]``.

        Raises
        ------
        UsageError
            If the text is not valid.
        """
        source, convert = _conversion(text.strip()) if choices is None else (text.strip(), Enum(choices))
        if not source:
            raise UsageError(f"{text!r} names no column", hint=_GRAMMAR)
        if is_arithmetic(source):
            return cls(text, None, Arithmetic(source), convert)
        return cls(text, source.strip('"'), None, convert)

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return [self.source] if self.source is not None else self.arithmetic.columns if self.arithmetic else []


def _conversion(text: str) -> tuple[str, Convert | None]:
    match = _ENUM.fullmatch(text)
    if match is not None:
        pairs = [pair.partition(":") for pair in match["choices"].split(",") if pair.strip()]
        if not pairs or not all(middle and name.strip() and value.strip() for name, middle, value in pairs):
            raise UsageError(
                f"{text!r} is not a valid enum", hint="Write {VALUE:MEANING,...}, such as {BUY:buy,SELL:sell}"
            )
        return match["source"], Enum({name.strip(): value.strip() for name, _, value in pairs})
    source, colon, word = text.rpartition(":")
    if not colon or text.endswith('"'):
        return text, None
    if word not in CONVERSIONS:
        known = ", ".join(CONVERSIONS)
        raise UsageError(f"{word!r} in {text!r} is not a conversion", hint=f"Use {known}, or an enum {{a:b}}")
    return source, CONVERSIONS[word]


@dataclass(frozen=True, slots=True)
class TableMapping:
    """How the rows of a table are read as records of a feed.

    Parameters
    ----------
    kind
        The feed.
    columns, constants
        Field -> its source, and field -> its constant value.
    path, table, query, delimiter
        Where the rows are: path in a JSON document, table or query of a database, delimiter of a text.
    only
        Column -> its values in rows of this feed; other rows are rejected as ``other_rows``.
    contracts
        Regular expression that matches symbols whose quantities are contracts; their fees are left out, because the
        notional is unknown.
    requires
        Columns that a file must have; empty: not checked.
    name
        Name of the preset; empty for a mapping of the user.
    market, market_from
        Venue and market of the records, or the column that names the market; empty if unknown.
    """

    kind: str
    columns: Mapping[str, TableColumn] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    fee: Fee | None = None
    path: str = ""
    table: str = ""
    query: str = ""
    delimiter: str = ""
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    contracts: str = ""
    requires: tuple[str, ...] = ()
    name: str = ""
    summary: str = ""
    source: str = ""
    files: str = ""
    market: str = ""
    market_from: str = ""

    @property
    def missing(self) -> list[str]:
        """Required fields without a source or a constant."""
        given = {*self.columns, *self.constants}
        return [field.name for field in FEEDS[self.kind].fields if field.required and field.name not in given]


def mapping_of(document: Any, where: str, name: str = "") -> TableMapping:
    """Return the mapping of a YAML document.

    Raises
    ------
    UsageError
        If it has an unknown key, field or conversion.
    """
    if not isinstance(document, dict):
        raise UsageError("is not a mapping file", where=where, hint="Start it with `kind: fills` and `map:`")
    if unknown := sorted(set(map(str, document)) - _KEYS):
        raise UsageError(f"unknown key {unknown[0]!r}", where=where, hint=f"Use {', '.join(sorted(_KEYS))}")
    kind = known_kind(document.get("kind"), where)
    mapped, constants = _part(document, "map", where), _part(document, "set", where)
    columns = {key: _column(value, f"{where}, {key}") for key, value in mapped.items()}
    for key in (*columns, *constants):
        known_field(kind, key, where)
    texts = {
        key: _plain_text(document, key, where)
        for key in _KEYS - {"kind", "map", "set", "fee", "rates", "requires", "only"}
    }
    return TableMapping(
        kind,
        columns,
        {key: _constant(kind, key, value) for key, value in constants.items()},
        _fee(document, where),
        only={column: tuple(map(key_of, values)) for column, values in _part(document, "only", where).items()},
        requires=tuple(map(str, document.get("requires") or ())),
        name=name,
        **texts,
    )


def _part(document: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    part = document.get(key) or {}
    if not isinstance(part, dict):
        raise UsageError(f"{key} is not a mapping", where=where, hint="Write one FIELD: SOURCE per line")
    return {str(name): value for name, value in part.items()}


def _plain_text(document: Mapping[str, Any], key: str, where: str) -> str:
    value = document.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"{key}: {value!r} is not text", where=where, hint="Put the value in quotes")
    return value


def _column(value: Any, where: str) -> TableColumn:
    if isinstance(value, dict) and set(value) == {"from", "as"} and isinstance(value["as"], dict):
        return TableColumn.of(str(value["from"]), {_yaml_key(key): chosen for key, chosen in value["as"].items()})
    if not isinstance(value, str):
        raise UsageError(
            f"{value!r} is not a valid source", where=where, hint=f"{_GRAMMAR}, or {{from: side, as: {{1: buy}}}}"
        )
    return TableColumn.of(value)


def _yaml_key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _fee(document: Mapping[str, Any], where: str) -> Fee | None:
    part, rates = _part(document, "fee", where), _part(document, "rates", where)
    if not part:
        return None
    if not {"amount", "asset"} <= set(part) <= _FEE_KEYS or part.get("sign", 1) not in (1, -1):
        hint = "Name the columns of amount and asset; sign is 1, or -1 if paid fees are negative"
        raise UsageError("fee is not a mapping {amount, asset, sign}", where=where, hint=hint)
    if (unnamed := part.get("unnamed", "")) not in ("", "base", "quote"):
        raise UsageError(
            f"unnamed: {unnamed!r} of fee is not an asset of the symbol", where=where, hint="Expected base or quote"
        )
    numbers = {asset.upper(): _rate(asset, rate) for asset, rate in rates.items()}
    return Fee(str(part["amount"]), str(part["asset"]), part.get("sign", 1), numbers, unnamed)


def _rate(asset: str, value: Any) -> float:
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise UsageError(f"rate of {asset}: {value!r} is not a price above 0", hint="Give its price in the quote asset")
    return rate


def known_kind(kind: Any, where: str = "") -> str:
    """Return the kind if it is a kind of feed.

    Raises
    ------
    UsageError
        If it is not.
    """
    if kind not in FEEDS:
        what = "the kind of feed is missing" if kind in (None, "") else f"{kind!r} is not a kind of feed"
        raise UsageError(what, where=where, hint=f"Give --kind, or `kind:` in the mapping: {', '.join(FEEDS)}")
    return str(kind)


def known_field(kind: str, name: str, where: str = "") -> Field:
    """Return a field of the kind.

    Raises
    ------
    UsageError
        If the kind has no such field, or a table cannot set it.
    """
    names = [field.name for field in FEEDS[kind].fields if field.name != "ts_iso"]
    if name not in names:
        raise UsageError(f"{kind} has no field {name!r}", where=where, hint=f"Its fields: {', '.join(names)}")
    return FEEDS[kind].field(name)


def _constant(kind: str, name: str, value: Any) -> Any:
    """Return a constant as a value of its field's type."""
    type_ = known_field(kind, name).type
    try:
        if type_ is Type.BOOLEAN:
            return {"true": True, "false": False}[str(value).lower()]
        if type_ in (Type.NUMBER, Type.INTEGER):
            return float(value) if type_ is Type.NUMBER else int(value)
    except (TypeError, ValueError, KeyError):
        raise UsageError(f"{name}: {value!r} is not a valid constant; expected type {type_.value}") from None
    if type_ is not Type.STRING:
        raise UsageError(f"{name} cannot be a constant: its type is {type_.value}")
    return str(value)


def with_words(
    mapping: TableMapping, maps: Iterable[str], sets: Iterable[str], rates: Iterable[str] = ()
) -> TableMapping:
    """Return the mapping with the options of a command line, which override its own.

    Raises
    ------
    UsageError
        If an option is not valid.
    """
    columns, constants = dict(mapping.columns), dict(mapping.constants)
    fee = mapping.fee
    for name, text in map(_pair, maps):
        known_field(mapping.kind, name)
        columns[name] = TableColumn.of(text)
        constants.pop(name, None)
        fee = None if name == "fee_bps" else fee
    for name, text in map(_pair, sets):
        constants[name] = _constant(mapping.kind, name, text)
        columns.pop(name, None)
        fee = None if name == "fee_bps" else fee
    given = {asset.upper(): _rate(asset, rate) for asset, rate in map(_pair, rates)}
    if given and fee is None:
        raise UsageError("--rate needs a mapping with `fee:`", hint="Give --map-file or --preset with amount and asset")
    fee = replace(fee, rates={**fee.rates, **given}) if fee is not None else None
    return replace(mapping, columns=columns, constants=constants, fee=fee)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise UsageError(f"{text!r} is not FIELD=VALUE", hint=_GRAMMAR)
    return name.strip(), value.strip()
