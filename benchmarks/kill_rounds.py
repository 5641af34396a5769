"""Rounds of `kill -9`: what was acknowledged is there afterwards, once, and nothing that nobody has sent.

    python -m benchmarks.kill_rounds [ROUNDS] [--seed SEED]

Receiver, store, both, and the supervisor with them; at random moments, as they start, as segments are deleted, as the
log is folded into the file, and as an older file is migrated (`tests.support.killing`). Every ten rounds have a
collector on an empty folder, and an account at their end.
"""

from __future__ import annotations

import argparse
import platform
import random
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.support.killing import KINDS, Account, rounds


def main(count: int, seed: str) -> bool:
    """Prints the account. Whether nothing was lost, doubled or invented."""
    moments = random.Random(seed)  # noqa: S311 - nothing here is a secret
    began = time.monotonic()
    total = Account()
    for start in range(0, count, len(KINDS)):
        kinds = moments.sample(KINDS, min(len(KINDS), count - start))
        with tempfile.TemporaryDirectory() as folder:
            account = rounds(Path(folder), kinds, f"{seed} {start}")
        total.add(account)
        told = "clean" if account.is_clean else f"NOT CLEAN: {account}"
        print(f"{sum(total.rounds.values()):5} rounds, {total.acknowledged:9,} spans: {told}", flush=True)
    print(f"\n{platform.machine()}, Python {platform.python_version()}, seed {seed}, {time.monotonic() - began:.0f} s")
    print(f"{'victim':12}{'phase':14}{'rounds':>8}{'aim met':>9}")
    for (victim, phase), played in sorted(total.rounds.items()):
        print(f"{victim:12}{phase:14}{played:8}{total.hit[victim, phase]:9}")
    print(
        f"{total.acknowledged:,} spans acknowledged, {total.resent:,} requests sent again: "
        f"{total.lost} lost, {total.doubled} doubled, {total.invented} invented, "
        f"{total.parts_wrong} with attempts or tool uses that are not theirs"
    )
    return total.is_clean


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rounds", type=int, nargs="?", default=200)
    parser.add_argument("--seed", default=secrets.token_hex(4), help="what the moments are drawn from")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    sys.exit(0 if main(given.rounds, given.seed) else 1)
