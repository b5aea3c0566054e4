"""The process that the tests kill: logs numbered fills, and says on stdout what was accepted and what flushed.

Run as ``python victim.py DIRECTORY BACKGROUND SIGNALS SEED``; the numbers are the fills' ``trade_id``.
"""

from __future__ import annotations

import os
import random
import sys

from calib import FillLogger


def main() -> None:
    directory, background, signals, seed = sys.argv[1], sys.argv[2] == "1", sys.argv[3] == "1", int(sys.argv[4])
    chance = random.Random(seed)
    fills = FillLogger(
        directory, background=background, flush_interval_s=0.002, install_signal_handlers=signals, capacity=512
    )
    os.write(1, b"ready 0\n")
    number = 0
    while True:
        for _ in range(chance.randrange(1, 80)):
            number += 1
            # Every second record lies on the other side of midnight; long ids make long lines.
            fills.log(
                {
                    "ts": 1735775999.5 + number % 2, "symbol": "BTCUSDT", "side": "buy", "price": 94000.5, "qty": 0.01,
                    "liquidity": "maker", "trade_id": str(number), "order_id": "x" * chance.randrange(2000),
                }
            )  # fmt: skip
            os.write(1, b"accepted %d\n" % number)
        if chance.random() < 0.3:
            fills.flush()
            os.write(1, b"flushed %d\n" % number)


if __name__ == "__main__":
    main()
