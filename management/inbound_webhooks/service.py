"""Inbound webhooks of a tenant: list, show, create, change, switch on and off, delete."""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from infra.clock import now_us
from infra.ids import uuid7_text
from infra.postgres import Connection, Pool, tenant_transaction
from management.access import Actor
from management.configuration.records import read_records
from management.errors import ConflictError, PreconditionFailedError
from management.inbound_webhooks.activity_reader import ActivityReader
from management.inbound_webhooks.documents import Document, Presets, of_creation, of_patch, of_replacement
from management.inbound_webhooks.repository import (
    list_webhooks,
    load_to_change,
    load_to_delete,
    load_webhook,
    require_room,
)
from management.inbound_webhooks.rules.problems import Problems
from management.inbound_webhooks.schemas import (
    InboundWebhookConfig,
    InboundWebhookSaved,
    InboundWebhookSettings,
    Json,
    SettingsWarning,
    WebhookListRequest,
)
from management.inbound_webhooks.showing import Showing
from management.inbound_webhooks.stored import StoredWebhook
from management.inbound_webhooks.validation import SettingsRules
from management.inbound_webhooks.writing import WebhookWriter, Written
from management.paging import Page, PageMeta
from management.preconditions import etag_of, require_version
from schemas.webhooks import WebhookConfig

ToDocument = Callable[[Json, InboundWebhookSettings, Presets, Problems], Document]
#: Compares the webhook before and after a change over so many of its last requests; says how many could be compared.
#: Raises ErrorRateRisesError.
RequireNoWorse = Callable[[WebhookConfig, WebhookConfig, int], int]
_NOTHING_COMPARED = "none of the webhook's last real requests could be compared, so nothing was refused"


class Change(NamedTuple):
    """A PUT or PATCH. `refuse_if_worse` is how many of the last requests decide; None: none."""

    body: Json
    if_match: str | None
    refuse_if_worse: int | None = None


class InboundWebhookService:
    """A tenant sees and changes its own. Raises PostgresUnavailableError while Postgres is away."""

    def __init__(
        self,
        pool: Pool,
        activity: ActivityReader,
        rules: SettingsRules,
        writer: WebhookWriter,
        showing: Showing,
        *,
        webhooks_max: int,
        require_no_worse: RequireNoWorse,
    ) -> None:
        self._pool = pool
        self._activity = activity
        self._rules = rules
        self._writer = writer
        self._showing = showing
        self._webhooks_max = webhooks_max
        self._require_no_worse = require_no_worse

    def page(self, actor: Actor, wanted: WebhookListRequest) -> Page[InboundWebhookConfig]:
        """A page, without samples."""
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            webhooks, total = list_webhooks(connection, actor.tenant_id, wanted)
        activity = self._activity.read(actor.tenant_id, [webhook.id for webhook in webhooks])
        shown = [self._showing.in_list(webhook, activity.get(webhook.id), actor) for webhook in webhooks]
        return Page(data=shown, meta=PageMeta(page=wanted.page, per_page=wanted.per_page, total=total))

    def get(self, actor: Actor, webhook_id: UUID) -> InboundWebhookSaved:
        """One webhook. Raises NotFoundError."""
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            webhook = load_webhook(connection, actor.tenant_id, webhook_id)
        return self.show(actor, Written(webhook))

    def create(self, actor: Actor, body: Json) -> InboundWebhookSaved:
        """Make one. Raises ValidationFailedError with every problem, ConflictError for a taken slug or too many."""
        problems = Problems()
        document = of_creation(body, self._rules.presets, problems)
        webhook_id = UUID(uuid7_text(now_us()))
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            require_room(connection, actor.tenant_id, self._webhooks_max)
            written = self._writer.create(connection, actor.tenant_id, webhook_id, document, problems, actor=actor)
        return self.show(actor, written)

    def replace(self, actor: Actor, webhook_id: UUID, change: Change) -> InboundWebhookSaved:
        """A PUT. Raises NotFoundError, PreconditionFailedError, ValidationFailedError, ConflictError, and, where more
        requests would fail than were wanted, ErrorRateRisesError."""
        return self._change(actor, webhook_id, change, of_replacement)

    def patch(self, actor: Actor, webhook_id: UUID, change: Change) -> InboundWebhookSaved:
        """A PATCH. Raises as `replace` does."""
        return self._change(actor, webhook_id, change, of_patch)

    def set_active(self, actor: Actor, webhook_id: UUID, active: bool) -> InboundWebhookSaved:
        """Switch it on or off; nothing where it is so already. Raises NotFoundError, ConflictError."""
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            stored = load_to_change(connection, actor.tenant_id, webhook_id)
            has_form = self._rules.secret_form(stored.settings) is not None
            if active and has_form and stored.secret("current") is None:
                raise ConflictError("the webhook has no secret, so that nobody could prove anything: rotate it first")
            written = self._writer.switch(connection, stored, active=active, actor=actor)
        return self.show(actor, written)

    def delete(self, actor: Actor, webhook_id: UUID, if_match: str | None) -> None:
        """Take it out of force and away. Raises NotFoundError, PreconditionFailedError, ConflictError."""
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            stored = load_to_delete(connection, actor.tenant_id, webhook_id)
            require_version(if_match, stored.version)
            self._writer.delete(connection, stored, actor=actor)

    def show(
        self, actor: Actor, written: Written, further_warnings: Sequence[SettingsWarning] = ()
    ) -> InboundWebhookSaved:
        """The answer to a change, or to a question."""
        webhook = written.webhook
        activity = self._activity.read(webhook.tenant_id, [webhook.id]).get(webhook.id)
        warnings = [*self._rules.warnings(webhook.settings, webhook.sample_text), *further_warnings]
        return self._showing.alone(webhook, activity, actor, warnings=warnings, secret=written.secret)

    def _change(self, actor: Actor, webhook_id: UUID, change: Change, to_document: ToDocument) -> InboundWebhookSaved:
        warnings: list[SettingsWarning] = []
        tried_version = None
        if change.refuse_if_worse is not None:
            tried_version = self._try_out(actor, webhook_id, change, to_document, warnings)
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            stored = load_to_change(connection, actor.tenant_id, webhook_id)
            if tried_version not in (None, stored.version):
                raise _changed_meanwhile(stored)
            written = self._write(connection, actor, stored, change, to_document)
        return self.show(actor, written, warnings)

    def _write(
        self, connection: Connection, actor: Actor, stored: StoredWebhook, change: Change, to_document: ToDocument
    ) -> Written:
        require_version(change.if_match, stored.version)
        problems = Problems()
        _require_same_version(change.body.get("version"), stored, problems)
        document = to_document(change.body, stored.settings, self._rules.presets, problems)
        return self._writer.change(connection, stored, document, problems, actor=actor)

    def _try_out(
        self,
        actor: Actor,
        webhook_id: UUID,
        change: Change,
        to_document: ToDocument,
        warnings: list[SettingsWarning],
    ) -> int:
        """Change it, take that back, and compare; the version that was changed. No lock is held while comparing."""
        key = actor.tenant_id, webhook_id
        with (
            tenant_transaction(self._pool, actor.tenant_id) as connection,
            connection.transaction(force_rollback=True),
        ):
            stored = load_to_change(connection, *key)
            before = read_records(connection, [key]).get(key)
            self._write(connection, actor, stored, change, to_document)
            after = read_records(connection, [key]).get(key)
        compared = 0
        if before is not None and after is not None and change.refuse_if_worse is not None:
            compared = self._require_no_worse(before, after, change.refuse_if_worse)
        if not compared:
            warnings.append(SettingsWarning(path="", message=_NOTHING_COMPARED))
        return stored.version


def _changed_meanwhile(stored: StoredWebhook) -> PreconditionFailedError:
    message = f"it was changed while its requests were compared: it is version {stored.version} by now"
    return PreconditionFailedError(message, headers={"ETag": etag_of(stored.version)})


def _require_same_version(given: object, stored: StoredWebhook, problems: Problems) -> None:
    if given is None:
        return
    if not isinstance(given, int) or isinstance(given, bool):
        problems.add("version", "version must be the whole number that GET showed")
    elif given != stored.version:
        message = f"version {given} is not the current one: it is version {stored.version} by now; read it again"
        raise PreconditionFailedError(message, headers={"ETag": etag_of(stored.version)})
