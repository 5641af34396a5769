"""`python -m claude_telemetry.demo.app`: the sample application that is watched.

It is written as any application is: two lines to be recorded, labels around what belongs together, and then the SDK.
"""

from __future__ import annotations

import argparse
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

import anthropic

import claude_telemetry
from claude_telemetry.demo.features import Question, question
from claude_telemetry.signals import StopWish

_FLUSH_WITHIN_S = 30.0


class Application:
    """Asks questions until told to stop. Thread-safe."""

    def __init__(self, client: anthropic.Anthropic, *, seed: int, calls: int | None, pause_s: float) -> None:
        """`calls` is how many, `None` for no end. Each worker waits about `pause_s` between two."""
        self._client = client
        self._seed = seed
        self._pause_s = pause_s
        self._numbers = islice(count(1), calls)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.outcomes: Counter[str] = Counter()

    def work(self) -> None:
        """What one worker does."""
        while not self._stop.is_set():
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            asked = question(number, self._seed)
            outcome = self._ask(asked)
            with self._lock:
                self.outcomes[outcome] += 1
            self._stop.wait(self._pause_s * (0.5 + number % 10 / 10))

    def stop(self) -> None:
        """No further question is asked."""
        self._stop.set()

    def _ask(self, asked: Question) -> str:
        with claude_telemetry.label(
            user=asked.user,
            session=asked.session,
            feature=asked.feature.name,
            prompt=asked.feature.prompt,
            prompt_version=asked.version,
            tenant=asked.tenant,
        ):
            try:
                return self._stream(asked) if asked.feature.stream else self._create(asked)
            except anthropic.APIError:
                return "failed"

    def _create(self, asked: Question) -> str:
        self._client.messages.create(**asked.request)
        return "answered"

    def _stream(self, asked: Question) -> str:
        with self._client.messages.stream(**asked.request) as stream:
            for number, _ in enumerate(stream, start=1):
                if number == asked.stops_after_events or self._stop.is_set():
                    return "left early"
        return "answered"


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every call was recorded and delivered, 1 when the collector did not take them in time."""
    options = _parser().parse_args(argv)
    claude_telemetry.instrument(service=options.service, environment="demo", endpoint=options.endpoint)
    client = anthropic.Anthropic(base_url=options.base_url, api_key="demo", max_retries=1)
    app = Application(client, seed=options.seed, calls=options.calls, pause_s=options.pause)
    with StopWish() as wish, client, ThreadPoolExecutor(options.workers) as workers:
        running = [workers.submit(app.work) for _ in range(options.workers)]
        while not all(worker.done() for worker in running) and not wish.wait(0.1):
            pass
        app.stop()
    delivered = claude_telemetry.flush(_FLUSH_WITHIN_S)
    told = ", ".join(f"{outcomes} {name}" for name, outcomes in sorted(app.outcomes.items()))
    print(f"{app.outcomes.total()} calls: {told}", flush=True)
    for worker in running:
        worker.result()
    return 0 if delivered else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m claude_telemetry.demo.app", description="A sample application that uses Claude in several ways."
    )
    parser.add_argument("--base-url", required=True, help="where Claude, or the stand-in, answers")
    parser.add_argument("--endpoint", help="where the collector listens (default: as `instrument()` finds it)")
    parser.add_argument("--service", default="sample-app", help="what it calls itself (default %(default)s)")
    parser.add_argument("--calls", type=int, help="end after so many calls (default: never)")
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed asks the same questions (default %(default)s)"
    )
    parser.add_argument("--workers", type=int, default=6, help="calls that may run at once (default %(default)s)")
    parser.add_argument(
        "--pause", type=float, default=1.0, help="seconds between two calls of a worker (default %(default)s)"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
