"""One change of a webhook: rows, version, audit entry and the note to publish it, in the caller's transaction."""

import hmac
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from infra.errors import SecretError
from infra.json_values import same_value
from infra.postgres import Connection
from infra.secretbox import SecretBox, webhook_context
from infra.webhooks import seal_webhook_secret
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.configuration.records import RECORD_BYTES_MAX, enqueue_change, read_records, record_value
from management.errors import ConflictError, Problem, ValidationFailedError
from management.inbound_webhooks.documents import Document
from management.inbound_webhooks.repository import (
    delete_webhook,
    insert_webhook,
    load_webhook,
    switch_webhook,
    touch_webhook,
    update_webhook,
    webhooks_that_name,
)
from management.inbound_webhooks.rules.problems import Problems
from management.inbound_webhooks.schemas import SECRET_MEMBERS, Json
from management.inbound_webhooks.stored import StoredWebhook
from management.inbound_webhooks.validation import Checked, SettingsRules
from management.webhook_secrets.repository import replace_secrets
from management.webhook_versions.repository import insert_version

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Written:
    """The webhook as it stands now. `secret` is in the clear, and there only when it was generated just now."""

    webhook: StoredWebhook
    secret: str | None = field(default=None, repr=False)


class WebhookWriter:
    """Safe to share between threads."""

    def __init__(self, rules: SettingsRules, secret_box: SecretBox) -> None:
        self._rules = rules
        self._secret_box = secret_box

    def create(
        self,
        connection: Connection,
        tenant_id: UUID,
        webhook_id: UUID,
        document: Document,
        problems: Problems,
        *,
        actor: Actor,
    ) -> Written:
        """Make it. Raises ValidationFailedError with every problem, and ConflictError for a taken slug alone."""
        checked = self._rules.check(connection, tenant_id, document, problems, webhook_id=webhook_id)
        settings = checked.settings
        insert_webhook(
            connection, tenant_id, webhook_id, settings, json_schema=checked.json_schema, created_by=actor.as_json()
        )
        generated = None
        if settings.auth_type in SECRET_MEMBERS:
            secret = checked.secret or generate_secret()
            generated = None if checked.secret else secret
            replace_secrets(connection, tenant_id, webhook_id, self.seal(tenant_id, webhook_id, secret))
        webhook = load_webhook(connection, tenant_id, webhook_id)
        record_change(connection, actor, "created", None, webhook)
        return Written(webhook, generated)

    def change(
        self,
        connection: Connection,
        stored: StoredWebhook,
        document: Document,
        problems: Problems,
        *,
        actor: Actor,
        change: str = "updated",
    ) -> Written:
        """Make `stored`, which was loaded to be changed, what the document says; nothing where it says the same.

        A secret that is given replaces the one that was good, at once. Raises as `create` does.
        """
        checked = self._rules.check(connection, stored.tenant_id, document, problems, webhook_id=stored.id)
        new_secret = self._new_secret(stored, checked, keeps=change == "restored")
        if new_secret is None and same_value(checked.settings.as_json(), stored.settings.as_json()):
            return Written(stored)
        update_webhook(connection, stored, checked.settings, checked.json_schema)
        if new_secret is not None:
            replace_secrets(connection, stored.tenant_id, stored.id, self.seal(stored.tenant_id, stored.id, new_secret))
        elif checked.settings.auth_type not in SECRET_MEMBERS:
            replace_secrets(connection, stored.tenant_id, stored.id, None)
        webhook = load_webhook(connection, stored.tenant_id, stored.id)
        secret_facts = {} if new_secret is None else {"secret_changed": True}
        record_change(connection, actor, change, stored, webhook, facts=secret_facts)
        return Written(webhook, new_secret if checked.secret is None else None)

    def switch(self, connection: Connection, stored: StoredWebhook, *, active: bool, actor: Actor) -> Written:
        """Switch `stored`, which was loaded to be changed, on or off; nothing where it is so already."""
        if stored.settings.is_active == active:
            return Written(stored)
        switch_webhook(connection, stored, active=active)
        webhook = load_webhook(connection, stored.tenant_id, stored.id)
        record_change(connection, actor, "enabled" if active else "disabled", stored, webhook)
        return Written(webhook)

    def touch(
        self, connection: Connection, stored: StoredWebhook, change: str, *, actor: Actor, facts: Json
    ) -> StoredWebhook:
        """Note a change beside the settings: a new version of the same settings, and `facts` in the audit entry."""
        touch_webhook(connection, stored)
        webhook = load_webhook(connection, stored.tenant_id, stored.id)
        record_change(connection, actor, change, stored, webhook, facts=facts)
        return webhook

    def delete(self, connection: Connection, stored: StoredWebhook, *, actor: Actor) -> None:
        """Take `stored`, which was loaded to be deleted, away. Raises ConflictError while another one names it."""
        leaning = webhooks_that_name(connection, stored.tenant_id, stored.id)
        if leaning:
            raise ConflictError(f"external_ids_of of {', '.join(leaning)} names this webhook: change that first")
        delete_webhook(connection, stored)  # whose trigger has it published
        write_audit_entry(connection, actor, "inbound_webhook.deleted", stored.id, before=_audited(stored))

    def seal(self, tenant_id: UUID, webhook_id: UUID, secret: str) -> str:
        """A ciphertext for this webhook and no other."""
        return seal_webhook_secret(
            self._secret_box, secret, tenant_id=str(tenant_id), webhook_id=str(webhook_id)
        ).sealed

    def is_current(self, stored: StoredWebhook, secret: str) -> bool:
        """Whether it is the secret that is good already, compared in constant time. One that does not open is not."""
        current = stored.secret("current")
        if current is None:
            return False
        context = webhook_context(str(stored.tenant_id), str(stored.id))
        try:
            opened = self._secret_box.open(current.sealed, context=context)
        except SecretError:
            return False
        return hmac.compare_digest(opened.encode(), secret.encode())

    def _new_secret(self, stored: StoredWebhook, checked: Checked, *, keeps: bool) -> str | None:
        """The secret to set; None where the one there stays, or the scheme has none."""
        if checked.settings.auth_type not in SECRET_MEMBERS:
            return None
        if checked.secret is not None:
            return None if self.is_current(stored, checked.secret) else checked.secret
        has_one = stored.secret("current") is not None
        same_scheme = checked.settings.auth_type == stored.settings.auth_type
        return None if has_one and (same_scheme or keeps) else generate_secret()


def generate_secret() -> str:
    """32 random bytes as text."""
    return secrets.token_urlsafe(SECRET_BYTES)


def record_change(
    connection: Connection,
    actor: Actor,
    change: str,
    before: StoredWebhook | None,
    after: StoredWebhook,
    *,
    facts: Json | None = None,
) -> None:
    """Version, audit entry and outbox row of a change that was made. Raises ValidationFailedError."""
    _require_fitting_record(connection, after)
    insert_version(
        connection,
        after.tenant_id,
        after.id,
        after.version,
        change=change,
        config=after.settings.as_json(),
        changed_by=actor.as_json(),
    )
    was = None if before is None else _audited(before)
    shown = {**_audited(after), **(facts or {})}
    write_audit_entry(connection, actor, f"inbound_webhook.{change}", after.id, before=was, after=shown)
    enqueue_change(connection, after.tenant_id, after.id)


def _require_fitting_record(connection: Connection, webhook: StoredWebhook) -> None:
    """Expressions, filters and a schema may each be within their bounds and still be too much together."""
    key = webhook.tenant_id, webhook.id
    record = read_records(connection, [key]).get(key)
    size = 0 if record is None else len(record_value(record))
    if size > RECORD_BYTES_MAX:
        message = (
            f"the webhook is {size:,} bytes of configuration in all; at most {RECORD_BYTES_MAX:,} can be published"
        )
        raise ValidationFailedError([Problem("", message)])


def _audited(webhook: StoredWebhook) -> Json:
    return {**webhook.settings.as_json(), "version": webhook.version}
