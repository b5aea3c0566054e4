"""How a table is read: the options of ``calib import table``, for commands that read one beside."""

from __future__ import annotations

from typing import Annotated

import typer

Preset = Annotated[str | None, typer.Option("--preset", metavar="NAME", help="A preset [the fitting one].")]
MapFile = Annotated[str | None, typer.Option("--map-file", metavar="FILE", help="A mapping in YAML.")]
Maps = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=SOURCE[:CONVERSION]", help="A field's source; repeat."),
]
Constants = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A field's constant value; repeat.")
]
Rates = Annotated[
    list[str] | None,
    typer.Option("--rate", metavar="ASSET=PRICE", help="Price of a fee's asset in the quote asset; repeat."),
]
Delimiter = Annotated[
    str | None,
    typer.Option("--delimiter", metavar="CHAR", help="Of a text [comma, semicolon or tab, by its lines]."),
]
DocumentPath = Annotated[
    str | None,
    typer.Option("--path", metavar="NAME", help="Where the rows of a json document stand, such as result.list."),
]
Table = Annotated[str | None, typer.Option("--table", metavar="NAME", help="The table of a database.")]
Query = Annotated[str | None, typer.Option("--query", metavar="SQL", help="Or a query of it.")]
