"""Whether calls that are read as columns are those that the reference reads, cell by cell, on as many spans as wanted.

    python -m benchmarks.columns [--spans 100000] [--seed 0]

The spans are like our own capture's, and half of them are bent: other types, keys, orders, times, encodings
(`tests.support.odd_bodies`). Ends with an error, and what differs, when anything does.
"""

from __future__ import annotations

import argparse
import time

from tests.support.judged import judged
from tests.support.odd_bodies import RECEIVED_AT, odd_bodies, readable

_AT_ONCE = 1000


def main(spans: int, seed: int) -> None:
    """Prints what was compared. Raises `SystemExit` at the first seed at which something differs."""
    as_columns = as_told = cells = 0
    began = time.monotonic()
    while as_columns + as_told < spans:
        bodies = [(body, RECEIVED_AT) for body in odd_bodies(seed, _AT_ONCE) if readable(body)]
        verdict = judged(bodies)
        if verdict.differing:
            raise SystemExit(f"seed {seed}: " + "\n".join(verdict.differing))
        as_columns += verdict.as_columns
        as_told += verdict.as_told
        cells += verdict.cells
        seed += 1
    took = f"{time.monotonic() - began:.0f} s"
    print(f"{as_columns:,} calls as columns and {as_told:,} left to the reference: {cells:,} cells, 0 differ ({took})")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--spans", type=int, default=100_000, help="that are calls of ours")
    parser.add_argument("--seed", type=int, default=0, help="to begin with")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    main(given.spans, given.seed)
