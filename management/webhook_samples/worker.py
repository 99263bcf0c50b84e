"""The thread that ends captures: with the first body they find, or with their time.

Every management process has one. Each looks by itself; whoever is first ends the capture, in one transaction that
asks whether it is still open, so a sample is written once, and a process that dies leaves its work to be done again.
"""

import time

import psycopg

from infra.clock import now_us
from infra.errors import KafkaUnavailableError, PostgresUnavailableError
from infra.log import get_logger
from infra.settings import KafkaSettings
from management.background import Background
from management.webhook_samples.reader import RawReader
from management.webhook_samples.repository import SampleRepository
from management.webhook_samples.watch import CaptureWatch

_LOOK_SECONDS = 1.0
_log = get_logger(__name__)


class SampleWorker(Background):
    """Asks Postgres once a second whether a capture is open; reads Kafka only while one is."""

    def __init__(self, kafka: KafkaSettings, repository: SampleRepository) -> None:
        super().__init__("sample-captures")
        self._kafka = kafka
        self._repository = repository
        self._fault: str | None = None

    @property
    def fault(self) -> str | None:
        """Why this makes no progress now, in words; None: it does, here or in another process."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._stopping.is_set():
            return "the thread has ended"
        return self._fault

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._repository.captures():
                    self._watch_until_none_is_open()
                self._fault = None
            except (KafkaUnavailableError, PostgresUnavailableError) as error:
                self._note(str(error))
            except psycopg.Error as error:  # its words may show values
                self._note(f"Postgres refused: {type(error).__name__}")
            self._stopping.wait(_LOOK_SECONDS)

    def _note(self, fault: str) -> None:
        if self._fault is None:
            _log.warning("samples.waiting", reason=fault)
        self._fault = fault

    def _watch_until_none_is_open(self) -> None:
        reader, watch = RawReader(self._kafka), CaptureWatch()
        looked_at = float("-inf")
        try:
            while not self._stopping.is_set():
                if time.monotonic() - looked_at >= _LOOK_SECONDS:
                    looked_at = time.monotonic()
                    captures = self._repository.captures()
                    if not captures:
                        return
                    begins_at_us = watch.update(captures)
                    if begins_at_us is not None:
                        reader.rewind(begins_at_us)
                    self._fault = None
                for record in reader.read():
                    watch.offer(record)
                self._end_due(reader, watch)
        finally:
            reader.close()

    def _end_due(self, reader: RawReader, watch: CaptureWatch) -> None:
        for capture, sample, ends in list(watch.due(now_us())):
            if ends is None:
                watch.read_until(capture, reader.ends())
            elif reader.has_read(ends):
                ended = self._repository.expire(capture) if sample is None else self._repository.keep(capture, sample)
                watch.forget(capture)
                if ended:
                    kept = sample is not None and sample.json_text is not None
                    _log.info("samples.capture_ended", webhook_id=str(capture.webhook_id), kept=kept)
