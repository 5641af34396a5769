"""Picks up what applications on this machine left on disk: sent to this collector, and never delivered.

A process that ends while the collector is away leaves its calls in the spool. Nobody may come who would deliver them: a
notebook is closed, a cron job runs tomorrow. So the collector looks there itself, for what was to go to the address
that it listens on. These bodies are checked, put off and made durable like any other, and are taken from the spool
once that is done. Should it die in between, they come twice, and landing knows them.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Literal

from claude_telemetry.settings import Address
from claude_telemetry.spool import Batch, Spool, target_of
from claude_telemetry_collector.receive.app import SIGNALS
from claude_telemetry_collector.receive.inflate import Inflating
from claude_telemetry_collector.receive.intake import Intake
from claude_telemetry_collector.receive.refusal import Refusal

log = logging.getLogger(__name__)

_LOOK_S = 5.0
_LATER = 503


class PickUp:
    """A thread of its own between `start` and `stop`."""

    def __init__(self, spool: Path, address: Address, intake: Intake, *, scheme: str = "http") -> None:
        """`address` is where the receiver listens, and `scheme` how."""
        self._spool = Spool(spool)
        self._intake = intake
        hosts = (str(address), f"localhost:{address.port}", f"127.0.0.1:{address.port}")
        self._targets = frozenset(target_of(f"{scheme}://{host}{path}") for host in hosts for path in SIGNALS)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pick-up", daemon=True)

    def start(self) -> None:
        """The intake's `commit` must have been started."""
        self._thread.start()

    def stop(self) -> None:
        """Waits for the body that is under way. What is left stays in the spool."""
        self._stopping.set()
        self._thread.join()

    def pick_up(self) -> int:
        """Takes all that is there now, until the receiver puts it off; how many calls that were."""
        self._spool.take_over(self._targets)
        calls = 0
        while not self._stopping.is_set() and (batch := self._spool.oldest()) is not None:
            outcome = self._hand_over(batch)
            if outcome == "later":
                break
            if outcome == "refused":
                if len(batch.places) > 1:
                    self._spool.one_by_one()
                    continue
                log.warning("%d calls from the spool were refused: they are no calls, or too large", batch.calls)
            self._spool.done(batch.places, refused=batch.calls if outcome == "refused" else 0)
            calls += batch.calls if outcome == "taken" else 0
        return calls

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                calls = self.pick_up()
            except OSError as error:
                log.warning("cannot read the spool in %s: %s", self._spool.folder, error.strerror or error)
            else:
                if calls:
                    log.info("picked up %d calls that applications left in %s", calls, self._spool.folder)
            self._stopping.wait(_LOOK_S)
        self._spool.close()

    def _hand_over(self, batch: Batch) -> Literal["taken", "later", "refused"]:
        inflating = Inflating("gzip", self._intake.limits.max_body_bytes)
        try:
            inflating.feed(batch.body)
            self._intake.keep_now(batch.signal, "protobuf", inflating.whole(), "spool")
        except Refusal as refusal:
            return "later" if refusal.status == _LATER else "refused"
        return "taken"
