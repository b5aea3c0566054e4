"""The how-to page of each venue: a complete program, generated from the registry."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from calib.market.venues import VENUES, Venue

_PAGE: Final = """# Connect to {title}

{rule}
([published]({source})). For all venues and their peculiarities, see [Venues](../../reference/venues.md).

The program maintains the book of one symbol and prints its best prices once a second. It needs
`pip install websockets`; save it as `book.py` and run `python book.py`. With an address as an argument, it connects to
that address instead of the venue.

```python
{program}```
{notes}"""

_PROGRAM: Final = '''import asyncio
import sys
{imports}
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from calib import MDCache, MDCacheConfig
from calib.errors import VenueMessageError
from calib.market.venues import get

VENUE = get("{name}")
SYMBOL = "{symbol}"{depth}
SUBSCRIBE = {subscribe}


{functions}async def stream(cache):
    """Connect, subscribe, and pass every frame to the cache; reconnect if a book is lost."""
    while True:
        try:
            async with connect({url}) as socket:
                cache.on_connect("{name}")
                for text in SUBSCRIBE:
                    await socket.send(text)
{receive}
        except (OSError, WebSocketException, VenueMessageError) as error:
            print(f"reconnecting: {{error}}", file=sys.stderr)
        cache.on_disconnect("{name}")
        await asyncio.sleep(1)


async def main():
    config = MDCacheConfig(enabled=True, sequence_rule=VENUE.sequence_rule)
    cache = MDCache(config, {callback}{checksum})
    task = asyncio.create_task(stream(cache))
    while not task.done():
        await asyncio.sleep(1)
        book, meta = await cache.get_orderbook(SYMBOL, 5, use_case="pricing")
        print(f"{{SYMBOL}} {{book.best_bid}} {{book.best_ask}}" if book else meta.status, flush=True)


asyncio.run(main())
'''

_RECEIVE: Final = """                async for frame in socket:
                    if VENUE.feed(cache, frame, connection="{name}"{depth}):
                        break  # out of sync: only a new subscription brings a snapshot"""
_RECEIVE_REST: Final = """                async for frame in socket:
                    VENUE.feed(cache, frame, connection="{name}")"""
_PING: Final = '''async def keep_alive(socket):
    """The venue closes idle connections."""
    while True:
        await asyncio.sleep(15)
        await socket.send(VENUE.ping)


'''
_FETCH: Final = '''async def fetch_snapshot(symbol, depth):
    """Fetch a snapshot for the cache, which bridges it with the deltas received meanwhile."""
    url = sys.argv[2] if len(sys.argv) > 2 else VENUE.rest.format(symbol=symbol)
    answer = await asyncio.to_thread(lambda: urlopen(url, timeout=5).read())
    return VENUE.body(json.loads(answer), symbol, depth)


'''
_TOKEN: Final = '''def public_url():
    """Request the URL with a token, which KuCoin issues for each connection."""
    request = Request("https://api.kucoin.com/api/v1/bullet-public", method="POST")
    data = json.load(urlopen(request, timeout=5))["data"]
    return f"{data['instanceServers'][0]['endpoint']}?token={data['token']}"


'''


def pages() -> dict[str, Callable[[], str]]:
    """Return the generators of the page of every venue, by path."""
    return {f"docs/how-to/venues/{venue.name}.md": partial(_page, venue) for venue in VENUES.values()}


def _page(venue: Venue) -> str:
    notes = "" if venue.pushes_snapshots else _rest_note(venue)
    return _PAGE.format(title=venue.title, rule=venue.rule, source=venue.source, program=_program(venue), notes=notes)


def _rest_note(venue: Venue) -> str:
    return (
        f"\nThis request returns at most {venue.rest_depth} levels per side; `max_depth` may not exceed it.\n"
        "The subscription is for the whole book, so `feed` gets no `depth`.\n"
    )


def _program(venue: Venue) -> str:
    token = venue.name == "kucoin"
    rest = not venue.pushes_snapshots
    receive = (_RECEIVE_REST if rest else _RECEIVE).format(
        name=venue.name, depth=", depth=DEPTH" if venue.needs_depth else ""
    )
    if venue.ping:
        receive = _with_ping(receive)
    imports = ("import json\n" if rest else "") + "import sys\n"
    opener = "from urllib.request import Request, urlopen\n" if token else "from urllib.request import urlopen\n"
    program = _PROGRAM.format(
        name=venue.name,
        imports=opener if rest else "",
        symbol=venue.symbol,
        depth=f"\nDEPTH = {venue.depth}  # of the subscription" if venue.needs_depth else "",
        subscribe=_listed([text.replace("{symbol}", venue.symbol) for text in venue.subscribe]),
        functions=(_TOKEN if token else "") + (_FETCH if rest else "") + (_PING if venue.ping else ""),
        url="sys.argv[1] if len(sys.argv) > 1 else " + ("public_url()" if token else "VENUE.url"),
        receive=receive,
        callback="fetch_snapshot" if rest else "None",
        checksum=", checksum=VENUE.checksum" if venue.checksum else "",
    )
    return program.replace("import sys\n", imports, 1)


def _listed(texts: list[str]) -> str:
    """Format a list like ruff."""
    if len(texts) == 1:
        return repr(texts)
    return "[\n" + "".join(f"    {text!r},\n" for text in texts) + "]"


def _with_ping(receive: str) -> str:
    inner = "\n".join(f"    {line}" for line in receive.split("\n"))
    return (
        "                ping = asyncio.create_task(keep_alive(socket))\n"
        "                try:\n"
        f"{inner}\n"
        "                finally:\n"
        "                    ping.cancel()"
    )
