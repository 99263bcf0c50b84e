"""Versions of a webhook: the list, one with its differences, and making an earlier one the newest."""

from uuid import UUID

from infra.clock import rfc3339_of
from infra.postgres import Pool, Row, tenant_transaction
from management.access import Actor
from management.inbound_webhooks.documents import of_version
from management.inbound_webhooks.repository import load_to_change, load_webhook
from management.inbound_webhooks.rules.problems import Problems
from management.inbound_webhooks.schemas import Json
from management.inbound_webhooks.writing import WebhookWriter, Written
from management.paging import Page, PageMeta
from management.preconditions import require_version
from management.webhook_versions.differences import differences
from management.webhook_versions.repository import list_versions, load_version
from management.webhook_versions.schemas import VersionPageRequest, WebhookVersion, WebhookVersionDetails


class WebhookVersionService:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool, writer: WebhookWriter) -> None:
        self._pool = pool
        self._writer = writer

    def page(self, tenant_id: UUID, webhook_id: UUID, wanted: VersionPageRequest) -> Page[WebhookVersion]:
        """A page, newest first. Raises NotFoundError."""
        offset = (wanted.page - 1) * wanted.per_page
        with tenant_transaction(self._pool, tenant_id) as connection:
            load_webhook(connection, tenant_id, webhook_id)
            rows, total = list_versions(connection, tenant_id, webhook_id, limit=wanted.per_page, offset=offset)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[WebhookVersion.model_validate(_members(row)) for row in rows], meta=meta)

    def get(self, tenant_id: UUID, webhook_id: UUID, version: int) -> WebhookVersionDetails:
        """One version. Raises NotFoundError."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            row, before = load_version(connection, tenant_id, webhook_id, version)
        config: Json = row["config"]
        found = [] if before is None else list(differences(before["config"], config))
        return WebhookVersionDetails(**_members(row), config=config, differences=found)

    def restore(self, actor: Actor, webhook_id: UUID, version: int, if_match: str | None) -> Written:
        """Have the settings of `version` again, as the newest version; secrets stay as they are.

        Raises NotFoundError, PreconditionFailedError, and, as what was right once may be wrong by now,
        ValidationFailedError and ConflictError.
        """
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            stored = load_to_change(connection, actor.tenant_id, webhook_id)
            require_version(if_match, stored.version)
            row, _ = load_version(connection, actor.tenant_id, webhook_id, version)
            problems = Problems()
            document = of_version(row["config"], problems)
            return self._writer.change(connection, stored, document, problems, actor=actor, change="restored")


def _members(row: Row) -> Json:
    return {
        "version": row["version"],
        "change": row["change"],
        "changed_by": row["changed_by"],
        "changed_at": rfc3339_of(row["changed_at"]),
    }
