"""Picks up what applications on this machine left on disk: sent to this collector, and never delivered.

A process that ends while the collector is away leaves its calls in the spool. Nobody may come who would deliver them: a
notebook is closed, a cron job runs tomorrow. So the collector looks there itself, for what was to go to the address
that it listens on. It sends these bodies to itself: they are checked, put off and made durable like any other, and are
taken from the spool once that is done. Should it die in between, they come twice, and landing knows them.
"""

from __future__ import annotations

import http.client
import logging
import threading
from pathlib import Path
from typing import Literal

from claude_telemetry.settings import Address
from claude_telemetry.spool import Batch, Spool, target_of
from claude_telemetry_collector.receive.app import SIGNALS

log = logging.getLogger(__name__)

_LOOK_S = 5.0
_ANSWER_S = 30.0
_RETRYABLE = frozenset({408, 429, 503})


class PickUp:
    """A thread of its own between `start` and `stop`."""

    def __init__(self, spool: Path, address: Address) -> None:
        """`address` is where the receiver listens."""
        self._spool = Spool(spool)
        self._address = address
        places = [f"http://{host}{path}" for host in (str(address), f"localhost:{address.port}") for path in SIGNALS]
        self._targets = frozenset(target_of(place) for place in places)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pick-up", daemon=True)

    def start(self) -> None:
        """The receiver must be listening, or about to."""
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
        connection = http.client.HTTPConnection(self._address.host, self._address.port, timeout=_ANSWER_S)
        headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
        try:
            connection.request("POST", f"/v1/{batch.signal}", body=batch.body, headers=headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return "later"
        finally:
            connection.close()
        if status == http.client.OK:
            return "taken"
        return "later" if status in _RETRYABLE else "refused"
