"""Erasures of a tenant: asked for here, done by `management.erasures.work`."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from infra.clickhouse import ClickHouse
from infra.clock import now_us, rfc3339_of
from infra.ids import uuid7_text
from infra.postgres import Row
from infra.requests.paths import PathError, compile_path
from infra.secretbox import SecretBox, erasure_context
from infra.topics import load_topics
from management.access import Actor
from management.erasures.log import ErasableLog
from management.erasures.receipts import in_force_until
from management.erasures.repository import ErasureRepository
from management.erasures.schemas import Erasure, ErasureCreateInput, ErasureFilter
from management.errors import NotFoundError, Problem, ValidationFailedError
from management.paging import Page, PageMeta

_NOTHING: dict[str, Any] = dict.fromkeys(("delivery_id", "webhook_id", "path", "sealed_value", "value_fingerprint"))


class ErasureService:
    """Raises as the stores do."""

    def __init__(self, repository: ErasureRepository, clickhouse: ClickHouse, secret_box: SecretBox) -> None:
        self._repository = repository
        self._clickhouse = clickhouse
        self._secret_box = secret_box
        self._topics = load_topics()

    def page(self, actor: Actor, wanted: ErasureFilter) -> Page[Erasure]:
        """A page, newest first."""
        rows, total = self._repository.page(actor.tenant_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[_shown(row) for row in rows], meta=meta)

    def get(self, actor: Actor, erasure_id: UUID) -> Erasure:
        """One. Raises NotFoundError, also for another tenant's."""
        return _shown(self._repository.get(actor.tenant_id, erasure_id))

    def erase_value(self, actor: Actor, wanted: ErasureCreateInput) -> Erasure:
        """Of deliveries that were received before now. Raises ValidationFailedError, ConflictError."""
        try:
            compile_path(wanted.path)
        except PathError as error:
            raise ValidationFailedError([Problem("path", f"path: {wanted.path!r} {error}")]) from error
        erasure_id = _new_id()
        context = erasure_context(str(actor.tenant_id), str(erasure_id))
        fingerprint = self._secret_box.fingerprint(wanted.value, context=f"erasure/{actor.tenant_id}")
        members = {
            "kind": "value",
            "webhook_id": wanted.webhook_id,
            "path": wanted.path,
            "sealed_value": self._secret_box.seal(wanted.value, context=context),
            "value_fingerprint": fingerprint,
            "reason": wanted.reason,
        }
        return self._add(actor, erasure_id, members)

    def erase_body(self, actor: Actor, delivery_id: UUID) -> Erasure:
        """Of one delivery. Raises NotFoundError, also for another tenant's; ConflictError."""
        if ErasableLog(self._clickhouse, actor.tenant_id).find_delivery(delivery_id) is None:
            raise NotFoundError(f"no delivery {delivery_id}")
        return self._add(actor, _new_id(), {"kind": "body", "delivery_id": delivery_id, "reason": ""})

    def _add(self, actor: Actor, erasure_id: UUID, members: dict[str, Any]) -> Erasure:
        asked_at = datetime.now(UTC)
        times = {"asked_at": asked_at, "in_force_until": in_force_until(asked_at, self._topics)}
        return _shown(self._repository.add(actor, {**_NOTHING, **members, **times, "id": erasure_id}))


def _new_id() -> UUID:
    return UUID(uuid7_text(now_us()))


def _shown(row: Row) -> Erasure:
    times = {name: rfc3339_of(row[name]) for name in ("asked_at", "in_force_until")}
    return Erasure.model_validate({**row, **times})
