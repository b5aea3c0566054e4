"""Time and memory of a fit over ten million pieces of exposure, compared with one pass of numpy over as many numbers.

python -m benchmarks.bench_fit [--pieces 10000000]
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from calib.fitting.checks import check_fit
from calib.fitting.exposure import QuoteSpans, cut_exposure
from calib.fitting.intensity import fit_intensity
from calib.recorded.mids import Mids


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", type=int, default=10_000_000)
    count = parser.parse_args().pieces
    random = np.random.default_rng(1)
    quotes, day = count // 50, 86_400.0
    changes = np.sort(random.uniform(0, day, count * 43 // 100))
    mids = Mids.of(changes, 100 + np.cumsum(random.choice([-0.001, 0.001], len(changes))))
    opened = np.sort(random.uniform(1, day - 10, quotes))
    sign = random.choice([1.0, -1.0], quotes)
    price = mids.at(opened, 5) * (1 - sign * random.uniform(0.5, 6, quotes) * 1e-4)
    no = np.zeros(quotes, bool)
    spans = QuoteSpans(sign, price, opened, opened + 1.0, random.random(quotes) < 0.1, no, np.full(quotes, np.nan))
    begin, cpu = time.perf_counter(), time.process_time()
    found = cut_exposure(spans, mids)
    print(f"{len(found.pieces):,} pieces cut in {time.perf_counter() - begin:.1f} s")
    for side in ("both", "buy", "sell"):
        pieces, starts = found.of_side(side)
        fit = fit_intensity(pieces)
        assert fit is not None
        check_fit(starts, pieces, fit, level=0.95)
    total, worked = time.perf_counter() - begin, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peer = time.process_time()
    np.exp(-0.5 * found.pieces.delta_bps).sum()
    one_pass = time.process_time() - peer
    print(f"cut, fitted and checked on both sides and pooled: {total:.1f} s ({worked:.1f} CPU), peak {peak:,.0f} MiB")
    print(f"one pass of numpy's exp and sum over the pieces: {one_pass:.3f} s CPU, {worked / one_pass:.0f} times less")


if __name__ == "__main__":
    main()
