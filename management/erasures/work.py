"""Does what erasures ask for, and again while Kafka could bring it back.

A look finds what matches, notes it by its ids, hides it and begins to take it off the disk; when nothing of it is left
there the receipt is made. Every step can be done twice, and Postgres says how far one is: who takes over goes on there.
"""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from infra.clickhouse import ClickHouse
from infra.clock import MICROSECONDS
from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError, SecretError
from infra.log import get_logger
from infra.postgres import Connection, Pool, Row
from infra.removal import is_removed
from infra.requests.paths import compile_path
from infra.retention.days import NIL
from infra.retention.settings import read_settings
from infra.secretbox import SecretBox, erasure_context
from infra.settings import PostgresSettings
from infra.topics import load_topics
from management.erasures.kept import KeptBodies
from management.erasures.log import ErasableLog, Sought
from management.erasures.receipts import Cleared, kept_of, make_receipt
from management.erasures.repository import ErasureRepository, list_due
from management.leading import LedWork
from management.paging import microseconds
from management.replaying.forgetting import forget_changes
from schemas.retention import REJECTION_DAYS_DEFAULT

#: Rows that were on their way when it was asked are there by then.
_LATE_SECONDS = 120.0
_LOOK_AGAIN_SECONDS = 3_600.0
_REMOVAL_POLL_SECONDS = 2.0
_RETRY_SECONDS = 10.0
_log = get_logger(__name__)


class ErasureWork(LedWork):
    """The part `erasures`. `pool` writes; the leading session only reads what is due."""

    name = "erasures"
    lock_key = 0x686C2065726173  # "hl eras"
    look_seconds = 1.0

    def __init__(self, postgres: PostgresSettings, pool: Pool, clickhouse: ClickHouse, secret_box: SecretBox) -> None:
        super().__init__(postgres)
        self._repository = ErasureRepository(pool)
        self._pool = pool
        self._clickhouse = clickhouse
        self._secret_box = secret_box
        self._topics = load_topics()

    def step(self, connection: Connection) -> Sequence[str]:
        """Go on with every erasure that is due. Raises PostgresUnavailableError."""
        for erasure in list_due(connection):
            try:
                self.go_on(erasure)
            except SecretError as error:
                self._repository.close(erasure, status="failed", failure=str(error))
            except (ClickHouseUnavailableError, ClickHouseRefusedError) as error:
                _log.warning("erasures.waiting", erasure_id=str(erasure["id"]), reason=type(error).__name__)
                self._repository.note_wait(erasure, _RETRY_SECONDS, "the log is away, or refuses; it is tried again")
        return ()

    def go_on(self, erasure: Row) -> None:
        """One step of one erasure, a row of `list_due`."""
        if erasure["removal"] is not None:
            self._await_removal(erasure)
        elif erasure["status"] == "done" and erasure["in_force_until"] <= datetime.now(UTC):
            self._repository.close(erasure, status="done")
        else:
            self._look(erasure)

    def _look(self, erasure: Row) -> None:
        log = ErasableLog(self._clickhouse, erasure["tenant_id"])
        kept = KeptBodies(self._pool, erasure["tenant_id"])
        found, entities = self._note_matches(log, kept, erasure)
        matched, _ = log.noted(erasure["id"])
        # Before it is done once, what an earlier look noted may not have been cleared: that look may have died.
        if matched and (found or erasure["status"] != "done"):
            self._repository.note_removal(erasure, log.clear(erasure["id"]), entities)
        elif erasure["status"] == "done" and kept.cleared(erasure["id"]) == kept_of(erasure["receipt"]):
            self._repository.note_wait(erasure, _LOOK_AGAIN_SECONDS, None)
        else:
            self._finish(erasure, log)

    def _note_matches(self, log: ErasableLog, kept: KeptBodies, erasure: Row) -> tuple[int, list[str]]:
        """What matches in the log; what is kept beside it goes at once."""
        erasure_id: UUID = erasure["id"]
        if erasure["kind"] == "body":
            return self._note_body(log, kept, erasure), []
        found, entities, sought = 0, set(erasure["entities"]), self._sought(erasure)
        kept.clear_value(erasure_id, sought, erasure["asked_at"])
        for chunk in itertools.chain(log.matches(sought), log.late_outcomes(erasure_id, sought)):
            log.note(erasure_id, chunk)
            found += len(chunk)
            entities.update(entity for match in chunk for entity in match.entities)
        return found, sorted(entities)

    def _note_body(self, log: ErasableLog, kept: KeptBodies, erasure: Row) -> int:
        delivery = log.find_delivery(erasure["delivery_id"])
        if delivery is None:
            return 0
        match, has_body = delivery
        kept.clear_delivery(erasure["id"], match)
        if has_body:
            log.note(erasure["id"], [match])
        return int(has_body)

    def _sought(self, erasure: Row) -> Sought:
        context = erasure_context(str(erasure["tenant_id"]), str(erasure["id"]))
        value = self._secret_box.open(erasure["sealed_value"], context=context)
        return Sought(compile_path(erasure["path"]), value, erasure["webhook_id"], microseconds(erasure["asked_at"]))

    def _await_removal(self, erasure: Row) -> None:
        if is_removed(self._clickhouse, erasure["removal"]):
            self._finish(erasure, ErasableLog(self._clickhouse, erasure["tenant_id"]))
        else:
            self._repository.note_wait(erasure, _REMOVAL_POLL_SECONDS, None)

    def _finish(self, erasure: Row, log: ErasableLog) -> None:
        forget_changes(self._pool, self._clickhouse, erasure["tenant_id"])
        removed_at = datetime.now(UTC)
        own = read_settings(self._clickhouse).get((str(erasure["tenant_id"]), NIL))
        kept = KeptBodies(self._pool, erasure["tenant_id"]).cleared(erasure["id"])
        rejection_days = REJECTION_DAYS_DEFAULT if own is None or own.rejections is None else own.rejections
        receipt = make_receipt(
            erasure,
            Cleared(*log.noted(erasure["id"]), erasure["entities"], kept),
            removed_at=removed_at,
            rejection_days=rejection_days,
            topics=self._topics,
        )
        is_first = erasure["status"] != "done"
        wait_seconds = _LATE_SECONDS if is_first else _LOOK_AGAIN_SECONDS
        self._repository.note_done(erasure, receipt, removed_at=removed_at, wait_seconds=wait_seconds)
        age_seconds = (microseconds(removed_at) - microseconds(erasure["asked_at"])) / MICROSECONDS
        _log.info("erasures.done", erasure_id=str(erasure["id"]), seconds=round(age_seconds, 1))
