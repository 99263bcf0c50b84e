"""One change of a webhook: rows, version, audit entry and the note to publish it, in the caller's transaction."""

from dataclasses import dataclass, field
from uuid import UUID

from infra.json_values import same_value
from infra.postgres import Connection
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
from management.inbound_webhooks.rules.proof import check_secret, unusable
from management.inbound_webhooks.schemas import Json
from management.inbound_webhooks.sealed_secrets import SealedSecrets
from management.inbound_webhooks.secret_forms import same_scheme, secret_form
from management.inbound_webhooks.stored import StoredWebhook
from management.inbound_webhooks.validation import Checked, SettingsRules
from management.webhook_secrets.repository import replace_secrets
from management.webhook_versions.repository import insert_version


@dataclass(frozen=True, slots=True)
class Written:
    """The webhook as it stands now. `secret` is in the clear, and there only when it was generated just now."""

    webhook: StoredWebhook
    secret: str | None = field(default=None, repr=False)


class WebhookWriter:
    """Safe to share between threads."""

    def __init__(self, rules: SettingsRules, sealed_secrets: SealedSecrets) -> None:
        self._rules = rules
        self._secrets = sealed_secrets

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
        if checked.secret_form is not None:
            secret = checked.secret or checked.secret_form.generate()
            generated = None if checked.secret else secret
            replace_secrets(connection, tenant_id, webhook_id, self._secrets.seal(tenant_id, webhook_id, secret))
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
        keeps = self._keeps_secret(stored, document, restoring=change == "restored")
        checked = self._rules.check(
            connection, stored.tenant_id, document, problems, webhook_id=stored.id, keeps_secret=keeps
        )
        new_secret = self._new_secret(stored, checked, keeps=keeps)
        if new_secret is None and same_value(checked.settings.as_json(), stored.settings.as_json()):
            return Written(stored)
        update_webhook(connection, stored, checked.settings, checked.json_schema)
        if new_secret is not None:
            sealed = self._secrets.seal(stored.tenant_id, stored.id, new_secret)
            replace_secrets(connection, stored.tenant_id, stored.id, sealed)
        elif checked.secret_form is None:
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

    def _keeps_secret(self, stored: StoredWebhook, document: Document, *, restoring: bool) -> bool:
        """Whether the secret there is goes on being good: in the same scheme, or as what a restored version can use."""
        if stored.secret("current") is None:
            return False
        auth_type, config = document.members["auth_type"], document.members["auth_config"]
        before = stored.settings.as_json()
        if same_scheme(auth_type, config, before["auth_type"], before["auth_config"]):
            return True
        form = secret_form(auth_type, config, self._rules.presets)
        if not restoring or form is None:
            return False
        current = self._secrets.current(stored)
        if current is None:
            return True
        fits = check_secret(form.member, form, current, Problems()) is not None
        return fits and unusable(config, current, self._rules.presets) is None

    def _new_secret(self, stored: StoredWebhook, checked: Checked, *, keeps: bool) -> str | None:
        """The secret to set; None where the one there stays, or the scheme has none."""
        if checked.secret_form is None:
            return None
        if checked.secret is not None:
            return None if self._secrets.is_current(stored, checked.secret) else checked.secret
        return None if keeps else checked.secret_form.generate()


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
